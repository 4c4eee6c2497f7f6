package eventqueue

// An application that handles the events of several peers at once keeps those that wait in lists of its own, a list for each peer. When one is long
// it holds the stream, so that this peer waits, and no other does.

// hold says whether messages of a stream wait, though the queue has room.
type hold uint8

const (
	notHeld hold = iota
	softly       // but not while a send or a request of the application's waits: what it waits for may be behind them
	firmly
)

// Hold has the messages of a stream wait until Release; an Exit ends it. Events of membership go on. With firm unset it does not count while a send
// of the application's waits.
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
	case s.hold == notHeld || q.drops:
		return false
	case s.hold == firmly:
		return true
	}
	return q.sends.waiting.Load() == 0
}

// Serving takes note that so many events were taken to be handled; Handled that one of them was. It is what the automatic state is told of them.
func (q *Queue) Serving(events int) { q.serving.Add(int64(events)) }

// Handled is the end of one of the events of Serving.
func (q *Queue) Handled() {
	q.serving.Add(-1)
	q.handled.Add(1)
}
