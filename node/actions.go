package node

import (
	"errors"
	"time"

	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/seek"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// The actions of the table. All run in the control loop. Those that a HELLO causes are in hello.go.

const (
	// refusalGrace is how long the Exit of a peer that refuses connections waits for its farewell, which may still be in the
	// socket for beacons; farewellGrace that of one which does not, and may be about to say it.
	refusalGrace  = 30 * time.Millisecond
	farewellGrace = 150 * time.Millisecond

	// redialGrace is how long the Exit of a peer with a broken connection waits for the first attempt to dial it again.
	redialGrace = time.Second

	// steady is how long a session must live for its end not to count as flapping.
	steady = 10 * time.Second

	// maxRegreets is how often a peer that does not show that it knows our HELLO is said another; one that does not answer at all, once.
	maxRegreets = 2
)

// noteConnection takes note of our connection to the peer.
func (n *Node) noteConnection(s *session, d detail) {
	conn := d.conn
	n.log.Debug().Stringer("peer", s.uuid).Stringer("endpoint", conn.RemoteAddr()).Msg("connected")
	s.mailbox, s.linked, s.linkedTick, s.shook, s.dialErr = conn, time.Now(), n.clock.Now(), d.took, nil
	s.hello, s.stopDialling, s.way = nil, nil, way{}
	s.transport, s.reached, s.local = transportOf(conn), paths.AddrPortOf(conn.RemoteAddr()), paths.AddrOf(conn.LocalAddr())
	s.out.SetTransport(via(s.transport))
	n.index(s)
	n.unreachable.remove(s.uuid)
	n.noteReached(s.uuid)
	if s.state.isPresent() {
		s.publish()
	}
	if s.transport == Inproc {
		s.out.HandOverTo(s.receiver(conn))
	}
	_, s.isOurs = parseIdentity(conn.Identity()) // libzmq's ROUTERs have none
	if s.isOurs {
		s.isBound.Store(n.isSecure())
	}
	s.extensions, s.advertised = extensionsOf(conn), stateIn(conn.Told(stateProperty))
	s.figures.shared.Store(s.extensions.has(extStats))
	if s.isOurs {
		s.out.CountsFully()
	}
	n.tellState(s)
	n.tellHeadersTo(s, time.Now())
	// The peer lives. Its HELLO tells the Exit of the session before, or its farewell: zyre.js hangs up before it says farewell,
	// and only then stops listening.
	if s.previous != nil && s.previous.out.Successor() == nil {
		n.after(farewellGrace, func() { n.reportPrevious(s) })
	}
}

// greet: our HELLO is said.
func (n *Node) greet(s *session, d detail) {
	n.noteConnection(s, d)
	n.enterState(s, greeting)
	if s.candidate != nil {
		n.askWhose()
	}
}

// complete: our HELLO is said to a peer that entered.
func (n *Node) complete(s *session, d detail) {
	n.noteConnection(s, d)
	n.enterState(s, ready)
}

// askToConfirm: our HELLO is said, and the peer's waits for proof that it is known. A node of ours answers with none that is older.
func (n *Node) askToConfirm(s *session, d detail) {
	n.noteConnection(s, d)
	if s.inbox.extensions != 0 && !n.isUnproven(s, s.inbox) {
		s.inbox.releaseSoon()
		return
	}
	s.out.Ping()
	s.unconfirmed++
	n.startGrace(s)
}

// confirm: the peer has answered a PING of the session that our HELLO began.
func (n *Node) confirm(s *session, _ detail) {
	if s.mailbox == nil {
		return // it answers a PING of an older session
	}
	n.former.remove(s.uuid)
	n.blocked.remove(s.uuid)
	s.inbox.verdict = accept
}

// insist: the peer does not show that it knows our HELLO. It gets another one; a peer that answers no PING is believed then.
func (n *Node) insist(s *session, d detail) {
	if n.isUnproven(s, s.inbox) && s.mailbox != nil && s.mailbox.Delivery().OnWay { // it cannot know of it
		n.startGrace(s)
		return
	}
	if s.regreets < maxRegreets {
		n.greetAnew(s, d)
		return
	}
	s.inbox.releaseSoon()
}

// withdrawHello: the connection has closed that brought the HELLO which waits. If our HELLO made the peer close it, another HELLO is on its
// way. If our PING did, the peer does not know our HELLO: so it is if it happens twice, or if the peer had our HELLO before it said its own,
// since that came later than a round trip after ours.
func (n *Node) withdrawHello(s *session, d detail) {
	switch {
	case s.mailbox == nil:
		n.enterState(s, dialling)
		return
	case s.unconfirmed > 1, s.regreets < maxRegreets && s.helloAt.Sub(s.linked) > s.shook:
		n.greetAnew(s, d)
		return
	}
	n.enterState(s, greeting)
}

// greetAnew begins another session with a peer that has not entered, which hears another HELLO. If its own is here, that waits on.
func (n *Node) greetAnew(s *session, _ detail) {
	in := s.inbox
	s.inbox = nil
	q := n.renew(s, Crashed)
	if q == nil {
		if in != nil {
			in.conn.Close(errSessionOver)
		}
		return
	}
	q.regreets = s.regreets + 1
	if in != nil {
		q.inbox = in
		n.enterState(q, confirming)
	}
}

// askAgain: our HELLO is not answered. The peer gets another one, unless its own is here and waits for the application.
func (n *Node) askAgain(s *session, d detail) {
	if s.isStalled() {
		n.startGrace(s)
	} else if s.candidate == nil {
		n.greetAnew(s, d)
	} else if o := n.nearest(s); o != nil {
		n.mergeInto(s, o.uuid)
	} else { // the session with the same peer by another address may be about to begin anew
		n.startGrace(s)
	}
}

// considerDial: an attempt to connect failed; session.run will try again. A peer that a beacon showed is forgotten until it beacons
// after a while.
func (n *Node) considerDial(s *session, d detail) {
	n.noteDial(s, d)
	switch {
	case s.candidate != nil:
		n.remove(s, Crashed)
	case s.unverified.IsValid():
		n.dismiss(s, d.err)
	case isRefused(d.err) || errors.Is(d.err, zmtp.ErrWrongPeer):
		// The process is gone. Its farewell may still wait in the socket for beacons.
		n.after(refusalGrace, func() {
			if s.state == dialling {
				n.remove(s, Crashed)
			}
		})
	} // else it has another endpoint, or it may be us who lack something
}

// noteDial keeps why the peer cannot be reached.
func (n *Node) noteDial(s *session, d detail) {
	s.dialErr = d.err
	n.noteFailure(s, d.err)
}

// loseUnanswered: our connection closed before the peer's HELLO came.
func (n *Node) loseUnanswered(s *session, d detail) {
	switch {
	case s.candidate != nil:
		n.presume(s)
		n.remove(s, Crashed)
		return
	case s.unverified.IsValid():
		n.dismiss(s, nil)
	default:
		n.redial(s, d)
	}
	n.noteShort(s, "it hung up before its HELLO")
}

// awaitPeer: the peer closed its connection, and ours stands.
func (n *Node) awaitPeer(s *session, d detail) {
	if s.out.Wraps() { // it did so over a number, as it had to
		n.redial(s, d)
		return
	}
	s.isBack = false
	n.enterState(s, awaiting)
}

// mayBeUnheard tells whether a peer never showed that it knew our HELLO: zyre.js, which had us in a session, drops us for a HELLO, greets at our
// next beacon, and hangs up for whatever comes but another HELLO.
func (n *Node) mayBeUnheard(s *session) bool {
	return !s.isOurs && s.helloAt.After(s.linked) && !s.isProven && !s.answered.Load() && n.countUnnamed() == 0
}

// drain: our connection closed, so messages may be lost and the session is over. What the peer sent before is still read, up to the end of
// its connection.
func (n *Node) drain(s *session, d detail) {
	if s.inbox == nil {
		n.redial(s, d)
		return
	}
	s.forgetSpeech()
	n.enterState(s, draining)
}

// hearOut: the peer says farewell. What it sent before is still read. Anybody can send a farewell: a peer that answers has not left.
func (n *Node) hearOut(s *session, _ detail) {
	s.forgetSpeech()
	n.enterState(s, leaving)
	if s.inbox == nil {
		n.cutShort(s, detail{})
		return
	}
	s.answered.Store(false)
	s.out.Ping()
}

// stay: the peer whose farewell came answers.
func (n *Node) stay(s *session, _ detail) {
	if s.mailbox == nil {
		return
	}
	n.log.Debug().Stringer("peer", s.uuid).Msg("farewell ignored: the peer answers")
	n.enterState(s, ready)
}

// readOn waits on for a session that ends, for as long as its peer's messages come in or wait for the application. One that cannot
// be spoken to any more, and goes on speaking, gets another session soon.
func (n *Node) readOn(s *session, d detail) {
	isHeard, spoke, ends := s.isHeard(), s.spoke.Swap(false), ourEndingGrace
	if s.isOurs || !spoke { // ours hang up soon, and a message that takes long to arrive may be the last
		ends = n.cfg.ExpiredTimeout
	}
	busy := spoke || isHeard || s.isStalled()
	switch {
	case busy && (s.state == leaving || time.Since(s.since) < ends):
		n.startGrace(s)
	case s.state == draining && !s.isOurs && n.countUnnamed() > 0 && time.Since(s.since) < seek.AnswerTime:
		// The peer may have heard another HELLO of ours, and its answer is on its way: to dial it would make one more.
		n.startGrace(s)
	case s.state == leaving:
		n.cutShort(s, d)
	default:
		n.redial(s, d)
	}
}

// redial replaces the session by one that dials: that tells whether the peer is gone.
func (n *Node) redial(s *session, _ detail) {
	reason := Crashed
	if s.out.Wraps() {
		reason = Replaced
	}
	n.renew(s, reason)
}

// loseMessages ends a session whose peer broke the sequence (RFC 36, "ZRE Commands"), and begins another.
func (n *Node) loseMessages(s *session, _ detail) {
	at, sameHost, flaps := s.paths.Unproven(), s.sameHost.Load(), s.nextFlaps()
	n.remove(s, LostMessages)
	n.begin(s.whose(), at, sameHost, flaps, nil, nil, nil)
}

// expectHello: the peer talks to us as if its HELLO had come; that was lost with a connection. Another HELLO of ours has it say its own again,
// unless that is on its way already.
func (n *Node) expectHello(s *session, _ detail) {
	if !s.skipsHello {
		s.skipsHello = true
		n.startGrace(s)
	}
}

// resume goes on with a connection of the peer that begins without HELLO, as libzmq makes one after a reset.
func (n *Node) resume(s *session, d detail) {
	if !d.isNext {
		n.loseMessages(s, d)
		return
	}
	n.log.Debug().Stringer("peer", s.uuid).Msg("the peer goes on by another connection")
	s.inbox = d.in
	d.in.verdict = accept
	n.enterState(s, ready)
}

// leave ends the session of a peer that left, after all that it sent.
func (n *Node) leave(s *session, _ detail) { n.depart(s, Left) }

// cutShort ends the session of a peer that left without a GOODBYE, which nodes of ours say behind all that they sent.
func (n *Node) cutShort(s *session, _ detail) { n.depart(s, s.farewellReason()) }

// hearNoMore: our connection to a peer that leaves closed. If the peer sent by the same one, nothing more comes.
func (n *Node) hearNoMore(s *session, d detail) {
	if s.inbox == nil {
		n.cutShort(s, d)
	}
}

// expire ends the session of a peer that is silent.
func (n *Node) expire(s *session, _ detail) { n.remove(s, Expired) }

// drop ends the session of a peer that does not take its messages.
func (n *Node) drop(s *session, _ detail) {
	n.dropped.add(s.uuid)
	n.remove(s, NotResponding)
}

// loseAddress ends the session of a peer whose address another one has.
func (n *Node) loseAddress(s *session, _ detail) { n.remove(s, Crashed) }

// giveUp ends the session of a peer that we hear and cannot reach. It does not enter again before a dial works.
func (n *Node) giveUp(s *session, _ detail) {
	n.unreachable.add(s.uuid)
	n.noteGivenUp(s)
	n.remove(s, Unreachable)
}
