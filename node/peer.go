package node

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/msg"
)

// peer is one session with a peer, from the moment that we mean to connect until one side gives up. A peer that begins a new
// session gets a new one of these.
type peer struct {
	node *Node
	uuid uuid.UUID

	// The control loop's own.
	entered         bool           // its HELLO came, and Enter was told
	connected       bool           // our connection to its mailbox is up
	transport       string         // of that; presumed before
	reached         netip.AddrPort // where that leads to by tcp; not valid otherwise
	local           netip.Addr     // where it comes from, without a zone
	suspected       time.Time      // since when its path may be dead; see checkPath
	ours            bool           // it is a node of this implementation, as its ROUTER's READY told
	extensions      extensions     // what it understands beyond RFC 36
	statesByMessage bool           // it tells its state by messages, so its beacons do not count for that
	told            beacon.State   // ours, as it knows it
	hello           *msg.OutHello  // what the session begins with, but for the endpoint, until our connection is up
	stopDialling    func()         // ends run
	inbox           *inbox         // where its messages come in; nil once that connection closed
	ending          Reason         // why the session ends, while what the peer sent before is still read; 0 otherwise
	name            string
	headers         map[string]string
	groups          map[string]struct{}
	began           time.Time // of this session
	heard           time.Time // last sign of life that the control loop took note of
	evasive         bool
	silent          bool
	contact         *contact       // where it was found, while its UUID is not known: uuid is a makeshift until then
	failure         error          // of the last attempt to dial, while that is so
	linked          time.Time      // when our connection came up, with our HELLO
	greeted         time.Time      // when its HELLO came
	asked           bool           // for a sign of life, since it was heard
	stranger        netip.AddrPort // where a beacon showed it, until it entered; not valid otherwise
	flaps           int            // how many sessions just before this one ended young; they delay its first dial

	// previous is the session that this one replaces, while its Exit waits: the first attempt to dial tells whether the peer
	// crashed, and a farewell may still be in another socket.
	previous *peer
	reason   Reason // for previous

	// Written by the control loop, read by all.
	snapshot atomic.Pointer[Peer]
	paths    atomic.Pointer[[]path] // where it may be reached, the newest last
	state    atomic.Uint32          // the beacon.State that it told last; beacon.Unknown before that

	sameHost atomic.Bool // it is on this machine: ipc may lead to it
	alive    atomic.Bool // beaconed since the control loop last looked
	spoke    atomic.Bool // sent a message since then
	stuck    atomic.Bool // its reader waits for the application
	answered atomic.Bool // a PING-OK came since this was last cleared

	over bool // Exit was told; guarded by the lock of the node's events

	out *outbox.Outbox // what is sent to it

	wake   chan struct{} // holds a token when there is a new endpoint to try
	better chan struct{} // holds a token when a path may be better than the one that is dialled

	dialling sync.WaitGroup // run

	ctx    context.Context // ends with the session
	cancel context.CancelCauseFunc
}

var errSessionOver = errors.New("session is over")

// newPeer makes the session; run starts it.
func (n *Node) newPeer(id uuid.UUID, paths []path) *peer {
	now := time.Now()
	p := &peer{
		node:      n,
		uuid:      id,
		transport: TCP,
		groups:    make(map[string]struct{}),
		began:     now,
		heard:     now,
		wake:      make(chan struct{}, 1),
		better:    make(chan struct{}, 1),
	}
	inproc := n.neighbour(id) != nil
	if inproc {
		p.transport = Inproc
	}
	p.out = outbox.New(outbox.Config{
		QueueMessages: n.cfg.Limits.QueueMessages,
		QueueOctets:   n.cfg.Limits.QueueOctets,
		Inproc:        inproc,
		Drop:          p.drop,
	})
	p.state.Store(uint32(beacon.Unknown))
	p.paths.Store(&paths)
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p
}

// run dials until it is connected, or ctx ends. From there on the mailbox hears of the connection's end. hello is what the connection
// begins with, but for the endpoint. The peer's UUID is given, since it may become known meanwhile.
func (p *peer) run(ctx context.Context, id uuid.UUID, hello msg.OutHello) {
	n := p.node
	p.dialling.Add(1)
	defer p.dialling.Done()
	for attempt := max(p.flaps-1, 0); ; attempt++ { // the first one at once
		if attempt > 0 && !p.sleep(ctx, backoff(n.cfg.Network, attempt)) {
			return
		}
		conn, err := p.connect(ctx, id, attempt, hello)
		if err == nil {
			n.post(func() { n.connected(p, conn) })
			return
		}
		if ctx.Err() != nil {
			return
		}
		if err == errBetterPath {
			attempt = -1
			continue
		}
		n.log.Debug().Err(err).Stringer("peer", id).Msg("cannot connect")
		if errors.Is(err, errOffer) { // its own call may be on its way
			continue
		}
		n.post(func() { n.dialFailed(p, err) })
	}
}

// sleep waits before another attempt; a new endpoint ends the wait. It returns false when there is to be none.
func (p *peer) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// drop has the control loop end the session of a peer that does not take its messages. It does not wait: the control loop
// itself may call it.
func (p *peer) drop() {
	p.node.after(0, func() { p.node.remove(p, NotResponding) })
}

// goodbye ends what we send: with a GOODBYE if the peer understands it. Of others C zyre alone uses gossip, and wants one there.
func (p *peer) goodbye() {
	if p.extensions.has(extGoodbye) || !p.ours && p.node.isGossiped(p.uuid) {
		p.out.Control(msg.AppendGoodbye)
	}
	p.out.Finish(ErrClosed)
}

// close ends the session: its queue takes no more, its goroutine and connections end. It does not wait.
func (p *peer) close(cause error) {
	p.out.Close(cause)
	p.cancel(cause)
	if p.inbox != nil {
		p.inbox.conn.Close(cause)
	}
}

// publish makes a new snapshot of what the control loop knows.
func (p *peer) publish() *Peer {
	s := &Peer{
		UUID:      p.uuid,
		Name:      p.name,
		Headers:   p.headers,
		Groups:    slices.Sorted(maps.Keys(p.groups)),
		Transport: p.transport,
		State:     beacon.State(p.state.Load()),
	}
	if p.reached.IsValid() {
		s.Endpoint = formatEndpoint(p.reached)
	} else if endpoints := p.endpoints(); len(endpoints) > 0 {
		s.Endpoint = formatEndpoint(endpoints[len(endpoints)-1])
	}
	p.snapshot.Store(s)
	return s
}

// identity is the routing id of a node on a ROUTER: %x01 and its UUID (RFC 36, "Interconnection Model").
func identity(id uuid.UUID) []byte { return append([]byte{1}, id[:]...) }

func parseIdentity(octets []byte) (uuid.UUID, bool) {
	if len(octets) != 17 || octets[0] != 1 {
		return uuid.Nil, false
	}
	return uuid.UUID(octets[1:]), true
}
