package zmtp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/internal/memory"
)

// How far PushControl may exceed a queue's limits.
const (
	controlMessages = 1000
	controlOctets   = 1 << 20
	countedOctets   = controlOctets + 1 // PushCounted: as much, regardless of the budget
)

// kind says where a pushed message comes from.
type kind uint8

const (
	copied  kind = iota // the application's; its frames belong to the caller or a lease
	owned               // the application's; its large frames belong to it alone
	control             // the protocol's own
)

// A Queue is the bounded mailbox of messages to one peer. It exists before the connection does, and messages wait in it. From Open on, that
// connection's writer drains it, in order; the writer runs only while there is something. When the connection ends it closes its queue, and
// when the queue is closed the connection ends. All methods may be called from any goroutine.
type Queue struct {
	maxMessages int
	maxOctets   int64

	idle atomic.Bool // nothing waits or is in flight, and the queue is open: written under mu

	mu            sync.Mutex
	inproc        bool      // for a receiver in this process: messages wait in copies, not in batch
	batch         batch     // for a socket
	copies        copies    // for a receiver in this process
	numbers       Numbers   // of the messages, once one has overtaken others
	firstTaken    bool      // the writer has taken the first message, at least
	drain         func()    // see drainBy; nil before that
	draining      bool      // drain runs
	afterDrain    func()    // called when drain has nothing to do; mostly nil
	messages      int       // waiting and in flight
	octets        int64     // of those messages, on the wire
	pushed        int64     // messages so far
	written       int64     // messages so far
	takenCount    int64     // messages that the writer has taken so far
	own           amount    // the protocol's own part of messages and octets
	lost          amount    // the rest that was not written when the queue was closed, or just after
	refused       bool      // the other end of an inproc link takes no more
	lastWrite     time.Time // when octets were last written
	writtenOctets int64     // so far
	conn          *Conn     // drains this queue; nil before that
	closed        *queueClosedError
	room          chan struct{} // closed when there is room again; nil unless a Push found none
	drained       chan struct{} // closed when the queue is empty; nil unless a caller waits for that
	progress      chan struct{} // closed when more was written; nil unless a caller waits for that

	budget      *SendBudget // that many queues share; nil for none
	counted     int64       // octets counted there
	lacksBudget bool        // the last Push found no room in the budget
}

// NewQueue returns a queue that holds at most maxMessages messages and maxOctets octets, frame headers included. What the writer has taken
// but not yet written still counts. Each is at least 1.
func NewQueue(maxMessages int, maxOctets int64) *Queue {
	return &Queue{maxMessages: max(maxMessages, 1), maxOctets: max(maxOctets, 1)}
}

// NewInprocQueue is NewQueue for messages to a Router of this process: its Push copies every frame, into memory that the receiver will own.
// It counts octets as if the messages went on a wire, and frameCost for each frame. A socket may drain it too.
func NewInprocQueue(maxMessages int, maxOctets int64) *Queue {
	q := NewQueue(maxMessages, maxOctets)
	q.inproc, q.copies.cutter.Once = true, true
	return q
}

// Push appends a message of one or more frames. It never blocks. It returns ErrFull if there is no room (an empty queue has room for any
// message), or an error that wraps ErrQueueClosed.
//
// Frames below LargeFrame octets are copied. Larger ones are kept by reference: the caller must not change them any more, and may push the
// same one to many queues. A queue of NewInprocQueue copies those too.
func (q *Queue) Push(frames ...[]byte) error { return q.push(frames, nil, copied, 0, 0) }

// PushLeased is Push for a message whose large frames belong to a lease, nil for none: it holds the lease until they are written.
func (q *Queue) PushLeased(lease *memory.Lease, frames ...[]byte) error {
	return q.push(frames, lease, copied, 0, 0)
}

// PushOwned is Push for a message whose large frames belong to it alone: a queue of NewInprocQueue passes them on as they are.
func (q *Queue) PushOwned(frames ...[]byte) error { return q.push(frames, nil, owned, 0, 0) }

// PushControl is Push for the small messages of a protocol that must not wait for room in a full queue: it may exceed the limits by 1,000
// messages and 1 MiB, regardless of the budget, and only then returns ErrFull. They are the protocol's own: Lost does not count them.
func (q *Queue) PushControl(frames ...[]byte) error {
	return q.push(frames, nil, control, controlMessages, controlOctets)
}

