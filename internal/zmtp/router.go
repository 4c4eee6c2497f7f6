package zmtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
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

	// Introduce, if set before Serve, returns the properties of READY for a connection that came in by a local address, in place of
	// Config's, which those within the process have. They must be as valid, and not change any more.
	Introduce func(local net.Addr) map[string]string

	// Rival, if set before Serve and Link, is asked when a connection comes whose identity an older one has. It reports whether the newer
	// one takes over: then the older one is closed with ErrReplaced. If not, the newer one is closed with ErrIdentityInUse, and the older
	// one goes on. Without Rival the newer one always takes over. It is not asked about an older one that is closing already.
	//
	// It is called from the newer connection's goroutine, perhaps before accept has returned for the older one. It may block until
	// Done of either connection is closed, or until a deadline of its own. Meanwhile the newer one keeps its place among the pending
	// handshakes, and nothing is read from it, so that its peer hangs up is not noticed. Its Done is closed, and the answer ignored, when
	// an even newer one of the same identity comes (about which Rival is asked while the first call may still be under way), when its
	// place goes to the handshake of another address, and when the Router closes.
	Rival func(older, newer *Conn) bool

	cfg    Config
	accept func(*Conn) (Receiver, error)
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // of Serve and of connections

	mu          sync.Mutex
	closed      bool
	listeners   map[net.Listener]struct{}
	conns       map[*Conn]struct{}
	active      map[string]*Conn           // by identity if it isn't empty: from accept to the end of Closed, one at most
	next        map[string]*Conn           // what waits for that end, the newest only
	pending     int                        // newcomers
	pendingFrom map[netip.Addr][]*newcomer // the oldest first
}

// A newcomer is an accepted connection in its handshake, up to its greeting if its Receiver waits for one.
type newcomer struct {
	nc   net.Conn
	from netip.Addr
	conn *Conn // after the handshake
}

// close ends a newcomer that must go. The caller holds the Router's lock.
func (n *newcomer) close(err error) {
	if n.conn != nil {
		n.conn.Close(err)
	} else {
		_ = n.nc.Close()
	}
}

// NewRouter returns a Router that serves nothing yet. After a handshake, and before any message of the connection, accept
// is called from the connection's goroutine and says who receives; an error refuses the connection. The Receiver gets
// its Closed even if the connection is closed before accept returns.
//
// A new connection with an identity that is in use takes over, unless Rival says no: the older one is closed with ErrReplaced. At most one
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
		pendingFrom: make(map[netip.Addr][]*newcomer),
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
	const silence = time.Minute // a flood takes every descriptor that becomes free: one line for all of it
	wait, told := time.Duration(0), time.Time{}
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
		if now := time.Now(); told.IsZero() || now.Sub(told) >= silence {
			told = now
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
	n, err := r.enter(nc)
	if err != nil {
		_ = nc.Close()
		r.refused(nc, err)
		return
	}
	go func() {
		tune(nc)
		cfg := r.cfg
		if r.Introduce != nil {
			cfg.Properties = r.Introduce(nc.LocalAddr())
		}
		peer, err := handshake(r.ctx, nc, cfg, zmq4.Router)
		if err != nil {
			_ = nc.Close()
			r.refused(nc, err)
			r.leave(n)
			r.wg.Done()
			return
		}
		c := newConn(socket{nc}, peer, NewQueue(routerMessages, routerOctets), cfg)
		c.router = r
		r.welcome(n, c)
	}()
}

// welcome begins a connection's life after its handshake.
func (r *Router) welcome(n *newcomer, c *Conn) {
	err := r.admit(n, c)
	var recv Receiver
	if err == nil {
		recv, err = r.accept(c)
	}
	if err != nil {
		c.Close(err)
		r.refused(c, err)
		r.leave(n)
		c.end()
		return
	}
	if g, ok := recv.(Greeter); ok {
		recv = r.awaitGreeting(n, c, g)
	} else {
		r.leave(n)
	}
	_ = c.queue.attach(c, nil) // if the connection is closed already, so is its queue, and it ends at once
	c.run(recv)
}

