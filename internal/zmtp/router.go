package zmtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/go-zeromq/zmq4"
)

// Limits of a ROUTER connection's own queue. ZRE sends nothing that way; it is for PONGs.
const (
	routerMessages = 1000
	routerOctets   = 1 << 20
)

// A Router accepts DEALER connections, from any number of listeners. Peers of other socket types are refused.
type Router struct {
	// Allow, if set before Serve, is asked about each accepted connection before an octet is read from it; false closes the
	// connection. It must not block, and is called from each Serve's goroutine.
	Allow func(local, remote net.Addr) bool

	cfg    Config
	accept func(*Conn) (Receiver, error)
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // of Serve and of connections

	mu          sync.Mutex
	closed      bool
	listeners   map[net.Listener]struct{}
	conns       map[*Conn]struct{}
	active      map[string]*Conn // by identity if it isn't empty: from accept to the end of Closed, one at most
	next        map[string]*Conn // what waits for that end, the newest only
	pending     int              // handshakes
	pendingFrom map[netip.Addr]int
}

// NewRouter returns a Router that serves nothing yet. After a handshake, and before any message of the connection, accept
// is called from the connection's goroutine and says who receives; an error refuses the connection. The Receiver gets
// its Closed even if the connection is closed before accept returns.
//
// A new connection with an identity that is in use takes over: the older one is closed with ErrReplaced. At most one
// connection of an identity is between its accept and the end of its Closed: the new one's accept waits for that, other
// connections don't. As a Receive gives up when Done is closed, that is at once, even if the application reads nothing; if
// it is not within Config.HandshakeTimeout, the new connection is refused.
func NewRouter(cfg Config, accept func(*Conn) (Receiver, error)) *Router {
	r := &Router{
		cfg:         cfg.withDefaults(),
		accept:      accept,
		listeners:   make(map[net.Listener]struct{}),
		conns:       make(map[*Conn]struct{}),
		active:      make(map[string]*Conn),
		next:        make(map[string]*Conn),
		pendingFrom: make(map[netip.Addr]int),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Serve accepts connections from l until it is closed, or the Router is; then it returns ErrClosed. Serve closes l. When
// Accept fails for a passing reason (no file descriptor left) it waits a little and goes on. It fails at once if Config
// has a property or an identity that READY cannot carry.
func (r *Router) Serve(l net.Listener) error {
	defer l.Close()
	if _, err := newMetadata(string(zmq4.Router), r.cfg); err != nil {
		return err
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	r.listeners[l] = struct{}{}
	r.wg.Add(1)
	r.mu.Unlock()
	defer r.wg.Done()

	err := r.acceptAll(l)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.listeners, l)
	if r.closed || errors.Is(err, net.ErrClosed) {
		return ErrClosed
	}
	return fmt.Errorf("zmtp: cannot accept on %v: %w", l.Addr(), err)
}

// acceptAll returns the error that ended it.
func (r *Router) acceptAll(l net.Listener) error {
	const shortest, longest = 5 * time.Millisecond, time.Second
	wait := time.Duration(0)
	for {
		nc, err := l.Accept()
		if err == nil {
			wait = 0
			r.start(nc)
			continue
		}
		if passing, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](err); !ok || !passing.Temporary() {
			return err
		}
		if wait == 0 {
			r.cfg.Log.Warn().Err(err).Stringer("listener", l.Addr()).Msg("zmtp: cannot accept now, trying on")
		}
		wait = min(max(2*wait, shortest), longest)
		select {
		case <-time.After(wait):
		case <-r.ctx.Done():
			return ErrClosed
		}
	}
}

// start begins the life of an accepted connection, or closes it at once.
func (r *Router) start(nc net.Conn) {
	if r.Allow != nil && !r.Allow(nc.LocalAddr(), nc.RemoteAddr()) {
		_ = nc.Close()
		return
	}
	from := ipOf(nc.RemoteAddr())
	if err := r.enter(from); err != nil {
		_ = nc.Close()
		r.refused(nc, err)
		return
	}
	go func() {
		defer r.wg.Done()
		tune(nc)
		peer, err := handshake(r.ctx, nc, r.cfg, zmq4.Router)
		r.leave(from)
		if err != nil {
			_ = nc.Close()
			r.refused(nc, err)
			return
		}
		r.serve(newConn(nc, peer, NewQueue(routerMessages, routerOctets), r.cfg.Limits))
	}()
}

// serve is a connection's life after its handshake.
func (r *Router) serve(c *Conn) {
	defer close(c.finished)
	defer r.remove(c)
	err := r.admit(c)
	var recv Receiver
	if err == nil {
		recv, err = r.accept(c)
	}
	if err != nil {
		c.Close(err)
		r.refused(c.nc, err)
		return
	}
	_ = c.queue.attach(c, nil) // if the connection is closed already, so is its queue, and run ends at once
	c.run(recv)
	if broken, ok := errors.AsType[*ProtocolError](c.Err()); ok {
		r.refused(c.nc, broken)
	}
}

// enter counts a handshake, or says why there may be none.
func (r *Router) enter(from netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return ErrClosed
	case r.pending >= r.cfg.Limits.PendingHandshakes:
		return fmt.Errorf("zmtp: %d handshakes are under way, no more are allowed", r.pending)
	case r.pendingFrom[from] >= r.cfg.Limits.PendingPerAddress:
		return fmt.Errorf("zmtp: %d handshakes with %v are under way, no more are allowed", r.pendingFrom[from], from)
	}
	r.pending++
	if from.IsValid() {
		r.pendingFrom[from]++
	}
	r.wg.Add(1)
	return nil
}

