package eventqueue

import "github.com/go-zre/go-zre/internal/traffic"

// What was received is counted under the lock of the queue, which each message passes anyway.

// SetTransport says how the messages of a stream come from now on.
func (q *Queue) SetTransport(s *Stream, via traffic.Transport) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s.via = via
}

// Received returns how many WHISPER and SHOUT the queue has taken, by how they came.
func (q *Queue) Received() traffic.Table {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.received
}

// ReceivedFrom returns how many WHISPER and SHOUT came in a stream.
func (q *Queue) ReceivedFrom(s *Stream) traffic.Count {
	q.mu.Lock()
	defer q.mu.Unlock()
	return s.received
}