// ended is what a connection's end comes to.
func (r *Router) ended(c *Conn) {
	if broken, ok := errors.AsType[*ProtocolError](c.Err()); ok {
		r.refused(c, broken)
	}
	r.remove(c)
}

// A Greeter is a Receiver whose protocol begins with a greeting, as ZRE does with HELLO. Until it came the connection is
// bounded like a handshake: it has a place among those, and as much time once more.
type Greeter interface {
	Receiver

	// Greeted reports whether the greeting came. It is called after each Receive, on the same goroutine, until it did.
	Greeted() bool
}

// greeting is the Receiver of a connection until its Greeter has its greeting, and takes that place from then on.
type greeting struct {
	Greeter
	conn     *Conn
	newcomer *newcomer
	deadline time.Time
	timer    *time.Timer // ends the connection
}

func (r *Router) awaitGreeting(n *newcomer, c *Conn, g Greeter) Receiver {
	timeout := r.cfg.HandshakeTimeout
	late := func() {
		c.Close(fmt.Errorf("zmtp: nothing of the protocol came within %v after the handshake", timeout))
	}
	return &greeting{
		Greeter:  g,
		conn:     c,
		newcomer: n,
		deadline: time.Now().Add(timeout),
		timer:    time.AfterFunc(timeout, late),
	}
}

// Receive stops the time while the Receiver has a message: if it waits that is not the peer's fault.
func (g *greeting) Receive(frames [][]byte) error {
	g.timer.Stop()
	err := g.Greeter.Receive(frames)
	if g.Greeted() {
		g.conn.router.leave(g.newcomer)
		g.conn.receiver = g.Greeter
	} else {
		g.timer.Reset(time.Until(g.deadline))
	}
	return err
}

func (g *greeting) Closed(err error) {
	g.timer.Stop()
	g.conn.router.leave(g.newcomer)
	g.Greeter.Closed(err)
}

// enter gives a connection a place among the newcomers, or says why there is none for it.
func (r *Router) enter(nc net.Conn) (*newcomer, error) {
	n := &newcomer{nc: nc, from: ipOf(nc.RemoteAddr())}
	r.mu.Lock()
	defer r.mu.Unlock()
	others := len(r.pendingFrom[n.from])
	switch {
	case r.closed:
		return nil, ErrClosed
	case n.from.IsValid() && others >= r.cfg.Limits.PendingPerAddress:
		return nil, fmt.Errorf("zmtp: %d handshakes with %v are under way, no more are allowed", others, n.from)
	case r.pending >= r.cfg.Limits.PendingHandshakes && !r.makeRoom(others):
		return nil, fmt.Errorf("zmtp: %d handshakes are under way, no more are allowed", r.pending)
	}
	r.pending++
	r.pendingFrom[n.from] = append(r.pendingFrom[n.from], n)
	r.wg.Add(1)
	return n, nil
}

// makeRoom closes the oldest newcomer of the address that has the most, if that is fair towards one whose address has some
// already: so a few hosts that take all places keep nobody else out.
func (r *Router) makeRoom(have int) bool {
	var oldest *newcomer
	most := have + 1
	for _, list := range r.pendingFrom {
		if len(list) > most {
			oldest, most = list[0], len(list)
		}
	}
	if oldest == nil {
		return false
	}
	r.forget(oldest)
	oldest.close(errGaveWay)
	return true
}

// leave ends the time of a newcomer.
func (r *Router) leave(n *newcomer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(n)
}

// forget takes back a newcomer's place, if it still has it. The caller holds the lock.
func (r *Router) forget(n *newcomer) {
	list := r.pendingFrom[n.from]
	i := slices.Index(list, n)
	switch {
	case i < 0:
		return
	case len(list) == 1:
		delete(r.pendingFrom, n.from)
	default:
		r.pendingFrom[n.from] = slices.Delete(list, i, i+1)
	}
	r.pending--
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

func (r *Router) refused(c addressed, err error) {
	r.cfg.Log.Debug().Err(err).Stringer("local", c.LocalAddr()).Stringer("remote", c.RemoteAddr()).
		Msg("zmtp: connection refused or broken off")
}

// ipOf returns the IP address in an address, the zero Addr if there is none: limits for one host don't hold for ipc.
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
