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
	"github.com/go-zre/go-zre/internal/eventqueue"
	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/seek"
	"github.com/go-zre/go-zre/internal/traffic"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// session is what this node has with one peer, from the moment that it means to connect until one side gives up. Whatever ends it, the next
// one with the same peer is another of these, so nothing of an old session can leak into a new one.
type session struct {
	node      *Node
	uuid      uuid.UUID   // a makeshift while candidate is set
	key       PublicKey   // that our connection demands; it does not change, and is zero for a plain node
	isBound   atomic.Bool // the key has shown that the UUID is its own; the control loop writes it
	isUnnamed bool        // it began without the peer's UUID

	// The control loop's own.
	state state
	turn  int       // counts states and their graces; the end of an older one is void
	since time.Time // when it came into its state
	began time.Time

	// Our connection to the peer's mailbox.
	mailbox      *zmtp.Conn     // nil while it is not up
	linked       time.Time      // when it came up, with our HELLO
	linkedTick   uint32         // likewise
	greets       bool           // the attempt to dial that is under way has shaken hands, and says HELLO
	shook        time.Duration  // how long it took to come up: several round trips
	transport    string         // of it; presumed before
	reached      netip.AddrPort // where it leads to by tcp; not valid otherwise
	local        netip.Addr     // where it comes from, without a zone
	shownAt      netip.AddrPort // the endpoint in the snapshot
	isOurs       bool           // the peer is a node of this implementation, as its ROUTER's READY told
	isExtended   bool           // likewise, as the READY of its DEALER told when its HELLO came: it may be sent ELECT
	extensions   extensions     // what it understands beyond RFC 36
	advertised   beacon.State   // our state, as it knows it
	headerTurn   uint64         // our headers, as it knows them: see Node.headerTurn
	headersTold  time.Time      // when it was last sent HEADERS
	hello        *msg.OutHello  // what the session begins with, but for the endpoint, until the connection is up
	stopDialling func()         // ends run
	dialErr      error          // of the last attempt to dial
	skipsHello   bool           // the peer talks to us without having said HELLO
	number       string         // of our HELLO
	regreets     int            // sessions just before this one whose HELLO the peer did not show to know
	unconfirmed  int            // PINGs that ask whether the peer knows our HELLO, not answered so far
	helloAt      time.Time      // when the peer's HELLO came
	isBack       bool           // the peer has made another connection since it closed the last one
	isProven     bool           // the peer has answered a PING before the last one that asked for a sign of life, so it knew our HELLO
	way          way            // what became of our octets there
	askedFor     time.Time      // when a sign of life on this connection was last asked for, for a reason of its own; see demand

	// The peer's connection to ours, and what it told by it.
	inbox           *inbox // nil while there is none
	last            uint16 // the number of its last message, once that connection closed
	name            string
	headers         map[string]string
	groups          map[string]int // and its place in the roster of each
	joined          []string       // the same groups as it joined them; snapshots share it, so it only grows, or is replaced
	host            netip.Addr     // where its connection came from, while it is present; Node.mu guards it
	statesByMessage bool           // it tells its state by messages, so its beacons do not count for that

	within     time.Time      // when a part of a message came, and no whole one since, or it was asked for a sign of life after that
	heard      time.Time      // last sign of life that the control loop took note of; a session that follows one that never entered has its
	asked      bool           // for a sign of life, since then
	isEvasive  bool           // and was told to be
	isSilent   bool           // likewise
	refusal    error          // what the authorizer said of it in the last round, if it was asked again
	outOfReach time.Time      // since when there is no connection to it
	unverified netip.AddrPort // where a beacon showed it, until it entered; not valid otherwise
	flaps      int            // how many sessions just before this one ended young; they delay its first dial

	candidate *seek.Candidate // where it was found, while its UUID is not known

	// previous is the session that this one replaces, while its Exit waits: the first attempt to dial tells whether the peer
	// crashed, and a farewell may still be in another socket.
	previous *session
	reason   Reason // for previous
	fate     error  // how it ended while the node sent what was left; nil if it did not

	saysGoodbye bool // the peer says GOODBYE behind all that it sends, as the READY of its connection told

	// Written by the control loop, read by all.
	snapshot  atomic.Pointer[Peer]
	shown     atomic.Uint32 // state
	paths     *paths.Set    // where it may be reached, the newest last
	peerState atomic.Uint32 // the beacon.State that it told last; beacon.Unknown before that

	sameHost atomic.Bool            // it is on this machine: ipc may lead to it
	alive    atomic.Bool            // beaconed since the control loop last looked
	spoke    atomic.Bool            // sent a message since then
	answers  atomic.Pointer[string] // the number of the peer's HELLO, if that came
	answered atomic.Bool            // a PING-OK came since this was last cleared
	isAsked  atomic.Bool            // the control loop wants to hear of a PING-OK

	stream    atomic.Pointer[eventqueue.Stream] // its events; the control loop puts another one in where the peer enters again in the same session
	out       *outbox.Outbox                    // what is sent to it
	work      work                              // what it was given
	calls     *Call                             // requests that wait for its replies, the newest first; requests.mu guards it
	callsOver bool                              // it is over, so none may begin; likewise
	replies   traffic.Count                     // to requests; likewise
	credit    credit                            // whether it is waited for
	figures   peerFigures                       // those that it shows, and ours that it asked for

	wake   chan struct{} // holds a token when there is a new endpoint to try
	better chan struct{} // holds a token when a path may be better than the one that is dialled

	dialling sync.WaitGroup // run

	ctx    context.Context // ends with the session
	cancel context.CancelCauseFunc
}

