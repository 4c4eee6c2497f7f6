package eventqueue

// An application that handles the events of several peers at once keeps waiting events in its own lists, one per peer. When a list is long
// the application holds the stream, so that only this peer waits.

// hold says whether messages of a stream wait although the queue has room.
type hold uint8

const (
	notHeld hold = iota
	softly       // except while a send or a request of the application waits: its answer may be behind them
	firmly
)

// Hold makes the messages of a stream wait until Release; an Exit ends it. Membership events continue. If firm is false, the hold does not
// apply while a send of the application waits.
func (q *Queue) Hold(s *Stream, firm bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || s.ended {
		return
	}
	if s.hold == notHeld {
		q.sends.holds.Add(1)
	}
	if s.hold = softly; firm {
		s.hold = firmly
	}
}

// Release ends a Hold.
func (q *Queue) Release(s *Stream) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.release(s)
	q.wake()
}

// IsHeld tells whether the messages of a stream are held firmly.
func (q *Queue) IsHeld(s *Stream) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return s.hold == firmly
}

// release needs the lock.
func (q *Queue) release(s *Stream) {
	if s.hold != notHeld {
		s.hold = notHeld
		q.sends.holds.Add(-1)
	}
}

// isHeld tells whether messages of a stream wait. It needs the lock.
func (q *Queue) isHeld(s *Stream) bool {
	switch {
	case s.hold == notHeld || q.dropsMessages:
		return false
	case s.hold == firmly:
		return true
	}
	return q.sends.waiting.Load() == 0
}

// Serving notes that this many events were taken to be handled; Handled notes that one of them was handled. The automatic state uses both.
func (q *Queue) Serving(events int) { q.serving.Add(int64(events)) }

// Handled ends one of the events of Serving.
func (q *Queue) Handled() {
	q.serving.Add(-1)
	q.handled.Add(1)
}
