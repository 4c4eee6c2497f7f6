package eventqueue

import "github.com/go-zre/go-zre/internal/traffic"

// What was received is counted by stream, under the lock of the queue, which each message passes anyway.

// Begin says how the messages of a stream come. Before it they are not counted in Received.
func (q *Queue) Begin(s *Stream, via traffic.Transport) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.streams == nil {
		q.streams = make(map[*Stream]struct{})
	}
	s.via = via
	q.streams[s] = struct{}{}
}

// forget counts for good what a stream has brought. It needs mu.
func (q *Queue) forget(s *Stream) {
	if _, has := q.streams[s]; has {
		q.received[s.via].Add(s.received)
		delete(q.streams, s)
	}
}

// Received returns how many WHISPER and SHOUT the queue has taken, by how they came.
func (q *Queue) Received() traffic.Table {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.received
	for s := range q.streams {
		all[s.via].Add(s.received)
	}
	return all
}

// ReceivedFrom returns how many WHISPER and SHOUT came in a stream.
func (q *Queue) ReceivedFrom(s *Stream) traffic.Count {
	q.mu.Lock()
	defer q.mu.Unlock()
	return s.received
}
