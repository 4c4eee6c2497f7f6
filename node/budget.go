package node

import (
	"fmt"
	"time"
)

// All send queues share one memory budget (zmtp.SendBudget). Each queue has a fair part of it, so a sender mostly waits for its own peer. If
// peers that read nothing hold so much that a message finds no room, although its own peer reads everything, one of those peers is dropped.

// largestQueue returns the session whose queue holds the most bytes; nil if all queues are empty.
func (n *Node) largestQueue() (s *session, bytes int64) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, p := range n.sessions {
		if _, waiting := p.out.Depth(); waiting > bytes {
			s, bytes = p, waiting
		}
	}
	return s, bytes
}

// hasStoppedReading reports whether the peer has read nothing for the duration, or never did.
func (s *session) hasStoppedReading(now time.Time, duration time.Duration) bool {
	last := s.out.Advanced()
	if last.IsZero() {
		last = s.began
	}
	return now.Sub(last) >= duration
}

// busyError returns why a message found no room: ErrPeerBusy. If another peer's queue uses up the shared room, it names that peer.
func (w *wait) busyError() error {
	if !w.out.LacksBudget() {
		return ErrPeerBusy
	}
	s, bytes := w.node.largestQueue()
	if s == nil || s.out == w.out {
		return ErrPeerBusy
	}
	name := s.uuid.String()
	if p := s.snapshot.Load(); p != nil {
		name = fmt.Sprintf("%s (%s)", p.Name, name)
	}
	return fmt.Errorf("%w: there is no room for messages to all peers together (Limits.TotalQueueBytes, %d); peer %s has most, %d bytes",
		ErrPeerBusy, w.node.cfg.Limits.TotalQueueBytes, name, bytes)
}

// dropLargestQueue drops the peer whose queue uses up the shared room, if it reads nothing and is not this message's peer.
// It reports whether it did.
func (w *wait) dropLargestQueue() bool {
	if !w.out.LacksBudget() {
		return false
	}
	s, _ := w.node.largestQueue()
	if s == nil || s.out == w.out || !s.hasStoppedReading(time.Now(), w.node.cfg.SendTimeout) {
		return false
	}
	s.out.Drop()
	return true
}