// PushControlAt is PushControl, and returns the message's position in the order of everything pushed; it identifies the message when
// PushAhead overtakes it.
func (q *Queue) PushControlAt(frame []byte) (position int64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := wireSize([][]byte{frame}) + q.frameCosts(1)
	if err := q.admit(size, controlMessages, controlOctets, nil); err != nil {
		return 0, err
	}
	q.own.add(1, size)
	q.add([][]byte{frame}, nil, control)
	q.pushed++
	return q.pushed, nil
}

// PushCounted is Push for a message that the budget has counted until now, and so needs no room there. It has the limits of PushControl. Its
// large frames belong to the lease, if it has one.
func (q *Queue) PushCounted(lease *memory.Lease, frames ...[]byte) error {
	return q.push(frames, lease, copied, controlMessages, countedOctets)
}

func (q *Queue) push(frames [][]byte, lease *memory.Lease, what kind, moreMessages int, moreOctets int64) error {
	if len(frames) == 0 {
		return errors.New("zmtp: a message has at least one frame")
	}
	size := wireSize(frames)
	q.mu.Lock()
	defer q.mu.Unlock()
	if lease == nil && what != control {
		if lease = q.newLease(size, frames); lease != nil {
			defer lease.Release()
		}
	}
	size += q.frameCosts(len(frames))
	if err := q.admit(size, moreMessages, moreOctets, lease); err != nil {
		return err
	}
	if what == control {
		q.own.add(1, size)
	}
	if lease != nil && q.budget != nil && !q.inproc {
		lease.Count(q.budget)
	}
	q.add(frames, lease, what)
	q.updateBudget()
	q.pushed++
	return nil
}

// add appends a message. The caller holds the lock.
func (q *Queue) add(frames [][]byte, lease *memory.Lease, what kind) {
	if q.inproc {
		q.copies.add(frames, what)
	} else {
		q.batch.message(frames, lease, what == control)
	}
}

// hasPending tells whether there is something to take. The caller holds the lock.
func (q *Queue) hasPending() bool { return len(q.batch.segments)+len(q.copies.runs) > 0 }

// pushCommand appends a command. Like a control message it may exceed the limits.
func (q *Queue) pushCommand(body []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.admit(shortHeader+int64(len(body)), controlMessages, controlOctets, nil); err != nil {
		return err
	}
	q.own.add(1, shortHeader+int64(len(body)))
	q.batch.begin(true)
	q.batch.frame(flagCommand, body, nil)
	q.batch.segments[len(q.batch.segments)-1].messages++ // it counts like a message, so that commands are bounded too
	q.pushed++
	return nil
}

// Admits tells what Push would return now for a message of that many octets: nil, ErrFull, or an error that wraps ErrQueueClosed. It
// reserves no room: it is for a message that takes long to make.
func (q *Queue) Admits(octets int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refusal(octets, 0, 0, nil)
}

// admit finds room for a message of that size and counts it. The caller holds the lock, and the message's lease, if there is one.
func (q *Queue) admit(size int64, moreMessages int, moreOctets int64, lease *memory.Lease) error {
	if err := q.refusal(size, moreMessages, moreOctets, lease); err != nil {
		return err
	}
	if q.messages++; q.messages == 1 { // else it is not idle anyway, and an atomic store takes a while
		q.idle.Store(false)
	}
	q.octets += size
	q.startDrain()
	return nil
}

// refusal returns why there is no room for a message of that size; nil if there is. The caller holds the lock.
func (q *Queue) refusal(size int64, moreMessages int, moreOctets int64, lease *memory.Lease) error {
	if q.closed != nil {
		return q.closed
	}
	if moreOctets == 0 { // a control message tells senders nothing
		q.lacksBudget = false
	}
	if q.messages > 0 && (q.messages >= q.maxMessages+moreMessages || q.octets+size > q.maxOctets+moreOctets) ||
		!q.affords(size, moreOctets, lease) {
		if q.room == nil {
			q.room = make(chan struct{})
		}
		return ErrFull
	}
	return nil
}

// Room returns a channel that is closed once there is room again, or the queue is closed. Room is announced when the queue is half empty,
// so that waiters wake seldom. To wait:
//
//	err := q.Push(frames...)
//	for err == zmtp.ErrFull {
//		select {
//		case <-q.Room():
//			err = q.Push(frames...) // another goroutine may have been quicker
//		case <-ctx.Done():
//			...
//		}
//	}
//
// No wake-up is lost between Push and Room: if the room came in between, the channel is closed already.
func (q *Queue) Room() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.room == nil || q.closed != nil {
		return alreadyClosed
	}
	return q.room
}

