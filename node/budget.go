package node

import (
	"fmt"
	"time"
)

// All queues of messages to peers share one budget of memory (zmtp.SendBudget). It gives each a fair part, so mostly a sender waits for its own
// peer. Where peers that take nothing hold so much that a message finds no room though its own peer takes all, it is one of those that is
// dropped.

// heaviest returns the session whose queue holds most; nil if none holds anything.
func (n *Node) heaviest() (s *session, octets int64) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, p := range n.sessions {
		if _, waiting := p.out.Depth(); waiting > octets {
			s, octets = p, waiting
		}
	}
	return s, octets
}

// hasStopped tells whether the peer has taken nothing for so long, or never did.
func (s *session) hasStopped(now time.Time, duration time.Duration) bool {
	last := s.out.Advanced()
	if last.IsZero() {
		last = s.began
	}
	return now.Sub(last) >= duration
}

// busy says why a message found no room at a peer: ErrPeerBusy, with whose messages take up the room that all share, if that is it.
func (w *wait) busy() error {
	if !w.out.IsShort() {
		return ErrPeerBusy
	}
	s, octets := w.node.heaviest()
	if s == nil || s.out == w.out {
		return ErrPeerBusy
	}
	name := s.uuid.String()
	if p := s.snapshot.Load(); p != nil {
		name = fmt.Sprintf("%s (%s)", p.Name, name)
	}
	return fmt.Errorf("%w: there is no room for messages to all peers together (Limits.TotalQueueBytes, %d); peer %s has most, %d octets",
		ErrPeerBusy, w.node.cfg.Limits.TotalQueueBytes, name, octets)
}

// dropHeaviest drops the peer whose messages take up the room that all share, if it takes none of them, and it is another one's. It tells
// whether it did.
func (w *wait) dropHeaviest() bool {
	if !w.out.IsShort() {
		return false
	}
	s, _ := w.node.heaviest()
	if s == nil || s.out == w.out || !s.hasStopped(time.Now(), w.node.cfg.SendTimeout) {
		return false
	}
	s.out.Drop()
	return true
}
