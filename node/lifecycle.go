package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/discovery"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// phase is the phase in a node's life. It only goes up, except that a node whose start fails is new again.
type phase uint32

const (
	phaseNew phase = iota
	phaseStarting
	phaseStarted
	phaseClosing
	phaseClosed
)

// lifecycle is the phase of a node.
type lifecycle struct {
	current atomic.Uint32 // the phase; mu guards its changes

	// mu is held briefly, never while something is opened, closed or waited for. It guards the fields below. Until the node is started, it also
	// guards what the control loop owns from then on, so Join and SetState work before and during Start.
	mu    sync.Mutex
	abort context.CancelCauseFunc // ends the current start
	ended chan struct{}           // closed when that start has ended and has closed what it opened
}

func (l *lifecycle) phase() phase { return phase(l.current.Load()) }

func (l *lifecycle) set(p phase) { l.current.Store(uint32(p)) }

// checkStarted returns an error unless the node is started and not closed.
func (l *lifecycle) checkStarted() error {
	switch l.phase() {
	case phaseStarted:
		return nil
	case phaseNew, phaseStarting:
		return ErrNotStarted
	}
	return ErrClosed
}

// begin begins a start. The returned context ends with ctx or on Close.
func (l *lifecycle) begin(ctx context.Context) (context.Context, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch p := l.phase(); {
	case p >= phaseClosing:
		return nil, ErrClosed
	case p != phaseNew:
		return nil, ErrStarted
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	ctx, l.abort = context.WithCancelCause(ctx)
	l.ended = make(chan struct{})
	l.set(phaseStarting)
	return ctx, nil
}

// fail ends a failed start after everything that it opened is closed. It returns the error of Start.
func (l *lifecycle) fail(cause, closing error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase() != phaseStarting { // Close ended it
		cause = fmt.Errorf("node: start: %w", ErrClosed)
	} else {
		l.set(phaseNew)
	}
	if closing != nil {
		return errors.Join(cause, closing)
	}
	return cause
}

// end begins the end of the node, and returns the phase before that.
func (l *lifecycle) end() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.phase()
	if was < phaseClosing {
		l.set(phaseClosing)
	}
	return was
}

// Start listens and begins to send beacons. The context bounds the start, not the node's life. A failed start may be tried again. Close ends
// a start in progress, with ErrClosed.
func (n *Node) Start(ctx context.Context) error {
	ctx, err := n.lifecycle.begin(ctx)
	if err != nil {
		return fmt.Errorf("node: start: %w", err)
	}
	defer close(n.lifecycle.ended)
	defer n.lifecycle.abort(nil)
	o := opening{node: n}
	if err = o.open(ctx); err == nil && n.activate(&o) {
		return nil
	}
	return n.lifecycle.fail(err, o.undo())
}

// opening holds what a start opens, step by step. A later step may fail, and Close may come, so the node gets nothing before all is open.
type opening struct {
	node    *Node
	agent   *beacon.Agent
	mailbox net.Listener
	ipc     net.Listener   // nil if there is none
	gossip  *discovery.Hub // nil unless it listens for clients
	closers []func() error
}

