package node

import (
	"time"

	"github.com/go-zre/go-zre/internal/discovery"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// A session with a peer is in one state at a time. The table below gives the action for each event; docs/architecture.md shows it as a picture
// and as a table, and a test keeps the three equal.
//
// A session has two connections: ours to the peer's mailbox, on which we say HELLO, and the peer's to ours. The rules:
//
//   - A HELLO of the peer that comes after ours was sent answers ours, and needs no other.
//   - A HELLO that comes when no HELLO of ours is unanswered begins a new session on the peer's side: it gets a new HELLO of ours.
//   - A foreign peer may react to our HELLO: zyre and pyre close their connection, make another one and greet; zyre.js closes it and
//     greets at our next beacon. That is not a failure of the peer. So if a peer may have had us in an older session, its HELLO waits in
//     state confirming until a PING-OK proves that it knows our last HELLO.
//   - If the peer's connection closes while ours is up, either such a HELLO follows, or libzmq connects again and continues. We
//     wait for that, for the end of our own connection, or for awaitGrace.
type state uint8

const (
	dialling   state = iota // our connection is not up; the peer's HELLO has not come
	greeting                // our HELLO is sent; the peer's has not come
	confirming              // the peer's HELLO is here and waits for proof that the peer knows ours
	answering               // the peer entered; our connection is not up
	ready                   // the peer entered; both connections are up
	awaiting                // the peer entered, and has closed its connection: it is about to greet, or to continue
	draining                // the peer entered; our connection is over, and what the peer sent before is still read
	leaving                 // the peer entered and said farewell; what it sent before is still read
	stateCount              // how many there are
)

var stateNames = [stateCount]string{"dialling", "greeting", "confirming", "answering", "ready", "awaiting", "draining", "leaving"}

func (s state) String() string { return stateNames[s] }

// isPresent reports whether the application knows the peer.
func (s state) isPresent() bool { return s >= answering }

// An event is what can happen to a session.
type event uint8

const (
	helloCame          event = iota // the peer's HELLO, on one of its connections
	resumed                         // a connection of the peer begins without HELLO
	connected                       // our connection is up, our HELLO is sent
	dialFailed                      // an attempt to connect failed; there will be another
	mailboxClosed                   // our connection closed
	inboxClosed                     // the peer's connection closed
	farewellCame                    // a beacon says that the peer leaves
	goodbyeCame                     // the peer says so itself, in a message
	gapCame                         // a message is out of sequence
	pingOKCame                      // the peer answered a PING
	graceEnded                      // the time for the state is over
	silenceExpired                  // no sign of life for the expired timeout
	unreachableExpired              // no connection of ours for the expired timeout
	deliveryExpired                 // nothing of ours was acknowledged for the expired timeout, though the peer lives
	pathGone                        // our connection leads nowhere now
	addressTaken                    // another peer is at the address of our connection
	queueStuck                      // the peer did not read its messages for the send timeout
	eventCount                      // how many there are
)

var eventNames = [eventCount]string{"HELLO", "resumed", "connected", "dial failed", "our connection closed", "its connection closed",
	"farewell", "GOODBYE", "gap", "PING-OK", "grace ended", "silence expired", "unreachable expired", "delivery expired", "path gone",
	"address taken", "queue stuck"}

func (e event) String() string { return eventNames[e] }

// detail is the data of an event.
type detail struct {
	in     *inbox        // helloCame, resumed, inboxClosed: the peer's connection
	conn   *zmtp.Conn    // connected: ours
	took   time.Duration // connected: the duration of the attempt
	err    error         // dialFailed, mailboxClosed, deliveryExpired
	isNext bool          // resumed: its first message has the next sequence number
}

type action func(n *Node, s *session, d detail)

// table gives the action for each event and state. An empty cell does nothing.
var table [eventCount][stateCount]action

func init() { // not in the declaration: the actions refer to the table
	table = [eventCount][stateCount]action{
		helloCame: {
			dialling: (*Node).welcomePeer, greeting: (*Node).welcomePeer, confirming: (*Node).welcomePeer, answering: (*Node).replace,
			ready: (*Node).replace, awaiting: (*Node).replace, draining: (*Node).replace, leaving: (*Node).replace,
		},
		resumed: {greeting: (*Node).expectHello, awaiting: (*Node).resume},
		connected: {
			dialling: (*Node).greet, confirming: (*Node).askToConfirm, answering: (*Node).complete, leaving: (*Node).noteConnection,
		},
		dialFailed: {
			dialling: (*Node).handleDialFailure, confirming: (*Node).noteDialFailure, answering: (*Node).noteDialFailure, leaving: (*Node).noteDialFailure,
		},
		mailboxClosed: {
			greeting: (*Node).loseUnanswered, confirming: (*Node).greetAgain, ready: (*Node).drain, awaiting: (*Node).redial,
			leaving: (*Node).endWithoutInbox,
		},
		inboxClosed: {
			confirming: (*Node).withdrawHello, answering: (*Node).redial, ready: (*Node).awaitPeer, draining: (*Node).redial,
			leaving: (*Node).leaveByFarewell,
		},
		farewellCame: {
			dialling: (*Node).leaveByFarewell, greeting: (*Node).leaveByFarewell, confirming: (*Node).leaveByFarewell, answering: (*Node).readRest,
			ready: (*Node).readRest, awaiting: (*Node).leaveByFarewell, draining: (*Node).readRest,
		},
		goodbyeCame: {
			dialling: (*Node).leave, greeting: (*Node).leave, confirming: (*Node).leave, answering: (*Node).leave, ready: (*Node).leave,
			awaiting: (*Node).leave, draining: (*Node).leave, leaving: (*Node).leave,
		},
		gapCame: {
			answering: (*Node).loseMessages, ready: (*Node).loseMessages, awaiting: (*Node).loseMessages, draining: (*Node).loseMessages,
			leaving: (*Node).loseMessages,
		},
		pingOKCame: {confirming: (*Node).confirm, leaving: (*Node).ignoreFarewell},
		graceEnded: {
			greeting: (*Node).handleUnanswered, confirming: (*Node).repeatHello, awaiting: (*Node).redial, draining: (*Node).keepReading, leaving: (*Node).keepReading,
		},
		silenceExpired: {
			dialling: (*Node).expire, greeting: (*Node).expire, confirming: (*Node).expire, answering: (*Node).expire, ready: (*Node).expire,
			awaiting: (*Node).expire,
		},
		unreachableExpired: {confirming: (*Node).giveUp, answering: (*Node).giveUp},
		deliveryExpired: {
			greeting: (*Node).giveUpDelivery, confirming: (*Node).giveUpDelivery, ready: (*Node).giveUpDelivery, awaiting: (*Node).giveUpDelivery,
		},
		pathGone:     {greeting: (*Node).redial, ready: (*Node).redial, awaiting: (*Node).redial},
		addressTaken: {greeting: (*Node).loseAddress, ready: (*Node).loseAddress, awaiting: (*Node).loseAddress, draining: (*Node).loseAddress},
		queueStuck: {
			dialling: (*Node).drop, greeting: (*Node).drop, confirming: (*Node).drop, answering: (*Node).drop, ready: (*Node).drop,
			awaiting: (*Node).drop, draining: (*Node).drop, leaving: (*Node).drop,
		},
	}
}

// handle runs the action of an event, if the session is not over. It runs in the control loop.
func (n *Node) handle(s *session, e event, d detail) {
	if n.sessions[s.uuid] != s {
		return
	}
	if act := table[e][s.state]; act != nil {
		n.log.Debug().Stringer("peer", s.uuid).Stringer("state", s.state).Stringer("event", e).Msg("session")
		act(n, s, d)
	}
}

// enterState makes a session enter a state, and starts the time for that state.
func (n *Node) enterState(s *session, next state) {
	s.state, s.since = next, time.Now()
	s.shown.Store(uint32(next))
	s.isAsked.Store(next == leaving)
	n.startGrace(s)
}

// startGrace starts the time for a session's state again.
func (n *Node) startGrace(s *session) {
	s.graceNumber++
	turn, d := s.graceNumber, n.grace(s)
	if d == 0 {
		return
	}
	n.after(d, func() {
		if s.graceNumber == turn {
			n.handle(s, graceEnded, detail{})
		}
	})
}

// The longest time in a state, where only time can decide.
const (
	// greetGrace is how long a HELLO of ours may go unanswered by a foreign peer, once. The peer may have had us in an older session: zyre.js
	// drops us for our HELLO, or keeps answering at our old address. Other peers answer within eight times the latency: 2 s at 250 ms.
	// A peer that sends messages without a HELLO gets more of ours, each after twice the time.
	greetGrace = 2500 * time.Millisecond

	// confirmGrace is how long a PING that confirms a session may go unanswered: six times the latency, at 250 ms.
	confirmGrace = 1500 * time.Millisecond

	// awaitGrace is how long a peer may be without a connection to us while ours is up. libzmq connects again after 100 to 200 ms. A peer
	// that dropped us greets at our next beacon, so two beacon intervals count if they are longer.
	awaitGrace = 2 * time.Second

	// backGrace, plus the time to connect, is the same limit for a peer that never showed that it knew our HELLO, up to its next connection.
	backGrace = 300 * time.Millisecond

	// endingGrace is how long the connection of a leaving peer may stay open without traffic before the session ends anyway.
	// zyre stays connected for a while after its farewell. Nodes of ours hang up at once: if the connection is still open, more is coming, or
	// the machine is busy.
	endingGrace    = 250 * time.Millisecond
	ourEndingGrace = 2 * time.Second
)

// grace returns how long a session may be in its state; 0 for no limit.
func (n *Node) grace(s *session) time.Duration {
	switch s.state {
	case greeting:
		switch {
		case s.candidate != nil:
			return discovery.AnswerTime
		case !s.isOurs && (s.repeatedHellos == 0 || s.skipsHello):
			return greetGrace << min(s.repeatedHellos, 4)
		}
	case confirming:
		if s.mailbox != nil {
			return confirmGrace
		}
	case awaiting:
		if !s.hasReconnected && n.mayNotKnowHello(s) {
			return backGrace + s.connectTime
		}
		return max(awaitGrace, 2*n.cfg.BeaconInterval)
	case draining, leaving:
		if s.isOurs {
			return ourEndingGrace
		}
		return endingGrace
	}
	return 0
}
