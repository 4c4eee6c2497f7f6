package node

import (
	"net/netip"
	"time"

	"github.com/go-zre/go-zre/internal/eventqueue"
)

// A verdict is the control loop's decision on a connection's HELLO, or on its first message if that is no HELLO.
type verdict uint8

const (
	refuse    verdict = iota // the connection ends
	ignore                   // the message is ignored
	holdHello                // the HELLO waits, with the messages behind it
	accept                   // it belongs to the session
)

// handleHello handles a HELLO. The reader of the connection waits for the verdict.
func (n *Node) handleHello(in *inbox) {
	in.verdict = refuse
	s := n.sessions[in.uuid]
	if s != nil && !n.stopping && n.endHinted(s, in.key()) {
		s = nil
	}
	offer := n.isOffer(in)
	switch {
	case n.stopping:
		return
	case s != nil && s.key != in.key():
		n.noteRefused(in.identity(), errOtherKey)
		return
	case in.dialledBy != nil && (in.dialledBy != s || s.state.isPresent()):
		return
	case offer && s != nil && s.mailbox != nil && s.state != draining && s.state != leaving:
		return // it has our HELLO on another connection, and continues there
	}
	if n.mayAnswerUnnamed(in, s) {
		in.hold(true)
		n.undecided[in] = true
		n.askUnnamed()
		return
	}
	endpoints := in.endpoints()
	s = n.sessionOf(in, s, endpoints)
	if s == nil && len(endpoints) > 0 { // not seen by a beacon: its HELLO names its endpoint
		s = n.begin(in.claim(), n.newPaths(endpoints, len(endpoints) == 1), in.isLocal(), 0, nil, nil, in)
	}
	if s == nil {
		n.log.Debug().Stringer("peer", in.uuid).Msg("HELLO refused: no usable endpoint, or too many peers")
		return
	}
	s.isBound.Store(n.isSecure())
	n.checkOccupants(s, endpoints)
	n.handle(s, helloCame, detail{in: in})
}

// sessionOf returns the session whose HELLO this HELLO answers, if that can be determined. If two sessions lead to the peer, it is the newer
// one, because a ROUTER of libzmq is deaf to older connections. s is the session with the peer, if there is one.
func (n *Node) sessionOf(in *inbox, s *session, endpoints []netip.AddrPort) *session {
	other := n.findGreeting(in.claim(), endpoints)
	switch {
	case in.extensions != 0 && s != nil || other == nil:
		return s
	case s == nil:
	case other.candidate == nil || other.mailbox == nil || s.mailbox != nil && !other.connectedAt.After(s.connectedAt):
		return s
	default:
		n.remove(s, Replaced)
	}
	n.assignUUID(other, in.uuid)
	return other
}

// welcomePeer handles the HELLO of a peer that has not entered.
func (n *Node) welcomePeer(s *session, d detail) {
	in := d.in
	s.addHelloEndpoints(in.endpoints(), false)
	n.index(s)
	n.answerOnInbox(s, in)
	if n.isSecure() && isRefusedBy(s.dialErr) { // by now it may let us in
		signal(s.wake)
	}
	switch {
	case !in.isDuplex && (n.isOffer(in) || in.dialledBy != nil || in.conn.Err() != nil): // it speaks elsewhere, or is gone
	case !in.isDecided && n.mustConfirm(s, in):
		n.hold(s, in)
	default:
		n.enter(s, in)
	}
}

// mustConfirm reports whether a HELLO needs proof that the peer knows ours. A peer of another implementation may take ours for a second one.
// A peer that could not be reached, or whose connection took no data, must be reached first.
func (n *Node) mustConfirm(s *session, in *inbox) bool {
	return in.extensions == 0 && n.mayHaveOldSession(s.uuid) || s.mailbox == nil && n.unreachable.has(s.uuid) || n.mustProveDelivery(s, in)
}

// hold makes a HELLO wait for that proof.
func (n *Node) hold(s *session, in *inbox) {
	in.hold(false)
	s.inbox, s.helloAt = in, time.Now()
	n.enterState(s, confirming)
	if s.mailbox == nil {
		s.unreachableSince = s.helloAt // until now it may have been gone
		return
	}
	s.out.Ping()
	s.unconfirmed++
}

