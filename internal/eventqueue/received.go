package eventqueue

import "github.com/go-zre/go-zre/internal/traffic"

// Received messages are counted by stream, under the lock of the queue, which each message takes anyway.

// Begin says how the messages of a stream arrive. Received does not count a stream before that.
func (q *Queue) Begin(s *Stream, via traffic.Transport) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.streams == nil {
		q.streams = make(map[*Stream]struct{})
	}
	s.via = via
	q.streams[s] = struct{}{}
}

// addEnded adds the count of a stream that ends to the total. It needs mu.
func (q *Queue) addEnded(s *Stream) {
	if _, has := q.streams[s]; has {
		q.received[s.via].Add(s.received)
		delete(q.streams, s)
	}
}

// Received returns how many WHISPER and SHOUT the queue has taken, by transport.
func (q *Queue) Received() traffic.Table {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.received
	for s := range q.streams {
		all[s.via].Add(s.received)
	}
	return all
}

// ReceivedFrom returns how many WHISPER and SHOUT a stream has brought.
func (q *Queue) ReceivedFrom(s *Stream) traffic.Count {
	q.mu.Lock()
	defer q.mu.Unlock()
	return s.received
}