// leave takes back what enter counted.
func (r *Router) leave(from netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending--
	if r.pendingFrom[from]--; r.pendingFrom[from] <= 0 {
		delete(r.pendingFrom, from)
	}
}

// admit gives the connection its place among the others. If another has its identity, that one is closed and admit waits
// for its end.
func (r *Router) admit(c *Conn) error {
	identity := string(c.Identity())
	r.mu.Lock()
	defer r.mu.Unlock()
	older := r.active[identity]
	switch {
	case r.closed:
		return ErrClosed
	case older == nil && len(r.conns) >= r.cfg.Limits.Connections:
		return fmt.Errorf("zmtp: there are %d connections, no more are allowed", r.cfg.Limits.Connections)
	}
	r.conns[c] = struct{}{}
	if identity == "" {
		return nil
	}
	if rival := r.next[identity]; rival != nil {
		delete(r.next, identity)
		rival.Close(ErrReplaced)
	}
	if older != nil {
		r.next[identity] = c
		older.Close(ErrReplaced)
		r.mu.Unlock()
		err := r.await(c, older)
		r.mu.Lock()
		if r.next[identity] != c {
			return ErrReplaced
		}
		delete(r.next, identity)
		if err != nil {
			return err
		}
	}
	r.active[identity] = c
	return nil
}

// await waits for the end of an older connection, whose place c is to take.
func (r *Router) await(c, older *Conn) error {
	timeout := time.NewTimer(r.cfg.HandshakeTimeout)
	defer timeout.Stop()
	select {
	case <-older.finished:
		return nil
	case <-c.done: // an even newer one replaced it, or the Router closes
		return c.err
	case <-timeout.C:
		return errors.New("zmtp: an older connection of this identity still delivers a message")
	}
}

// remove forgets a connection.
func (r *Router) remove(c *Conn) {
	identity := string(c.Identity())
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	if r.active[identity] == c {
		delete(r.active, identity)
	}
}

// Close closes the listeners and all connections, and waits until every goroutine has ended and every Closed has
// returned. It must not be called from accept or a Receiver. It is safe to call it again.
func (r *Router) Close() error {
	r.mu.Lock()
	r.closed = true
	r.cancel()
	for l := range r.listeners {
		_ = l.Close()
	}
	for c := range r.conns {
		c.Close(ErrClosed)
	}
	r.mu.Unlock()
	r.wg.Wait()
	return nil
}

func (r *Router) refused(nc net.Conn, err error) {
	r.cfg.Log.Debug().Err(err).Stringer("local", nc.LocalAddr()).Stringer("remote", nc.RemoteAddr()).
		Msg("zmtp: connection refused or broken off")
}

// ipOf returns the IP address in an address, the zero Addr if there is none: limits for one host don't hold for ipc.
func ipOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
