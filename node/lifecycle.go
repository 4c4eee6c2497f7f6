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
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/seek"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// phase is where a node is in its life. It goes up only, but for a start that fails, after which the node is new again.
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

	// mu is held for a moment, never while anything is opened, closed or waited for. It guards the fields below and, until the node is
	// started, what the control loop owns from then on: so Join and SetState work before Start, and beside it.
	mu    sync.Mutex
	abort context.CancelCauseFunc // ends the start that is under way
	ended chan struct{}           // closed when that has ended, and closed what it had opened
}

func (l *lifecycle) phase() phase { return phase(l.current.Load()) }

func (l *lifecycle) set(p phase) { l.current.Store(uint32(p)) }

// usable returns an error unless the node is started and not closed.
func (l *lifecycle) usable() error {
	switch l.phase() {
	case phaseStarted:
		return nil
	case phaseNew, phaseStarting:
		return ErrNotStarted
	}
	return ErrClosed
}

// begin begins a start. The context that it returns ends with the other, or by Close.
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

// fail ends a start that failed, when all is closed that it had opened. It returns the error of Start.
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

// end begins the end of the node, and tells in which phase it was.
func (l *lifecycle) end() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.phase()
	if was < phaseClosing {
		l.set(phaseClosing)
	}
	return was
}

// Start listens and begins to beacon. The context bounds the start, not the node's life. A start that failed may be tried again. Close ends
// one that is under way, with ErrClosed.
func (n *Node) Start(ctx context.Context) error {
	ctx, err := n.lifecycle.begin(ctx)
	if err != nil {
		return fmt.Errorf("node: start: %w", err)
	}
	defer close(n.lifecycle.ended)
	defer n.lifecycle.abort(nil)
	o := opening{node: n}
	if err = o.open(ctx); err == nil && n.live(&o) {
		return nil
	}
	return n.lifecycle.fail(err, o.undo())
}

// opening is what a start opens, step by step. A later step may fail, and Close may come, so nothing of it is the node's before all is open.
type opening struct {
	node    *Node
	agent   *beacon.Agent
	mailbox net.Listener
	ipc     net.Listener // nil if there is none
	gossip  *seek.Hub    // nil unless it listens for clients
	closers []func() error
}

// open takes the steps. Their order matters: C zyre and gyre keep to the first endpoint that they hear, even if nobody listens there yet. So
// hear, then listen, then speak. What waits for the network, as the DNS and hubs of gossip, is asked once the node lives.
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

// undo closes what is open, the last first.
func (o *opening) undo() (err error) {
	for _, closer := range slices.Backward(o.closers) {
		err = errors.Join(err, closer())
	}
	return err
}

// openAgent hears beacons.
func (o *opening) openAgent(context.Context) (err error) {
	n := o.node
	cfg := n.cfg.beacons()
	cfg.Network, cfg.Log = beaconNetwork(n.cfg.Network), n.log
	cfg.Key = beacon.Key(n.publicKey())
	cfg.Handler, cfg.Changed, cfg.Failing = n.sighting, n.moved, n.failing
	if o.agent, err = beacon.Open(cfg); err != nil {
		return mark(fmt.Errorf("node: start: %w", err), ErrListen)
	}
	o.closers = append(o.closers, o.agent.Close)
	return nil
}

// beacons is what the configuration says of beacons.
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

// destinations are those of the beacons: the groups, with the default for the classic ones of their families; a family that is not among
// them has its defaults.
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

// live begins the node's life with all that was opened, unless Close has come.
func (n *Node) live(o *opening) bool {
	n.lifecycle.mu.Lock() // nothing below waits
	defer n.lifecycle.mu.Unlock()
	if n.lifecycle.phase() != phaseStarting {
		return false
	}
	n.lifecycle.set(phaseStarted)
	n.agent, n.gossip, n.port = o.agent, o.gossip, paths.AddrPortOf(o.mailbox.Addr()).Port()
	n.router = zmtp.NewRouter(n.zmtp, n.accept)
	n.router.Allow, n.router.Introduce, n.router.Rival = n.allow, n.welcome, n.rival
	n.router.Known, n.router.Failing = n.isHost, n.noteAccept
	n.checked = time.Now()
	n.figures.start(n.checked)
	n.state.CompareAndSwap(uint32(beacon.Init), uint32(n.chosen))
	late := isLate(o.mailbox)
	n.serve(o.mailbox, n.relistenMailbox)
	if o.ipc != nil {
		n.serve(o.ipc, n.relistenIPC)
	}
	if n.gossip != nil {
		n.gossip.Serve()
		n.publish()
	}
	n.noteEndpoints()
	n.checkBeacons()
	n.settleIn()
	n.findPeers()
	n.challengeAll()
	n.wg.Go(n.control)
	if n.cfg.Discard {
		n.wg.Go(n.refuseAll)
	}
	if !late { // else when it listens
		n.agent.Announce(n.port, n.State())
	}
	n.log.Debug().Uint16("port", n.port).Msg("started")
	return true
}

// change runs f in the control loop, or here if the node is not started yet: then what f changes is what the node starts with.
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
