package node

import (
	"errors"
	"fmt"
	"time"
)

// Each direction has its own liveness. We may hear a peer and still not reach it: our packets are lost, all of them or only the large ones, as
// in a tunnel with an unknown MTU. TCP then repeats them for a quarter of an hour, and everything waits behind them. So once a tick the node
// checks what happened to its bytes. Everything here runs in the control loop.

// A delivery is what is known of the bytes that we sent to a peer. Its zero value is for a new connection.
type delivery struct {
	acknowledged int64     // acknowledged bytes at the last check
	reached      int64     // position in the outbox up to which they were acknowledged then, or less
	stuck        time.Time // since when bytes are on their way and no more are acknowledged; zero if that is not so
	waiting      int64     // unacknowledged bytes at the last check
	asked        int64     // position in the outbox of the PING that asked for a sign of life
}

// hangUpTime is how long nothing must have been acknowledged to be the reason why a peer hung up: TCP has sent it five times by then.
const hangUpTime = 5 * time.Second

// errNotDelivered is the cause of a deliveryError.
var errNotDelivered = errors.New("the connection takes no data")

// A deliveryError says that bytes to a peer are not acknowledged.
type deliveryError struct {
	bytes int64
	since time.Duration
}

func (e *deliveryError) Error() string {
	return fmt.Sprintf("the connection to it takes no data: %d bytes not acknowledged for %v; check whether large packets pass (MTU)",
		e.bytes, e.since.Round(time.Second/10))
}

func (e *deliveryError) Unwrap() error { return errNotDelivered }

// checkDelivery checks our connection to a peer. It reports whether bytes ahead of an unanswered PING were acknowledged. That shows life, because
// the peer cannot answer before them. Bytes behind the PING show nothing: the operating system acknowledges them even for a hung program.
func (n *Node) checkDelivery(s *session, now time.Time, stalled bool) (isTaken bool) {
	if s.mailbox == nil || s.transport == Inproc {
		return false
	}
	written, _ := s.out.Position() // before Delivery: what is written between the two must not count as acknowledged
	w, d := &s.delivery, s.mailbox.Delivery()
	moves := d.Acknowledged > w.acknowledged
	w.acknowledged, w.waiting = d.Acknowledged, d.Unacknowledged
	w.reached = max(written-d.Unacknowledged, 0) // less than 0 while the handshake is not acknowledged
	switch {
	case !d.InFlight:
		w.stuck = time.Time{}
	case moves || stalled || w.stuck.IsZero() || now.Sub(s.lastHeard) >= n.cfg.EvasiveTimeout:
		// While the peer is silent, nothing gets through either way. Afterwards TCP takes its time to try again.
		w.stuck = now
	default:
		n.endUndelivered(s, now, n.cfg.ExpiredTimeout)
	}
	return moves && w.reached < w.asked
}

// endUndelivered gives a session up if nothing was acknowledged for the given time. If a peer hangs up, now is the time of the last check, because
// we may have stalled after it.
func (n *Node) endUndelivered(s *session, now time.Time, after time.Duration) {
	if w := &s.delivery; !w.stuck.IsZero() && now.Sub(w.stuck) >= after {
		n.handle(s, deliveryExpired, detail{err: &deliveryError{w.waiting, now.Sub(w.stuck)}})
	}
}

// pingSilent sends a PING to a silent peer.
func (n *Node) pingSilent(s *session) {
	s.isPinged = true
	s.noteAsked()
	s.out.Ping()
}

// noteAsked records the position of a PING that is about to be sent, unless another one is in progress.
func (s *session) noteAsked() {
	if s.mailbox != nil && s.delivery.asked <= s.delivery.reached {
		_, s.delivery.asked = s.out.Position()
	}
}

// hasHeardBytes reports whether bytes of the peer have come since the last call, even if only part of a message.
func (s *session) hasHeardBytes() bool { return s.inbox != nil && s.inbox.conn.Heard() }

// resetHeard makes only later messages count as a sign that the peer sends.
func (s *session) resetHeard() {
	s.spoke.Store(false)
	s.hasHeardBytes()
}

// mustProveDelivery reports whether a peer exited because its connection took no data, and has not shown since then that it knows a HELLO of ours.
func (n *Node) mustProveDelivery(s *session, in *inbox) bool {
	return n.undelivered.has(s.uuid) && transportOf(in.conn) == TCP
}

// giveUpDelivery ends the session of a peer whose connection takes no data. The peer enters again after it has shown that a HELLO arrives there.
// If HELLO gets through, but the application's messages do not, the peer is back for at least one expired timeout.
func (n *Node) giveUpDelivery(s *session, d detail) {
	if s.candidate != nil {
		n.remove(s, Crashed)
		return
	}
	s.dialErr = d.err
	n.undelivered.add(s.uuid)
	if t := n.troubleWith(s); t != nil {
		t.undelivered = t.last
	}
	n.giveUp(s, d)
}
