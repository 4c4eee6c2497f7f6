package zmtp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/go-zeromq/zmq4"
)

// Limits of a ROUTER connection's own queue. ZRE sends nothing that way; it is for PONGs.
const (
	routerMessages = 1000
	routerOctets   = 1 << 20
)

// A Router accepts DEALER connections, from any number of listeners. Peers of other socket types are refused.
type Router struct {
	// Allow, if set before Serve, is asked about each accepted connection before an octet is read from it; false closes the connection. It
	// must not block, and is called from each Serve's goroutine.
	Allow func(local, remote net.Addr) bool

	// Known, if set before Serve, tells whether a remote address belongs to a peer that is served already. Its handshakes keep their places
	// when strangers' handshakes fill all others, as do those of transports without IP addresses. It must not block, and is called from
	// each Serve's goroutine.
	Known func(remote net.Addr) bool

	// AcceptFailed, if set before Serve, is called each time that accepting from a listener fails, before Serve tries again. It must not block.
	AcceptFailed func(l net.Listener, err error)

	// PropertiesFor, if set before Serve, returns the properties of READY for a connection that came in through a local address, instead of
	// Config's, which links within the process use. They must be valid like those, and not change any more.
	PropertiesFor func(local net.Addr) map[string]string

	// Rival, if set before Serve and Link, is asked when a connection comes with the identity of an older one. It tells whether the newer
	// one takes over: then the older one is closed with ErrReplaced. If not, the newer one is closed with ErrIdentityInUse, and the older
	// one continues. Without Rival the newer one always takes over. Rival is not asked about an older one that is closing already. With
	// CURVE the newer one has been authorized before, and Rival is not asked if its key differs from the older one's: then it takes over
	// only if the older one has a Greeter whose greeting has not come, so that a connection without a greeting cannot keep out the owner of
	// an identity.
	//
	// It is called from the newer connection's goroutine, perhaps before accept has returned for the older one. It may block until Done of
	// either connection is closed, or until its own deadline. Meanwhile the newer one keeps its place among the pending handshakes, and
	// nothing is read from it, so if its peer hangs up that goes unnoticed. Its Done is closed, and the answer ignored, in three cases: an
	// even newer one of the same identity comes (about which Rival is asked while the first call may still be under way), its place goes to
	// the handshake of another address, or the Router closes.
	Rival func(older, newer *Conn) bool

	cfg    Config
	accept func(*Conn) (Receiver, error)
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // of Serve and of connections

	mu            sync.Mutex
	closed        bool
	listeners     map[net.Listener]struct{}
	conns         map[*Conn]struct{}
	active        map[string]*Conn // by identity if it isn't empty: from accept to the end of Closed, one at most
	successors    map[string]*Conn // by identity: the newest connection that waits for that end
	unknown       newcomers
	known         newcomers
	newcomerCount uint64 // newcomers so far

	curveHellos buckets // of CURVE
	tally       tally
}

// NewRouter returns a Router that serves nothing yet. After a handshake, and before any message of the connection, accept is called from
// the connection's goroutine and returns its Receiver; an error refuses the connection. The Receiver gets its Closed even if the connection
// is closed before accept returns.
//
// A new connection with an identity in use takes over, unless Rival says no: the older one is closed with ErrReplaced. At most one
// connection of an identity is between its accept and the end of its Closed: the new one's accept waits for that, other connections don't.
// A Receive gives up when Done is closed, so that happens at once, even if the application reads nothing; if it takes longer than
// Config.HandshakeTimeout, the new connection is refused.
func NewRouter(cfg Config, accept func(*Conn) (Receiver, error)) *Router {
	r := &Router{
		cfg:        cfg.withDefaults(),
		accept:     accept,
		listeners:  make(map[net.Listener]struct{}),
		conns:      make(map[*Conn]struct{}),
		active:     make(map[string]*Conn),
		successors: make(map[string]*Conn),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// start starts serving an accepted connection, or closes it at once.
func (r *Router) start(nc net.Conn) {
	r.tally.accepted.Add(1)
	if r.Allow != nil && !r.Allow(nc.LocalAddr(), nc.RemoteAddr()) {
		r.tally.refused.Add(1)
		_ = nc.Close()
		return
	}
	n, err := r.addNewcomer(nc)
	if err != nil {
		r.tally.refused.Add(1)
		_ = nc.Close()
		r.logRefused(nc, err)
		return
	}
	go func() {
		tune(nc)
		cfg := r.cfg
		if r.PropertiesFor != nil {
			cfg.Properties = r.PropertiesFor(nc.LocalAddr())
		}
		result, err := r.handshake(nc, n, cfg)
		if err != nil {
			r.tally.failed.Add(1)
			_ = nc.Close()
			r.logRefused(nc, err)
			r.removeNewcomer(n)
			r.wg.Done()
			return
		}
		c := newConn(socket{nc}, result.peer, NewQueue(routerMessages, routerOctets), cfg)
		c.router, c.curve = r, result.curve
		r.welcome(n, c)
	}()
}

// handshake performs the handshake of a newcomer.
func (r *Router) handshake(nc net.Conn, n *newcomer, cfg Config) (handshakeResult, error) {
	m, err := newMechanism(cfg, zmq4.Router)
	if err != nil {
		return handshakeResult{}, err
	}
	if s, ok := m.(*curveServer); ok {
		s.admit = func() error { return r.curveHellos.take(n.from, cfg.Limits.CurvePerAddress) }
	}
	return runHandshake(r.ctx, nc, cfg, m, zmq4.Router)
}

// welcome starts a connection after its handshake.
func (r *Router) welcome(n *newcomer, c *Conn) {
	err := r.admit(n, c)
	var recv Receiver
	if err == nil {
		recv, err = r.accept(c)
	}
	if err != nil {
		r.reject(n, c, err)
		return
	}
	if g, ok := recv.(Greeter); ok {
		recv = r.awaitGreeting(n, c, g)
	} else {
		c.greeted.Store(true)
		r.removeNewcomer(n)
	}
	_ = c.queue.attach(c, nil) // if the connection is closed already, so is its queue, and it ends at once
	c.run(recv)
}

// reject ends a connection that has no Receiver.
func (r *Router) reject(n *newcomer, c *Conn, err error) {
	r.tally.refused.Add(1)
	c.Close(err)
	r.logRefused(c, err)
	r.removeNewcomer(n)
	c.end()
}

// connEnded accounts for a connection that has ended.
func (r *Router) connEnded(c *Conn) {
	if broken, ok := errors.AsType[*ProtocolError](c.Err()); ok {
		r.tally.broken.Add(1)
		r.logRefused(c, broken)
	}
	r.remove(c)
}

// Close closes the listeners and all connections, and waits until every goroutine has ended and every Closed has returned. It must not be
// called from accept or a Receiver. It is safe to call it again.
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

func (r *Router) logRefused(c addressed, err error) {
	r.cfg.Log.Debug().Err(err).Stringer("local", c.LocalAddr()).Stringer("remote", c.RemoteAddr()).
		Msg("zmtp: connection refused or broken off")
}

// ipOf returns the IP address in an address, the zero Addr if there is none: limits for one host don't apply to ipc.
func ipOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
