package node

import (
	"errors"
	"time"

	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/seek"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// The actions of the table. All run in the control loop. The actions that a HELLO causes are in hello.go.

const (
	// refusalGrace is how long the Exit of a peer that refuses connections waits for its farewell, which may still be in the beacon socket.
	// farewellGrace is the same for a peer that accepts connections and may be about to say farewell.
	refusalGrace  = 30 * time.Millisecond
	farewellGrace = 150 * time.Millisecond

	// redialGrace is how long the Exit of a peer with a broken connection waits for the first attempt to dial it again.
	redialGrace = time.Second

	// steady is how long a session must live for its end not to count as flapping.
	steady = 10 * time.Second

	// maxRegreets is how many more HELLOs go to a peer that does not show that it knows ours. A peer that does not answer at all gets one more.
	maxRegreets = 2
)

// noteConnection records our connection to the peer.
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
	s.extensions, s.advertised = extensionsOf(conn), stateIn(conn.OwnProperty(stateProperty))
	s.figures.shared.Store(s.extensions.has(extStats))
	if s.isOurs {
		s.out.CountsFully()
	}
	n.tellState(s)
	n.tellHeadersTo(s, time.Now())
	// The peer is alive. Its HELLO or its farewell decides the Exit of the previous session: zyre.js hangs up before it says farewell, and
	// stops listening only after that.
	if s.previous != nil && s.previous.out.Successor() == nil {
		n.after(farewellGrace, func() { n.reportPrevious(s) })
	}
}

// greet: our HELLO is sent.
func (n *Node) greet(s *session, d detail) {
	n.noteConnection(s, d)
	n.enterState(s, greeting)
	if s.candidate != nil {
		n.askWhose()
	}
}

// complete: our HELLO is sent to a peer that has already entered.
func (n *Node) complete(s *session, d detail) {
	n.noteConnection(s, d)
	n.enterState(s, ready)
}

// askToConfirm: our HELLO is sent. The peer's HELLO waits for proof that the peer knows ours. A node of ours never answers with an older HELLO.
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

// insist: the peer does not show that it knows our HELLO. It gets another one. After that, a peer that answers no PING is believed.
func (n *Node) insist(s *session, d detail) {
	if n.isUnproven(s, s.inbox) && s.mailbox != nil && s.mailbox.Delivery().InFlight { // it cannot know of it
		n.startGrace(s)
		return
	}
	if s.regreets < maxRegreets {
		n.greetAnew(s, d)
		return
	}
	s.inbox.releaseSoon()
}

// withdrawHello: the connection that brought the waiting HELLO has closed. If our HELLO made the peer close it, another HELLO is on its way.
// If our PING made the peer close it, the peer does not know our HELLO. That is the case if it happens twice, or if the peer had our HELLO
// before it sent its own, which then came more than a round trip after ours.
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

// greetAnew begins another session, with another HELLO, with a peer that has not entered. If the peer's HELLO is here, it keeps waiting.
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

// askAgain: our HELLO is not answered. The peer gets another one, unless its own HELLO is here and waits for the application.
func (n *Node) askAgain(s *session, d detail) {
	if s.isStalled() {
		n.startGrace(s)
	} else if s.candidate == nil {
		n.greetAnew(s, d)
	} else if o := n.nearest(s); o != nil {
		n.mergeInto(s, o.uuid)
	} else { // the session with the same peer at another address may be about to restart
		n.startGrace(s)
	}
}

// considerDial: an attempt to connect failed; session.run will try again. A peer known only from a beacon is forgotten for a while; then
// another beacon brings it back.
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
	} // otherwise it has another endpoint, or the fault may be ours
}

// noteDial records why the peer cannot be reached.
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

// awaitPeer: the peer closed its connection; ours is still up.
func (n *Node) awaitPeer(s *session, d detail) {
	if s.out.Wraps() { // it did so over a number, as it had to
		n.redial(s, d)
		return
	}
	s.isBack = false
	n.enterState(s, awaiting)
}

// mayBeUnheard reports whether a peer never showed that it knew our HELLO. When zyre.js has us in a session, it drops us for a HELLO and greets
// at our next beacon. It hangs up on anything but another HELLO.
func (n *Node) mayBeUnheard(s *session) bool {
	return !s.isOurs && s.helloAt.After(s.linked) && !s.isProven && !s.answered.Load() && n.countUnnamed() == 0
}

// drain: our connection closed, so messages may be lost and the session is over. What the peer sent before is still read, until its
// connection ends.
func (n *Node) drain(s *session, d detail) {
	if s.inbox == nil {
		n.redial(s, d)
		return
	}
	s.forgetSpeech()
	n.enterState(s, draining)
}

// hearOut: the peer says farewell. What it sent before is still read. Any host can forge a farewell: a peer that answers a PING has not left.
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

// stay: the peer answers after its farewell.
func (n *Node) stay(s *session, _ detail) {
	if s.mailbox == nil {
		return
	}
	n.log.Debug().Stringer("peer", s.uuid).Msg("farewell ignored: the peer answers")
	n.enterState(s, ready)
}

// readOn keeps an ending session while its peer's messages arrive or wait for the application. If we can no longer send to the peer and it
// keeps sending, it soon gets another session.
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
		// The peer may have got another HELLO of ours, and its answer is on its way. Dialling it would send one more.
		n.startGrace(s)
	case s.state == leaving:
		n.cutShort(s, d)
	default:
		n.redial(s, d)
	}
}

// redial replaces the session by one that dials. The dial shows whether the peer is gone.
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

// expectHello: the peer sends messages as if its HELLO had come, but that was lost with a connection. Another HELLO of ours makes it repeat its
// own, unless that is already on its way.
func (n *Node) expectHello(s *session, _ detail) {
	if !s.skipsHello {
		s.skipsHello = true
		n.startGrace(s)
	}
}

// resume continues the session on a new connection of the peer that begins without HELLO. libzmq makes one after a reset.
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

// leave ends the session of a peer that left, after everything it sent.
func (n *Node) leave(s *session, _ detail) { n.depart(s, Left) }

// cutShort ends the session of a peer that left without a GOODBYE. Nodes of ours send one after their last message.
func (n *Node) cutShort(s *session, _ detail) { n.depart(s, s.farewellReason()) }

// hearNoMore: our connection to a leaving peer closed. If the peer sent on the same connection, nothing more comes.
func (n *Node) hearNoMore(s *session, d detail) {
	if s.inbox == nil {
		n.cutShort(s, d)
	}
}

// expire ends the session of a silent peer.
func (n *Node) expire(s *session, _ detail) { n.remove(s, Expired) }

// drop ends the session of a peer that does not read its messages.
func (n *Node) drop(s *session, _ detail) {
	n.dropped.add(s.uuid)
	n.remove(s, NotResponding)
}

// loseAddress ends the session of a peer whose address another peer now has.
func (n *Node) loseAddress(s *session, _ detail) { n.remove(s, Crashed) }

// giveUp ends the session of a peer that we hear but cannot reach. It does not enter again until a dial works.
func (n *Node) giveUp(s *session, _ detail) {
	n.unreachable.add(s.uuid)
	n.noteGivenUp(s)
	n.remove(s, Unreachable)
}