// replace handles the HELLO of a peer that has already entered. The peer began a new session because it restarted or lost ours. It waits for
// another HELLO of ours.
func (n *Node) replace(s *session, d detail) {
	in, reason := d.in, Replaced
	if s.mailbox != nil && s.state != leaving && in.conn.Property(answersProperty) == s.helloNumber {
		n.reenter(s, in)
		return
	}
	switch s.state {
	case draining:
		reason = Crashed
	case leaving:
		reason = s.farewellReason()
	}
	if s.inbox == in {
		s.inbox = nil // this connection stays
	}
	s.addHelloEndpoints(in.endpoints(), true)
	flaps := 0
	if in.extensions == 0 {
		flaps = s.nextFlaps()
	}
	if s.state == leaving {
		n.depart(s, reason)
	} else {
		n.remove(s, reason)
	}
	q := n.begin(in.claim(), s.paths.Clone(), s.sameHost.Load() || in.isLocal(), flaps, nil, nil, in)
	if q == nil {
		return
	}
	q.peerState.Store(s.peerState.Load()) // HELLO does not carry it
	n.handle(q, helloCame, d)
}

// reenter handles a HELLO of a node of ours that answers our last one, after an earlier HELLO was taken for the answer. What the peer sent in
// between may be lost. It has our HELLO, so it needs no other.
func (n *Node) reenter(s *session, in *inbox) {
	s.addHelloEndpoints(in.endpoints(), true)
	n.index(s)
	n.reportExit(s, Replaced)
	s.stream.Store(new(eventqueue.Stream))
	n.enter(s, in)
}

// enter tells the application about a peer whose HELLO came.
func (n *Node) enter(s *session, in *inbox) {
	hello := &in.message.Hello
	if state := parseStateProperty(in.conn.Property(stateProperty)); in.extensions.has(extState) && in.lastSequence == 0 {
		n.handleState(s, state, true)
	}
	n.unverified.Reached(s.unverified)
	n.releaseUnverified(s)
	n.noteChange()
	s.credit.lost.Store(n.dropped.has(s.uuid))
	in.verdict, in.session, in.stream = accept, s, s.stream.Load()
	if number := in.conn.Property(helloProperty); number != "" {
		s.answeredHello.Store(&number)
	}
	s.inbox, s.helloAt = in, time.Now()
	s.isExtended, s.saysGoodbye = in.extensions != 0, in.extensions.has(extGoodbye)
	if s.mailbox == nil {
		s.transport = transportOf(in.conn) // we use the transport by which it came
		s.unreachableSince = s.helloAt
		n.enterState(s, answering)
	} else {
		n.noteReached(s.uuid) // the connection was made before its UUID was known
		n.enterState(s, ready)
	}
	s.out.SetTransport(trafficTransport(s.transport))
	n.events.Begin(in.stream, trafficTransport(transportOf(in.conn)))
	s.alive.Store(true)
	s.name = string(hello.Name)
	s.headers = make(map[string]string, len(hello.Headers))
	for _, h := range hello.Headers {
		s.headers[string(h.Name)] = string(h.Value)
	}
	snapshot := s.updateSnapshot()
	n.mu.Lock()
	if s.previous != nil {
		n.hideLocked(s.previous) // in one step: a sender finds one session, never none or both
	}
	n.present[s.uuid] = s
	n.addHost(s, in.conn.RemoteAddr())
	n.lastAddressee.Store(nil)
	joined := n.addToGroups(s, hello.Groups)
	n.mu.Unlock()
	n.watchers.wake()
	n.reportPrevious(s)
	n.log.Debug().Stringer("peer", s.uuid).Str("name", s.name).Str("endpoint", snapshot.Endpoint).Msg("enter")
	n.figures.enters.Add(1)
	n.events.Push(s.stream.Load(), Event{Kind: Enter, Peer: snapshot})
	n.reportJoins(s, joined)
}
