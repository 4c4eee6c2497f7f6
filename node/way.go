package node

import (
	"errors"
	"fmt"
	"time"
)

// Liveness belongs to each direction. A peer that is heard may be out of reach all the same: packets of ours get lost, all of them or the
// large ones, as in a tunnel whose MTU nobody tells. TCP then sends them again for a quarter of an hour, behind which everything waits.
// So once a tick it is looked what became of our octets. All of it runs in the control loop.

// A way is what is known of our connection to a peer. Its zero value is that of a new one.
type way struct {
	acknowledged int64     // octets, when it was looked at last
	stuck        time.Time // since when octets are on their way, and no more are acknowledged; zero while that is not so
	waiting      int64     // octets that were not, then
	asked        int64     // octets that are acknowledged once the peer has the PING that asked for a sign of life
}

// hangUpTime is how long nothing must have been acknowledged before a peer hung up for that to be why: TCP has sent it five times by then.
const hangUpTime = 5 * time.Second

// errWayStuck is the cause of a wayError.
var errWayStuck = errors.New("the way takes no data")

// A wayError says that octets to a peer are not acknowledged.
type wayError struct {
	octets int64
	since  time.Duration
}

func (e *wayError) Error() string {
	return fmt.Sprintf("the way to it takes no data: %d octets not acknowledged for %v; see whether large packets pass (MTU)",
		e.octets, e.since.Round(time.Second/10))
}

func (e *wayError) Unwrap() error { return errWayStuck }

// checkWay looks at our connection to a peer. It tells whether octets are acknowledged that are ahead of the PING for whose answer is
// waited: that shows life, since the peer cannot answer before. Octets behind it show nothing, as the system of a program that hangs
// acknowledges them too.
func (n *Node) checkWay(s *session, now time.Time, stalled bool) (isTaken bool) {
	if s.mailbox == nil || s.transport == Inproc {
		return false
	}
	w, d := &s.way, s.mailbox.Delivery()
	moves := d.Acknowledged > w.acknowledged
	w.acknowledged, w.waiting = d.Acknowledged, d.Unacknowledged
	switch {
	case !d.OnWay:
		w.stuck = time.Time{}
	case moves || stalled || w.stuck.IsZero() || now.Sub(s.heard) >= n.cfg.EvasiveTimeout:
		// While the peer is silent nothing gets through either way, and afterwards TCP takes its time to try again.
		w.stuck = now
	default:
		n.judgeWay(s, now, n.cfg.ExpiredTimeout)
	}
	return moves && d.Acknowledged < w.asked
}

// judgeWay gives a session up if at some time nothing had been acknowledged for so long. A peer that hangs up shows it too; then the time is that
// of the last look, since we may have been stalled after it.
func (n *Node) judgeWay(s *session, now time.Time, after time.Duration) {
	if w := &s.way; !w.stuck.IsZero() && now.Sub(w.stuck) >= after {
		n.handle(s, deliveryExpired, detail{err: &wayError{w.waiting, now.Sub(w.stuck)}})
	}
}

// askForLife sends the PING that a silent peer is to answer.
func (n *Node) askForLife(s *session) {
	s.asked = true
	s.out.Ping()
	s.noteAsked()
}

// noteAsked takes note of what is ahead of a PING that was just sent, unless another one is under way.
func (s *session) noteAsked() {
	if s.mailbox == nil || s.way.asked > s.way.acknowledged {
		return
	}
	_, waiting := s.out.Depth()
	d := s.mailbox.Delivery()
	s.way.asked = d.Acknowledged + d.Unacknowledged + waiting
}

// isHeard tells whether octets of the peer have come since it was last called, if only a part of a message.
func (s *session) isHeard() bool { return s.inbox != nil && s.inbox.conn.Heard() }

// forgetSpeech has only what comes from now on count as a sign that the peer speaks.
func (s *session) forgetSpeech() {
	s.spoke.Store(false)
	s.isHeard()
}

// isUnproven tells whether a peer exited because the way to it took no data, and has not shown that it knows a HELLO of ours since.
func (n *Node) isUnproven(s *session, in *inbox) bool {
	return n.blocked.has(s.uuid) && transportOf(in.conn) == TCP
}

// giveUpWay ends the session of a peer to which the way takes no data. It enters again when it has shown that a HELLO arrives there; if
// that takes data too, and what the application sends does not, it is back for an expired timeout at least.
func (n *Node) giveUpWay(s *session, d detail) {
	if s.candidate != nil {
		n.remove(s, Crashed)
		return
	}
	s.dialErr = d.err
	n.blocked.add(s.uuid)
	if t := n.troubleWith(s); t != nil {
		t.blocked = t.last
	}
	n.giveUp(s, d)
}
