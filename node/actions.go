package node

import (
	"errors"
	"time"

	"github.com/go-zre/go-zre/internal/discovery"
	"github.com/go-zre/go-zre/internal/paths"
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

	// shortSession is how long a session must live for its end not to count as flapping.
	shortSession = 10 * time.Second

	// maxRepeatedHellos is how many more HELLOs go to a peer that does not show that it knows ours. A peer that does not answer at all gets one more.
	maxRepeatedHellos = 2
)

// noteConnection records our connection to the peer.
func (n *Node) noteConnection(s *session, d detail) {
	conn := d.conn
	n.log.Debug().Stringer("peer", s.uuid).Stringer("endpoint", conn.RemoteAddr()).Msg("connected")
	s.mailbox, s.connectedAt, s.connectedTick, s.connectTime, s.dialErr = conn, time.Now(), n.clock.Now(), d.took, nil
	s.hello, s.stopDialling, s.delivery = nil, nil, delivery{}
	s.transport, s.reached, s.local = transportOf(conn), paths.AddrPortOf(conn.RemoteAddr()), paths.AddrOf(conn.LocalAddr())
	s.out.SetTransport(trafficTransport(s.transport))
	n.index(s)
	n.unreachable.remove(s.uuid)
	n.noteReached(s.uuid)
	if s.state.isPresent() {
		s.updateSnapshot()
	}
	if s.transport == Inproc {
		s.out.HandOverTo(s.receiver(conn))
	}
	_, s.isOurs = parseIdentity(conn.Identity()) // libzmq's ROUTERs have none
	if s.isOurs {
		s.isBound.Store(n.isSecure())
	}
	s.extensions, s.sentState = extensionsOf(conn), parseStateProperty(conn.OwnProperty(stateProperty))
	s.figures.shared.Store(s.extensions.has(extStats))
	if s.isOurs {
		s.out.UseFullCycle()
	}
	n.sendStateTo(s)
	n.sendHeadersTo(s, time.Now())
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
		n.askUnnamed()
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
	if s.inbox.extensions != 0 && !n.mustProveDelivery(s, s.inbox) {
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
	n.undelivered.remove(s.uuid)
	s.inbox.verdict = accept
}

// repeatHello: the peer does not show that it knows our HELLO. It gets another one. After that, a peer that answers no PING is believed.
func (n *Node) repeatHello(s *session, d detail) {
	if n.mustProveDelivery(s, s.inbox) && s.mailbox != nil && s.mailbox.Delivery().InFlight { // it cannot know of it
		n.startGrace(s)
		return
	}
	if s.repeatedHellos < maxRepeatedHellos {
		n.greetAgain(s, d)
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
	case s.unconfirmed > 1, s.repeatedHellos < maxRepeatedHellos && s.helloAt.Sub(s.connectedAt) > s.connectTime:
		n.greetAgain(s, d)
		return
	}
	n.enterState(s, greeting)
}

// greetAgain begins another session, with another HELLO, with a peer that has not entered. If the peer's HELLO is here, it keeps waiting.
func (n *Node) greetAgain(s *session, _ detail) {
	in := s.inbox
	s.inbox = nil
	q := n.renew(s, Crashed)
	if q == nil {
		if in != nil {
			in.conn.Close(errSessionOver)
		}
		return
	}
	q.repeatedHellos = s.repeatedHellos + 1
	if in != nil {
		q.inbox = in
		n.enterState(q, confirming)
	}
}

// handleUnanswered: our HELLO is not answered. The peer gets another one, unless its own HELLO is here and waits for the application.
func (n *Node) handleUnanswered(s *session, d detail) {
	if s.isStalled() {
		n.startGrace(s)
	} else if s.candidate == nil {
		n.greetAgain(s, d)
	} else if o := n.nearestConnected(s); o != nil {
		n.mergeInto(s, o.uuid)
	} else { // the session with the same peer at another address may be about to restart
		n.startGrace(s)
	}
}

// handleDialFailure: an attempt to connect failed; session.run will try again. A peer known only from a beacon is forgotten for a while; then
// another beacon brings it back.
func (n *Node) handleDialFailure(s *session, d detail) {
	n.noteDialFailure(s, d)
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

// noteDialFailure records why the peer cannot be reached.
func (n *Node) noteDialFailure(s *session, d detail) {
	s.dialErr = d.err
	n.noteFailure(s, d.err)
}

// loseUnanswered: our connection closed before the peer's HELLO came.
func (n *Node) loseUnanswered(s *session, d detail) {
	switch {
	case s.candidate != nil:
		n.presumeSamePeer(s)
		n.remove(s, Crashed)
		return
	case s.unverified.IsValid():
		n.dismiss(s, nil)
	default:
		n.redial(s, d)
	}
	n.noteShortSession(s, "it hung up before its HELLO")
}

// awaitPeer: the peer closed its connection; ours is still up.
func (n *Node) awaitPeer(s *session, d detail) {
	if s.out.IsWrapping() { // it did so over a number, as it had to
		n.redial(s, d)
		return
	}
	s.hasReconnected = false
	n.enterState(s, awaiting)
}

// mayNotKnowHello reports whether a peer never showed that it knew our HELLO. When zyre.js has us in a session, it drops us for a HELLO and greets
// at our next beacon. It hangs up on anything but another HELLO.
func (n *Node) mayNotKnowHello(s *session) bool {
	return !s.isOurs && s.helloAt.After(s.connectedAt) && !s.isProven && !s.answered.Load() && n.countUnnamed() == 0
}

// drain: our connection closed, so messages may be lost and the session is over. What the peer sent before is still read, until its
// connection ends.
func (n *Node) drain(s *session, d detail) {
	if s.inbox == nil {
		n.redial(s, d)
		return
	}
	s.resetHeard()
	n.enterState(s, draining)
}

// readRest: the peer says farewell. What it sent before is still read. Any host can forge a farewell: a peer that answers a PING has not left.
func (n *Node) readRest(s *session, _ detail) {
	s.resetHeard()
	n.enterState(s, leaving)
	if s.inbox == nil {
		n.leaveByFarewell(s, detail{})
		return
	}
	s.answered.Store(false)
	s.out.Ping()
}

// ignoreFarewell: the peer answers after its farewell.
func (n *Node) ignoreFarewell(s *session, _ detail) {
	if s.mailbox == nil {
		return
	}
	n.log.Debug().Stringer("peer", s.uuid).Msg("farewell ignored: the peer answers")
	n.enterState(s, ready)
}

// keepReading keeps an ending session while its peer's messages arrive or wait for the application. If we can no longer send to the peer and it
// keeps sending, it soon gets another session.
func (n *Node) keepReading(s *session, d detail) {
	isHeard, spoke, ends := s.hasHeardBytes(), s.spoke.Swap(false), ourEndingGrace
	if s.isOurs || !spoke { // ours hang up soon, and a message that takes long to arrive may be the last
		ends = n.cfg.ExpiredTimeout
	}
	busy := spoke || isHeard || s.isStalled()
	switch {
	case busy && (s.state == leaving || time.Since(s.since) < ends):
		n.startGrace(s)
	case s.state == draining && !s.isOurs && n.countUnnamed() > 0 && time.Since(s.since) < discovery.AnswerTime:
		// The peer may have got another HELLO of ours, and its answer is on its way. Dialling it would send one more.
		n.startGrace(s)
	case s.state == leaving:
		n.leaveByFarewell(s, d)
	default:
		n.redial(s, d)
	}
}

// redial replaces the session by one that dials. The dial shows whether the peer is gone.
func (n *Node) redial(s *session, _ detail) {
	reason := Crashed
	if s.out.IsWrapping() {
		reason = Replaced
	}
	n.renew(s, reason)
}

// loseMessages ends a session whose peer broke the sequence (RFC 36, "ZRE Commands"), and begins another.
func (n *Node) loseMessages(s *session, _ detail) {
	at, sameHost, flaps := s.paths.Unproven(), s.sameHost.Load(), s.nextFlaps()
	n.remove(s, LostMessages)
	n.begin(s.claim(), at, sameHost, flaps, nil, nil, nil)
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

// leaveByFarewell ends the session of a peer that left without a GOODBYE. Nodes of ours send one after their last message.
func (n *Node) leaveByFarewell(s *session, _ detail) { n.depart(s, s.farewellReason()) }

// endWithoutInbox: our connection to a leaving peer closed. If the peer sent on the same connection, nothing more comes.
func (n *Node) endWithoutInbox(s *session, d detail) {
	if s.inbox == nil {
		n.leaveByFarewell(s, d)
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
	n.noteUnreachable(s)
	n.remove(s, Unreachable)
}
