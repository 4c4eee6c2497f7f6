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

// What PushControl may take beyond a queue's limits.
const (
	controlMessages = 1000
	controlOctets   = 1 << 20
	parkedOctets    = controlOctets + 1 // PushParked: as much, and whatever the budget says
)

// A Queue is the bounded mailbox of messages to one peer. It exists before the connection does and messages wait in it;
// from Open on, that connection's writer drains it, in order; it runs only while there is something. When the connection ends it closes its queue, and when the
// queue is closed the connection ends. All methods may be called from any goroutine.
type Queue struct {
	maxMessages int
	maxOctets   int64

	idle atomic.Bool // nothing waits or is in flight, and the queue is open: written under mu

	mu       sync.Mutex
	inproc   bool      // for a receiver in this process: what waits is in copies, not in batch
	batch    batch     // for a socket
	copies   copies    // for that receiver
	numbers  Numbers   // of the messages, once one has overtaken others
	taken    bool      // the first message, at least
	drain    func()    // see drainBy; nil before that
	draining bool      // it runs
	retired  func()    // called when it has nothing to do; nil mostly
	messages int       // waiting and in flight
	octets   int64     // on the wire, of those
	pushed   int64     // messages so far
	written  int64     // messages so far
	advanced time.Time // when octets were last written
	sent     int64     // written so far
	conn     *Conn     // drains this queue; nil before
	closed   *queueClosedError
	room     chan struct{} // closed when there is room again; nil unless a Push found none
	drained  chan struct{} // closed when there is nothing; nil unless somebody waits for that
	progress chan struct{} // closed when more was written; nil unless somebody waits for that

	budget  *SendBudget // that many queues share; nil for none
	counted int64       // octets there
	isShort bool        // the last Push found that it has no room
}

// NewQueue returns a queue that holds at most maxMessages messages and maxOctets octets, headers of frames included. What
// the writer has taken but not yet written still counts. Each is at least 1.
func NewQueue(maxMessages int, maxOctets int64) *Queue {
	return &Queue{maxMessages: max(maxMessages, 1), maxOctets: max(maxOctets, 1)}
}

// NewInprocQueue is NewQueue for messages to a Router of this process: its Push copies every frame, into memory that the
// receiver will own. It counts octets as if the messages went on a wire. A socket may drain it too.
func NewInprocQueue(maxMessages int, maxOctets int64) *Queue {
	q := NewQueue(maxMessages, maxOctets)
	q.inproc, q.copies.cutter.Once = true, true
	return q
}

// Push appends a message of one or more frames. It never blocks. It returns ErrFull if there is no room (an empty queue
// has room for any message), or an error that wraps ErrQueueClosed.
//
// Frames below LargeFrame octets are copied. Larger ones are kept by reference: the caller must not change them any more,
// and may push the same one to many queues. A queue of NewInprocQueue copies those too.
func (q *Queue) Push(frames ...[]byte) error { return q.push(frames, nil, 0, 0) }

// PushLeased is Push for a message whose large frames are those of a lease, nil for none: it holds the lease until they are written.
func (q *Queue) PushLeased(lease *memory.Lease, frames ...[]byte) error {
	return q.push(frames, lease, 0, 0)
}

// PushControl is Push for the small messages of a protocol that must not wait behind a full queue's bound: it may exceed
// the limits by 1,000 messages and 1 MiB, and only then returns ErrFull.
func (q *Queue) PushControl(frames ...[]byte) error {
	return q.push(frames, nil, controlMessages, controlOctets)
}

// PushParked is PushControl for a message that was counted by the budget up to now, and so needs no room there: with the lease, if it has
// one, that of its large frames.
func (q *Queue) PushParked(lease *memory.Lease, frames ...[]byte) error {
	return q.push(frames, lease, controlMessages, parkedOctets)
}

