package node

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/discovery"
	"github.com/go-zre/go-zre/internal/eventqueue"
	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/traffic"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// session is this node's state for one peer, from the decision to connect until one side gives up. Whatever ends it, the next session with the
// same peer is a new value, so nothing of an old session can leak into a new one.
type session struct {
	node      *Node
	uuid      uuid.UUID   // a temporary one while candidate is set
	key       PublicKey   // demanded by our connection; it does not change, and is zero for a plain node
	isBound   atomic.Bool // the key's owner has claimed the UUID; the control loop writes it
	isUnnamed bool        // it began without the peer's UUID

	// Owned by the control loop.
	state       state
	graceNumber int       // counts states and their graces; a grace of an older turn is void
	since       time.Time // when it entered its state
	began       time.Time

	// Our connection to the peer's mailbox.
	mailbox          *zmtp.Conn     // nil while it is not up
	connectedAt      time.Time      // when it came up, with our HELLO
	connectedTick    uint32         // likewise
	saysHello        bool           // the current attempt to dial has finished its handshake, and says HELLO
	connectTime      time.Duration  // how long it took to come up: several round trips
	transport        string         // of the connection; an assumption before
	reached          netip.AddrPort // the TCP address where it leads; otherwise not valid
	local            netip.Addr     // our local address, without a zone
	snapshotEndpoint netip.AddrPort // the endpoint in the snapshot
	isOurs           bool           // the peer is a node of this implementation, according to its ROUTER's READY
	isExtended       bool           // likewise, according to its DEALER's READY when its HELLO came: it may get ELECT
	extensions       extensions     // what it understands beyond RFC 36
	sentState        beacon.State   // our state, as last sent to it
	headersVersion   uint64         // our headers, as last sent to it: see Node.headersVersion
	headersSentAt    time.Time      // when it was last sent HEADERS
	hello            *msg.OutHello  // the session's first message, without the endpoint, until the connection is up
	stopDialling     func()         // ends dialUntilConnected
	dialErr          error          // of the last attempt to dial
	skipsHello       bool           // the peer sends messages without a HELLO
	helloNumber      string         // of our HELLO
	repeatedHellos   int            // how many sessions just before this one ended before the peer showed that it knew our HELLO
	unconfirmed      int            // unanswered PINGs that ask whether the peer knows our HELLO
	helloAt          time.Time      // when the peer's HELLO came
	hasReconnected   bool           // the peer has made another connection since it closed its last one
	isProven         bool           // the peer has answered a PING before the last one that asked for a sign of life, so it knew our HELLO
	delivery         delivery       // of our bytes there
	proofAskedAt     time.Time      // when a sign of life on this connection was last demanded; see requireAnswer

	// The peer's connection to us, and what it said there.
	inbox           *inbox // nil while there is none
	lastSequence    uint16 // the number of its last message, once that connection closed
	name            string
	headers         map[string]string
	groups          map[string]int // with its index in the roster of each
	joined          []string       // the same groups in the order of joining; snapshots share it, so it only grows, or is replaced
	host            netip.Addr     // the address its connection came from, while it is present; Node.mu guards it
	statesByMessage bool           // it sends its state in messages, so the state in its beacons is ignored

	partialSince     time.Time      // when part of a message came with no whole one since, or when it was last asked for a sign of life after that
	lastHeard        time.Time      // last sign of life that the control loop saw; inherited from a session before that never entered
	isPinged         bool           // it was asked for a sign of life since heard
	isEvasive        bool           // it was reported as evasive
	isSilent         bool           // it was reported as silent
	refusal          error          // the authorizer's error in the last round, if it was asked again
	unreachableSince time.Time      // since when there is no connection to it
	unverified       netip.AddrPort // where a beacon showed it, until it entered; not valid otherwise
	flaps            int            // how many sessions just before this one were short; they delay its first dial

	candidate *discovery.Candidate // the address where it was found, while its UUID is not known

	// previous is the session that this one replaces, while its Exit is pending. The first attempt to dial shows whether the peer crashed, and a
	// farewell may still be in another socket.
	previous *session
	reason   Reason // for the Exit of previous
	endCause error  // how it ended while the node sent its remaining messages; nil if it did not

	saysGoodbye bool // the peer sends GOODBYE after its last message, according to its connection's READY

	// Written by the control loop, read by all goroutines.
	snapshot  atomic.Pointer[Peer]
	shown     atomic.Uint32 // state
	paths     *paths.Set    // where it may be reached, the newest last
	peerState atomic.Uint32 // the last beacon.State that it sent; beacon.Unknown before that

	sameHost      atomic.Bool            // it is on this machine: ipc may reach it
	alive         atomic.Bool            // it beaconed since the control loop last looked
	spoke         atomic.Bool            // it sent a message since then
	answeredHello atomic.Pointer[string] // the number of the peer's HELLO, if one came
	answered      atomic.Bool            // a PING-OK came since this was last cleared
	isAsked       atomic.Bool            // the control loop wants to know of a PING-OK

	stream    atomic.Pointer[eventqueue.Stream] // its events; the control loop replaces the stream if the peer enters again in the same session
	out       *outbox.Outbox                    // what is sent to it
	work      work                              // the work that it was sent
	calls     *Call                             // requests that wait for its replies, the newest first; requests.mu guards it
	callsOver bool                              // the session is over, so no call may begin; likewise
	replies   traffic.Count                     // to requests; likewise
	credit    credit                            // whether senders wait for it
	figures   peerFigures                       // the figures that it shares, and ours that it asked for

	wake   chan struct{} // holds a token when there is a new endpoint to try
	better chan struct{} // holds a token when a path may be better than the current one

	dialling sync.WaitGroup // counts dialUntilConnected

	ctx    context.Context // ends with the session
	cancel context.CancelCauseFunc
}