var alreadyClosed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Flush waits until everything pushed so far, and the first message of Open before it, was handed to the operating system. With a Router of
// this process it returns as soon as there is a connection: what was pushed is delivered even if this side closes then. It returns ctx's
// error if that ends first, or one that wraps ErrQueueClosed.
func (q *Queue) Flush(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	goal := q.pushed
	return q.waitUntilZero(ctx, func() int64 { return goal - q.written })
}

// waitUntilZero waits until left returns 0, as Flush does. It releases the lock, which the caller holds, while it waits.
func (q *Queue) waitUntilZero(ctx context.Context, left func() int64) error {
	for left() > 0 {
		if q.closed != nil {
			return q.closed
		}
		if q.conn.inproc() {
			return nil
		}
		if q.progress == nil {
			q.progress = make(chan struct{})
		}
		progress := q.progress
		q.mu.Unlock()
		select {
		case <-progress:
		case <-ctx.Done():
		}
		q.mu.Lock()
		if n := left(); ctx.Err() != nil && n > 0 {
			return fmt.Errorf("zmtp: %d messages are not written yet: %w", n, context.Cause(ctx))
		}
	}
	return nil
}

// LastWrite returns when octets were last handed to the operating system; the zero time if none were.
func (q *Queue) LastWrite() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lastWrite
}

// Depth returns how much waits or is in flight: messages, and octets with frame headers.
func (q *Queue) Depth() (messages int, octets int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.messages, q.octets
}

// Idle returns nil if nothing waits or is in flight; on an inproc link that means that Receive has returned for everything pushed.
// Otherwise it returns ErrFull, or an error that wraps ErrQueueClosed.
func (q *Queue) Idle() error {
	if q.idle.Load() {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed != nil:
		return q.closed
	case q.messages > 0 || q.conn == nil:
		return ErrFull
	}
	return nil
}

// Drained returns a channel that is closed once nothing waits or is in flight, or the queue is closed.
func (q *Queue) Drained() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.messages == 0 || q.closed != nil {
		return alreadyClosed
	}
	if q.drained == nil {
		q.drained = make(chan struct{})
	}
	return q.drained
}

// Close discards what waits (a Router of this process still gets it all), makes every later call fail with ErrQueueClosed and err, and ends
// the connection that drains the queue. Only the first Close counts; nil stands for ErrClosed.
func (q *Queue) Close(err error) {
	if err == nil {
		err = ErrClosed
	}
	if conn := q.closeQueue(err, false); conn != nil {
		conn.Close(err)
	}
}

// closeQueue closes only the queue, and returns the connection that drains it. What waits is discarded, except what an inproc link may still
// take; discard says that it won't.
func (q *Queue) closeQueue(err error, discard bool) *Conn {
	q.mu.Lock()
	defer q.mu.Unlock()
	overhead := int64(0) // overhead of frames that are lost, which was no octet of theirs
	if discard || !q.conn.inproc() {
		overhead = frameCost * int64(q.copies.frames())
		discardSegments(q.batch.segments)
		q.batch, q.copies = batch{}, copies{}
	}
	q.refused = q.refused || discard
	if q.closed != nil {
		q.lost.octets -= overhead
	} else {
		q.closed = &queueClosedError{err}
		q.lost = amount{q.messages - q.own.messages, q.octets - q.own.octets - overhead}
		q.messages, q.octets, q.own = 0, 0, amount{}
		q.leaveBudget()
		q.idle.Store(false)
		q.announce(&q.room)
		q.announce(&q.drained)
		q.announce(&q.progress)
		q.startDrain()
	}
	return q.conn
}

func (q *Queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed != nil
}

// queueClosedError is ErrQueueClosed with its reason.
type queueClosedError struct{ reason error }

func (e *queueClosedError) Error() string   { return ErrQueueClosed.Error() + ": " + e.reason.Error() }
func (e *queueClosedError) Unwrap() []error { return []error{ErrQueueClosed, e.reason} }

func (q *Queue) announce(c *chan struct{}) {
	if *c != nil {
		close(*c)
		*c = nil
	}
}
