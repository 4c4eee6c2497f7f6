package libzmq

import (
	"net"
	"sync"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// An Acceptor is a ROUTER whose connections don't know about each other: a new one leaves an older one of the same identity alone.
type Acceptor struct {
	listener net.Listener
	admit    func(*zmtp.Conn) (zmtp.Receiver, error)
	running  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	routers map[*zmtp.Router]struct{} // one for each connection
}

// Accept takes connections from a listener, which the Acceptor owns from now on. admit is called for each after its handshake, as by
// zmtp.NewRouter.
func Accept(l net.Listener, admit func(*zmtp.Conn) (zmtp.Receiver, error)) *Acceptor {
	a := &Acceptor{listener: l, admit: admit, routers: make(map[*zmtp.Router]struct{})}
	a.running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			a.start(nc)
		}
	})
	return a
}

// start starts a connection.
func (a *Acceptor) start(nc net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		_ = nc.Close()
		return
	}
	r := zmtp.NewRouter(zmtp.Config{HandshakeTimeout: handshakeInterval}, a.admit)
	a.routers[r] = struct{}{}
	only := &oneConn{conns: make(chan net.Conn, 1), done: make(chan struct{}), addr: a.listener.Addr()}
	only.conns <- closeNotifier{nc, only.stop}
	a.running.Go(func() {
		_ = r.Serve(only) // until the connection is closed
		r.Close()
		_ = nc.Close() // if it was not accepted any more
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.routers, r)
	})
}

// Close closes the listener and all connections, and waits for their end. It is safe to call it again.
func (a *Acceptor) Close() {
	a.mu.Lock()
	a.closed = true
	routers := make([]*zmtp.Router, 0, len(a.routers))
	for r := range a.routers {
		routers = append(routers, r)
	}
	a.mu.Unlock()
	_ = a.listener.Close()
	for _, r := range routers {
		r.Close()
	}
	a.running.Wait()
}

// oneConn is a listener that returns one connection, and is closed with that.
type oneConn struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
	addr  net.Addr
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	default:
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.stop()
	return nil
}

func (l *oneConn) stop()          { l.once.Do(func() { close(l.done) }) }
func (l *oneConn) Addr() net.Addr { return l.addr }

// closeNotifier is a connection that reports its Close.
type closeNotifier struct {
	net.Conn
	closed func()
}

func (c closeNotifier) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