// isStalled tells whether nothing is read from the peer for a reason of ours: its messages wait for the application, or for room. It runs in the
// control loop.
func (s *session) isStalled() bool {
	return s.stream.Load().Stalled() || s.inbox != nil && s.inbox.conn.Waits()
}

var errSessionOver = errors.New("session is over")

// newSession makes a session; run starts it.
func (n *Node) newSession(id uuid.UUID, at *paths.Set) *session {
	now := time.Now()
	s := &session{
		node:       n,
		uuid:       id,
		paths:      at,
		transport:  TCP,
		groups:     make(map[string]int),
		since:      now,
		began:      now,
		heard:      now,
		outOfReach: now,
		number:     n.newHelloNumber(),
		wake:       make(chan struct{}, 1),
		better:     make(chan struct{}, 1),
	}
	inproc := n.neighbour(id) != nil
	if inproc {
		s.transport = Inproc
	}
	s.out = outbox.New(outbox.Config{
		QueueMessages: n.cfg.Limits.QueueMessages,
		QueueOctets:   n.cfg.Limits.QueueBytes,
		SendBudget:    n.queues,
		Inproc:        inproc,
		Drop:          s.dropSoon,
	})
	s.out.SetTransport(via(s.transport))
	s.stream.Store(new(eventqueue.Stream))
	s.peerState.Store(uint32(beacon.Unknown))
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// dropSoon has the control loop end the session of a peer that does not take its messages. It does not wait: the control loop
// itself may call it.
func (s *session) dropSoon() {
	s.node.after(0, func() { s.node.handle(s, queueStuck, detail{}) })
}

// goodbye ends what we send: with a GOODBYE if the peer understands it. Of others zyre alone uses gossip, and wants one there.
func (s *session) goodbye() {
	if s.extensions.has(extGoodbye) || !s.isOurs && s.node.seeker.IsGossiped(s.uuid) {
		s.out.Control(msg.AppendGoodbye)
	}
	s.out.Finish(ErrClosed)
}

// close ends the session: its queue takes no more, its goroutine and connections end. It does not wait.
func (s *session) close(cause error) {
	s.out.Close(cause)
	s.node.requests.endSession(s, cause == ErrClosed)
	s.node.figures.close(s)
	s.cancel(cause)
	if s.inbox != nil {
		s.inbox.conn.Close(cause)
	}
}

// nextFlaps is how many sessions in a row ended young, this one included.
func (s *session) nextFlaps() int {
	if time.Since(s.began) < steady {
		return s.flaps + 1
	}
	return 1
}

// publish makes a new snapshot of what the control loop knows.
func (s *session) publish() *Peer {
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
	case last != nil && at == s.shownAt:
		p.Endpoint = last.Endpoint
	case at.IsValid():
		p.Endpoint = paths.Format(at)
	}
	s.shownAt = at
	p.Public = s.node.cfg.Public.peer(p)
	s.snapshot.Store(p)
	s.node.watchers.wake()
	return p
}

// identity is the routing id of a node on a ROUTER: %x01 and its UUID (RFC 36, "Interconnection Model").
func identity(id uuid.UUID) []byte { return append([]byte{1}, id[:]...) }

func parseIdentity(octets []byte) (uuid.UUID, bool) {
	if len(octets) != 17 || octets[0] != 1 {
		return uuid.Nil, false
	}
	return uuid.UUID(octets[1:]), true
}