// isStalled reports whether nothing is read from the peer for a reason on our side: its messages wait for the application, or for room. It runs
// in the control loop.
func (s *session) isStalled() bool {
	return s.stream.Load().Stalled() || s.inbox != nil && s.inbox.conn.WaitsForRoom()
}

var errSessionOver = errors.New("session is over")

// newSession makes a session; dialUntilConnected starts it.
func (n *Node) newSession(id uuid.UUID, at *paths.Set) *session {
	now := time.Now()
	s := &session{
		node:             n,
		uuid:             id,
		paths:            at,
		transport:        TCP,
		groups:           make(map[string]int),
		since:            now,
		began:            now,
		lastHeard:        now,
		unreachableSince: now,
		helloNumber:      n.newHelloNumber(),
		wake:             make(chan struct{}, 1),
		better:           make(chan struct{}, 1),
	}
	inproc := n.neighbour(id) != nil
	if inproc {
		s.transport = Inproc
	}
	s.out = outbox.New(outbox.Config{
		QueueMessages: n.cfg.Limits.QueueMessages,
		QueueBytes:    n.cfg.Limits.QueueBytes,
		SendBudget:    n.queues,
		Inproc:        inproc,
		Drop:          s.dropSoon,
	})
	s.out.SetTransport(trafficTransport(s.transport))
	s.stream.Store(new(eventqueue.Stream))
	s.peerState.Store(uint32(beacon.Unknown))
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// dropSoon makes the control loop end the session of a peer that does not read its messages. It does not block: the control loop
// itself may call it.
func (s *session) dropSoon() {
	s.node.after(0, func() { s.node.handle(s, queueStuck, detail{}) })
}

// sendGoodbye ends what we send, with a GOODBYE if the peer understands it. Of the others, only zyre uses gossip, and it expects one there.
func (s *session) sendGoodbye() {
	if s.extensions.has(extGoodbye) || !s.isOurs && s.node.seeker.IsGossiped(s.uuid) {
		s.out.Control(msg.AppendGoodbye)
	}
	s.out.Finish(ErrClosed)
}

// close ends the session: its queue accepts no more, its goroutine and connections end. It does not block.
func (s *session) close(cause error) {
	s.out.Close(cause)
	s.node.requests.endSession(s, cause == ErrClosed)
	s.node.figures.close(s)
	s.cancel(cause)
	if s.inbox != nil {
		s.inbox.conn.Close(cause)
	}
}

// nextFlaps returns how many sessions in a row were short, including this one.
func (s *session) nextFlaps() int {
	if time.Since(s.began) < shortSession {
		return s.flaps + 1
	}
	return 1
}

// updateSnapshot makes a new snapshot of the peer.
func (s *session) updateSnapshot() *Peer {
	p := &Peer{
		UUID:      s.uuid,
		Name:      s.name,
		Headers:   s.headers,
		Groups:    slices.Clip(s.joined),
		Transport: s.transport,
		State:     beacon.State(s.peerState.Load()),
		PublicKey: s.key,
	}
	at := s.reached
	if !at.IsValid() {
		at = s.paths.Newest()
	}
	switch last := s.snapshot.Load(); {
	case last != nil && at == s.snapshotEndpoint:
		p.Endpoint = last.Endpoint
	case at.IsValid():
		p.Endpoint = paths.Format(at)
	}
	s.snapshotEndpoint = at
	p.Public = s.node.cfg.Public.peer(p)
	s.snapshot.Store(p)
	s.node.watchers.wake()
	return p
}

// identity is the routing id of a node on a ROUTER: %x01 and its UUID (RFC 36, "Interconnection Model").
func identity(id uuid.UUID) []byte { return append([]byte{1}, id[:]...) }

func parseIdentity(routingID []byte) (uuid.UUID, bool) {
	if len(routingID) != 17 || routingID[0] != 1 {
		return uuid.Nil, false
	}
	return uuid.UUID(routingID[1:]), true
}