// open runs the steps. Their order matters: C zyre and gyre keep the first endpoint that they hear, even if nothing listens there yet. So the
// node first hears beacons, then listens, then sends. Everything that waits for the network, for example DNS and gossip hubs, begins later.
func (o *opening) open(ctx context.Context) error {
	for _, step := range []func(context.Context) error{o.openAgent, o.openMailbox, o.openIPC, o.openGossip} {
		if ctx.Err() != nil {
			return fmt.Errorf("node: start: %w", context.Cause(ctx))
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// undo closes everything that is open, in reverse order.
func (o *opening) undo() (err error) {
	for _, closer := range slices.Backward(o.closers) {
		err = errors.Join(err, closer())
	}
	return err
}

// openAgent begins to receive beacons.
func (o *opening) openAgent(context.Context) (err error) {
	n := o.node
	cfg := n.cfg.beacons()
	cfg.Network, cfg.Log = beaconNetwork(n.cfg.Network), n.log
	cfg.Key = beacon.Key(n.publicKey())
	cfg.Handler, cfg.Changed, cfg.Failing = n.receiveSighting, n.signalNetworkChange, n.signalFailures
	if o.agent, err = beacon.Open(cfg); err != nil {
		return withSentinel(fmt.Errorf("node: start: %w", err), ErrListen)
	}
	o.closers = append(o.closers, o.agent.Close)
	return nil
}

// beacons returns the configuration of the beacons.
func (c *Config) beacons() beacon.Config {
	return beacon.Config{
		UUID:       c.UUID,
		Port:       c.BeaconPort,
		Interval:   c.BeaconInterval,
		Interfaces: c.Interfaces,
		Addresses:  c.destinations(),
		TTL:        c.TTL,
		StatePort:  c.StatePort,
		Mute:       c.NoBeacons,

		StateByBroadcast: c.StateByBroadcast,
	}
}

// destinations returns the destinations of the beacons: each group, together with the default destination of classic beacons for its address
// family. A family without a group has its defaults.
func (c *Config) destinations() (addresses []netip.Addr) {
	for _, group := range c.Groups {
		everybody := netip.MustParseAddr(beacon.AllNodes)
		if group.Is4() {
			everybody = netip.AddrFrom4([4]byte{255, 255, 255, 255})
		}
		addresses = append(addresses, everybody, group)
	}
	return addresses
}

func (o *opening) openMailbox(ctx context.Context) (err error) {
	if o.mailbox, err = o.node.listenMailbox(ctx); err == nil {
		o.closers = append(o.closers, o.mailbox.Close)
	}
	return err
}

func (o *opening) openIPC(ctx context.Context) error {
	if o.ipc = o.node.listenIPC(ctx); o.ipc != nil {
		o.closers = append(o.closers, o.ipc.Close)
	}
	return nil
}

// activate begins the node's life with everything that was opened, unless Close was called.
func (n *Node) activate(o *opening) bool {
	n.lifecycle.mu.Lock() // nothing below waits
	defer n.lifecycle.mu.Unlock()
	if n.lifecycle.phase() != phaseStarting {
		return false
	}
	n.lifecycle.set(phaseStarted)
	n.agent, n.gossip, n.port = o.agent, o.gossip, paths.AddrPortOf(o.mailbox.Addr()).Port()
	n.router = zmtp.NewRouter(n.zmtp, n.accept)
	n.router.Allow, n.router.PropertiesFor, n.router.Rival = n.allow, n.routerProperties, n.rival
	n.router.Known, n.router.AcceptFailed = n.hasPeerFrom, n.noteAcceptFailure
	n.checked = time.Now()
	n.figures.start(n.checked)
	n.state.CompareAndSwap(uint32(beacon.Init), uint32(n.chosenState))
	late := isLate(o.mailbox)
	n.serve(o.mailbox, n.relistenMailbox)
	if o.ipc != nil {
		n.serve(o.ipc, n.relistenIPC)
	}
	if n.gossip != nil {
		n.gossip.Serve()
		n.publishEndpoint()
	}
	n.reportEndpoints()
	n.checkBeacons()
	n.registerInProcess()
	n.findPeers()
	n.beginContests()
	n.wg.Go(n.control)
	if n.cfg.Discard {
		n.wg.Go(n.refuseAll)
	}
	if !late { // otherwise once it listens
		n.agent.Announce(n.port, n.State())
	}
	n.log.Debug().Uint16("port", n.port).Msg("started")
	return true
}

// change runs f in the control loop, or here if the node is not started yet: the node then starts with what f changes.
func (n *Node) change(f func() error) (err error) {
	n.lifecycle.mu.Lock()
	switch n.lifecycle.phase() {
	case phaseNew, phaseStarting:
		defer n.lifecycle.mu.Unlock()
		return f()
	case phaseStarted:
		n.lifecycle.mu.Unlock()
		if closed := n.do(func() { err = f() }); closed != nil {
			return closed
		}
		return err
	}
	n.lifecycle.mu.Unlock()
	return ErrClosed
}
