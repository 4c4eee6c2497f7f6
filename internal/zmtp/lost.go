package zmtp

import "context"

// An amount counts messages, and their octets on the wire.
type amount struct {
	messages int
	octets   int64
}

func (a *amount) add(messages int, octets int64) {
	a.messages += messages
	a.octets += octets
}

// WaitSent waits until all messages that were pushed, except the protocol's own (PushControl, PushAhead), were handed to the operating system.
// With a Router of this process it returns as soon as there is a connection: see Flush. It returns nil then, ctx's error if that ends
// first, or one that wraps ErrQueueClosed.
func (q *Queue) WaitSent(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.waitUntilZero(ctx, func() int64 { return int64(q.messages - q.own.messages) }); err != nil || q.closed == nil {
		return err
	}
	return q.closed // a closed queue counts nothing any more
}

// Unsent returns how much waits or is in flight, without the protocol's own messages.
func (q *Queue) Unsent() (messages int, octets int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.messages - q.own.messages, q.octets - q.own.octets
}

// Lost returns how many messages the queue had accepted but discarded, because it was closed before they were fully written, and how many
// of their octets, frame headers included. The protocol's own do not count. The result is final once the connection has ended: until then
// something may be on its way. An inproc link loses nothing when our side closes it: the other side gets everything.
func (q *Queue) Lost() (messages int, octets int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.conn.inproc() && !q.refused {
		return 0, 0
	}
	return q.lost.messages, q.lost.octets
}
