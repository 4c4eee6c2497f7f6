package zretest

import (
	"net"
	"slices"
	"sync"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// handshakeInterval is how long libzmq waits for the end of a handshake (ZMQ_HANDSHAKE_IVL).
const handshakeInterval = 30 * time.Second

// An inbox is a ROUTER socket of libzmq with ZMQ_ROUTER_HANDOVER. Its READY has an empty identity.
//
// When a second connection has finished its handshake with an identity that another connection has, the second one takes
// over, whether or not it ever says a word. The first one stays open, but libzmq does not read it any more: what its peer
// sends disappears in the buffers of TCP, even after the second one is closed, and the peer does not learn that.
type inbox struct {
	listener net.Listener
	receive  func(from *sender, frames [][]byte)

	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	routers map[*zmtp.Router]struct{} // one for each connection, so that none of them replaces another
	active  map[string]*sender        // by identity
}

// A sender is one accepted connection.
type sender struct {
	inbox    *inbox
	conn     *zmtp.Conn
	identity string
	replaced chan struct{} // closed when another has its identity
}

func openInbox(l net.Listener, receive func(from *sender, frames [][]byte)) *inbox {
	in := &inbox{
		listener: l, receive: receive,
		routers: make(map[*zmtp.Router]struct{}), active: make(map[string]*sender),
	}
	in.running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			in.accept(nc)
		}
	})
	return in
}

// accept begins the life of a connection.
func (in *inbox) accept(nc net.Conn) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		_ = nc.Close()
		return
	}
	r := zmtp.NewRouter(zmtp.Config{HandshakeTimeout: handshakeInterval}, in.admit)
	in.routers[r] = struct{}{}
	only := &oneConn{conns: make(chan net.Conn, 1), done: make(chan struct{}), addr: in.listener.Addr()}
	only.conns <- closeTelling{nc, only.end}
	in.running.Go(func() {
		_ = r.Serve(only) // until the connection is closed
		r.Close()
		_ = nc.Close() // if it was not accepted any more
		in.mu.Lock()
		defer in.mu.Unlock()
		delete(in.routers, r)
	})
}

// admit makes a connection that of its identity.
func (in *inbox) admit(conn *zmtp.Conn) (zmtp.Receiver, error) {
	s := &sender{inbox: in, conn: conn, identity: string(conn.Identity()), replaced: make(chan struct{})}
	in.mu.Lock()
	defer in.mu.Unlock()
	if s.identity == "" {
		return s, nil // libzmq gives it one of its own
	}
	if older := in.active[s.identity]; older != nil {
		close(older.replaced)
	}
	in.active[s.identity] = s
	return s, nil
}

// isActive reports whether no other connection has taken over: what came by this one, and was not read by then, is dropped.
func (s *sender) isActive() bool {
	select {
	case <-s.replaced:
		return false
	default:
		return true
	}
}

// Receive implements zmtp.Receiver.
func (s *sender) Receive(frames [][]byte) error {
	if s.isActive() {
		s.inbox.receive(s, frames)
	} else {
		<-s.conn.Done()
	}
	return nil
}

// Closed implements zmtp.Receiver.
func (s *sender) Closed(error) {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	if s.inbox.active[s.identity] == s {
		delete(s.inbox.active, s.identity)
	}
}

// close closes the socket and waits for its end.
func (in *inbox) close() {
	in.mu.Lock()
	in.closed = true
	routers := make([]*zmtp.Router, 0, len(in.routers))
	for r := range in.routers {
		routers = append(routers, r)
	}
	in.mu.Unlock()
	_ = in.listener.Close()
	for _, r := range routers {
		r.Close()
	}
	in.running.Wait()
}

// oneConn is a listener that has one connection to give, and is closed with that.
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
	l.end()
	return nil
}

func (l *oneConn) end()           { l.once.Do(func() { close(l.done) }) }
func (l *oneConn) Addr() net.Addr { return l.addr }

// closeTelling is a connection that tells of its Close.
type closeTelling struct {
	net.Conn
	closed func()
}

func (c closeTelling) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// identityOf is the identity of a node's DEALERs: RFC 36 has 1 before the UUID, since libzmq wants no 0 there.
func identityOf(id [16]byte) []byte { return slices.Concat([]byte{1}, id[:]) }