func (q *Queue) push(frames [][]byte, lease *memory.Lease, moreMessages int, moreOctets int64) error {
	if len(frames) == 0 {
		return errors.New("zmtp: a message has at least one frame")
	}
	size := wireSize(frames)
	if lease == nil && q.budget != nil && hasLarge(size, frames) { // so that it is counted
		lease = memory.NewLease(frames, true)
		lease.Leave()
		defer lease.Release()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.admit(size, moreMessages, moreOctets, lease); err != nil {
		return err
	}
	if lease != nil && q.budget != nil {
		lease.Count(q.budget)
	}
	q.add(frames, lease)
	q.settle()
	q.pushed++
	return nil
}

// add appends a message. The caller holds the lock.
func (q *Queue) add(frames [][]byte, lease *memory.Lease) {
	if q.inproc {
		q.copies.add(frames)
	} else {
		q.batch.message(frames, lease)
	}
}

// waits tells whether there is something to take. The caller holds the lock.
func (q *Queue) waits() bool { return len(q.batch.segments)+len(q.copies.runs) > 0 }

// pushCommand appends a command. Like a control message it may exceed the limits.
func (q *Queue) pushCommand(body []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.admit(shortHeader+int64(len(body)), controlMessages, controlOctets, nil); err != nil {
		return err
	}
	q.batch.begin()
	q.batch.frame(flagCommand, body, nil)
	q.batch.segments[len(q.batch.segments)-1].messages++ // it counts like one, so that commands are bounded too
	q.pushed++
	return nil
}

// admit finds room for a message of that size and counts it. The caller holds the lock, and of the message its lease, if there is one.
func (q *Queue) admit(size int64, moreMessages int, moreOctets int64, lease *memory.Lease) error {
	if q.closed != nil {
		return q.closed
	}
	if moreOctets == 0 { // a control message tells senders nothing
		q.isShort = false
	}
	if q.messages > 0 && (q.messages >= q.maxMessages+moreMessages || q.octets+size > q.maxOctets+moreOctets) ||
		!q.affords(size, moreOctets, lease) {
		if q.room == nil {
			q.room = make(chan struct{})
		}
		return ErrFull
	}
	if q.messages++; q.messages == 1 { // else it is not idle anyway, and an atomic store takes a while
		q.idle.Store(false)
	}
	q.octets += size
	q.start()
	return nil
}

// Room returns a channel that is closed once there is room again, or the queue is closed. Room is announced when the
// queue is half empty, so that waiters wake seldom. To wait:
//
//	err := q.Push(frames...)
//	for err == zmtp.ErrFull {
//		select {
//		case <-q.Room():
//			err = q.Push(frames...) // somebody else may have been quicker
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

// Flush waits until everything pushed so far was handed to the operating system, and the first message of Open before it.
// With a Router of this process that is as soon as there is a connection: what was pushed is delivered even if this side
// closes then. It returns ctx's error if that ends first, or one that wraps ErrQueueClosed.
func (q *Queue) Flush(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for goal := q.pushed; q.written < goal; {
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
		if ctx.Err() != nil && q.written < goal {
			return fmt.Errorf("zmtp: %d messages are not written yet: %w", goal-q.written, context.Cause(ctx))
		}
	}
	return nil
}

// Advanced returns when octets were last handed to the operating system; the zero time before the first.
func (q *Queue) Advanced() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.advanced
}

// Depth returns how much waits or is in flight: messages, and octets with headers of frames.
func (q *Queue) Depth() (messages int, octets int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.messages, q.octets
}

// Idle returns nil if nothing waits or is in flight: of an inproc link that means that Receive has returned for all that was
// pushed. Else it returns ErrFull, or an error that wraps ErrQueueClosed.
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

// Close discards what waits (but with a Router of this process, that gets it all), makes every later call fail with ErrQueueClosed and err, and ends the connection that drains
// the queue. Only the first Close counts; nil stands for ErrClosed.
func (q *Queue) Close(err error) {
	if err == nil {
		err = ErrClosed
	}
	if conn := q.shut(err, false); conn != nil {
		conn.Close(err)
	}
}

// shut closes the queue alone, and returns the connection that drains it. What waits is discarded, but for what an inproc
// link may still take; discard says that it won't.
func (q *Queue) shut(err error, discard bool) *Conn {
	q.mu.Lock()
	defer q.mu.Unlock()
	if discard || !q.conn.inproc() {
		discardSegments(q.batch.segments)
		q.batch, q.copies = batch{}, copies{}
	}
	if q.closed == nil {
		q.closed = &queueClosedError{err}
		q.messages, q.octets = 0, 0
		q.unshare()
		q.idle.Store(false)
		q.announce(&q.room)
		q.announce(&q.drained)
		q.announce(&q.progress)
		q.start()
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
