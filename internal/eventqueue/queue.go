package eventqueue

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/go-zre/go-zre/internal/traffic"
)

// Queue is the queue between the readers and the control loop on one side and the application on the other.
//
// WHISPER and SHOUT have room for a bounded count and size. Beyond it their reader waits, and reads nothing more from its peer. Membership
// events always find room, because the control loop must not wait; AwaitMembershipRoom bounds what leads to them.
type Queue struct {
	limits     Limits
	sends      sends
	noMessages bool          // there are no WHISPER and SHOUT, so waiting events may be condensed
	ready      chan struct{} // holds one token when a waiting application must look again
	done       chan struct{} // closed with the queue
	serving    atomic.Int64  // events that were taken and are not handled yet, see Serving
	handled    atomic.Uint64 // events that were handled

	_             [64]byte      // the fields below change with each message, in a cache line of another processor than the reader's
	mu            sync.Mutex    // guards all below, and the guarded fields of every Stream
	roomMade      chan struct{} // closed when those that wait for room must look again; nil if none waits
	pending       []Event
	membership    int   // weight of the membership events in pending: 1 each, and 1 for each group of each snapshot; see weight
	snapshot      *Peer // of the last of these
	takenSnapshot *Peer // of the last of these that was taken while others were left
	messages      int   // WHISPER and SHOUT in pending
	bytes         int64 // their content, in bytes
	asleep        bool  // the application waits on ready
	unfinished    int   // events that the application took last, until it comes for more
	large         bool  // they were large, on average
	takes         uint64
	arrived       uint64               // WHISPER and SHOUT so far
	streams       map[*Stream]struct{} // streams with a transport that have not ended
	received      traffic.Table        // WHISPER and SHOUT of streams that have ended
	closed        bool
	redundant     int  // approximate number of events in pending that may be redundant
	lifts         int  // how many waiting sends have lifted the bound on messages
	ceiling       int  // how many messages have room now: Limits.Messages, or more if the bound was lifted and they still wait
	dropsMessages bool // messages are dropped, see Drop
}

// Limits bounds the WHISPER and SHOUT that wait for the application. An empty queue has room for one of any size.
type Limits struct {
	Messages int
	Bytes    int64 // of content
}

// Stream is the events of one session. The zero value is a stream before its Enter. It belongs to one queue, and must not be copied.
type Stream struct {
	// Guarded by the lock of the queue.
	ended    bool // Exit was appended
	hold     hold
	via      traffic.Transport
	received traffic.Count

	stalled atomic.Int32 // how many readers wait for room: one for each connection of the peer
}

// Stalled tells whether a message of the peer waits in Deliver or AwaitMembershipRoom, so that nothing more is read from one of its connections.
func (s *Stream) Stalled() bool { return s.stalled.Load() > 0 }

// Errors of Offer.
var (
	ErrFull  = errors.New("eventqueue: no room for a message")
	ErrEnded = errors.New("eventqueue: the stream or the queue has ended")
)

// The number of membership events that may be pending before readers wait in AwaitMembershipRoom.
const (
	membershipEvents = 65_536  // beside the WHISPER and SHOUT
	membershipTotal  = 1 << 20 // events, and groups of their snapshots
)

// While messages are large, Take looks for more several times before it sleeps. During the application's wake-up a sender within the
// process would fill several more messages, in memory that is no longer in any cache. Some 10 us of looking save a third of the time of 64
// KiB messages.
const (
	largeEvent = 16 << 10 // bytes
	largeTries = 40
)

// While messages are large and few were there, Take gives the sender a moment, some 1 us, to bring more: otherwise both would mostly wait
// for the lock of the queue. That saves a fifth of the time of 64 KiB messages that are given within the process.
const (
	fewTaken   = 16
	largePause = 8 // times that another goroutine may run
)

// maxReusedEvents is the largest capacity of a list, in events, that is reused.
const maxReusedEvents = 32 << 10

// New returns an empty queue. Close ends it; it has no goroutine of its own.
func New(limits Limits) *Queue {
	q := &Queue{limits: limits, ready: make(chan struct{}, 1), done: make(chan struct{})}
	q.ceiling = limits.Messages
	return q
}

// Push appends a membership or presence event to a stream. An Exit ends the stream: nothing follows it. It never waits.
func (q *Queue) Push(s *Stream, e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || s.ended {
		return
	}
	switch e.Kind {
	case Exit:
		s.ended = true
		q.release(s)
		q.addEnded(s)
		q.wake() // its reader may wait
	case Evasive, Silent, State, EndpointsChanged:
		// These may repeat forever: an application that does not read loses them instead of memory.
		if q.membershipFull() && !q.dropRedundant() {
			return
		}
	}
	q.count(&e)
	q.countRedundant(&e)
	q.append(&e)
}

// count adds the weight of a membership event.
func (q *Queue) count(e *Event) {
	if e.Kind == ProblemChanged {
		return
	}
	q.membership += weight(e, q.snapshot)
	q.snapshot = e.Peer
}

// weight is the weight of a membership event; last is the snapshot of the one before, which it may share.
func weight(e *Event, last *Peer) int {
	w := 1
	if e.Peer != last {
		w += len(e.Peer.Groups)
	}
	if e.Kind == HeadersChanged { // the peer may send others forever
		w += headerWeight(e.Peer.Headers)
	}
	return w
}

// headerWeight returns the weight of headers, in units of a group's entry: 16 bytes.
func headerWeight(headers map[string]string) int {
	octets := 0
	for name, value := range headers {
		octets += 64 + len(name) + len(value)
	}
	return octets / 16
}

// membershipFull tells whether there is no room for what can wait or be lost.
func (q *Queue) membershipFull() bool {
	return len(q.pending)-q.messages >= membershipEvents || q.membership >= membershipTotal
}

// Deliver appends a WHISPER or SHOUT of that many bytes to a stream, and waits for room. It returns false, and appends nothing, once the
// stream has ended, or the queue or stop is closed.
func (q *Queue) Deliver(s *Stream, e *Event, octets int64, stop <-chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !s.ended && (q.isHeld(s) || q.full(octets, Limits{})) {
		if !q.waitAsReader(s, stop) {
			return false
		}
	}
	if q.closed || s.ended {
		return false
	}
	q.appendMessage(s, e, octets)
	return true
}

// Offer is Deliver for a message that a node of this process hands over. It does not wait, and may use the additional room of more: the
// size of the sender's own queue, in which the message does not wait. The errors are ErrFull and ErrEnded.
func (q *Queue) Offer(s *Stream, e *Event, octets int64, more Limits) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed || s.ended:
		return ErrEnded
	case q.isHeld(s) || q.full(octets, more):
		return ErrFull
	}
	q.appendMessage(s, e, octets)
	return nil
}

// Admits tells what Offer would return now. It reserves no room.
func (q *Queue) Admits(s *Stream, octets int64, more Limits) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed || s.ended:
		return ErrEnded
	case q.isHeld(s) || q.full(octets, more):
		return ErrFull
	}
	return nil
}

// appendMessage appends a WHISPER or SHOUT.
func (q *Queue) appendMessage(s *Stream, e *Event, octets int64) {
	if q.dropsMessages {
		return
	}
	q.messages++
	q.arrived++
	q.bytes += octets
	s.received.Note(e.Kind == Shout, octets-FrameCost*int64(len(e.Frames)))
	q.append(e)
}

// Drop drops every WHISPER and SHOUT from now on, as if the application had taken it: there is always room.
func (q *Queue) Drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropsMessages = true
	q.wake()
}

// Announce appends an event that is about no peer. It never waits; an application that does not read may lose it.
func (q *Queue) Announce(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed && (!q.membershipFull() || q.dropRedundant()) {
		q.countRedundant(&e)
		q.append(&e)
	}
}

// AwaitMembershipRoom waits until there is room for one more membership event that a peer causes; its stream is stalled meanwhile. It returns
// false once the queue or stop is closed. The end of the stream does not end the wait: a HELLO begins another stream.
func (q *Queue) AwaitMembershipRoom(s *Stream, stop <-chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.membershipFull() {
		if q.dropRedundant() {
			break
		}
		if !q.waitAsReader(s, stop) {
			return false
		}
	}
	return !q.closed
}

// Room returns a channel that is closed once the application has taken what is pending, or earlier. It is for a sender to a stream whose
// Offer found no room; the end of the queue does not close it.
func (q *Queue) Room(s *Stream) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.messages == 0 && !q.isHeld(s) {
		return alreadyClosed
	}
	return q.nextRoom()
}

var alreadyClosed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (q *Queue) nextRoom() chan struct{} {
	if q.roomMade == nil {
		q.roomMade = make(chan struct{})
	}
	return q.roomMade
}

// waitAsReader is wait for the reader of a stream.
func (q *Queue) waitAsReader(s *Stream, stop <-chan struct{}) bool {
	s.stalled.Add(1)
	defer s.stalled.Add(-1)
	return q.wait(stop)
}

// wait releases the lock until there may be room. It returns false if the queue or stop is closed.
func (q *Queue) wait(stop <-chan struct{}) bool {
	if q.closed {
		return false
	}
	room := q.nextRoom()
	q.mu.Unlock()
	defer q.mu.Lock()
	select {
	case <-room:
		return true
	case <-q.done:
	case <-stop:
	}
	return false
}

// wake makes all that wait for room look again.
func (q *Queue) wake() {
	if q.roomMade != nil {
		close(q.roomMade)
		q.roomMade = nil
	}
}

func (q *Queue) append(e *Event) {
	q.pending = append(q.pending, *e)
	if q.asleep {
		q.asleep = false
		q.ready <- struct{}{} // never blocks: one token per wait
	}
}

// Take returns what is pending, in order: all of it, unless that is much. It keeps batch, emptied, for what comes next; the caller must not
// use batch any more. With nothing pending it waits. It returns false once the queue or stop is closed. Only one goroutine at a time may
// call it.
func (q *Queue) Take(batch []Event, stop <-chan struct{}) ([]Event, bool) {
	clear(batch) // what was delivered must not stay reachable
	batch = batch[:0]
	if cap(batch) > maxReusedEvents {
		batch = nil
	}
	q.NoteRead()
	if q.large && q.unfinished < fewTaken {
		for range largePause {
			runtime.Gosched()
		}
	}
	for looks := 0; ; looks++ {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return nil, false
		}
		q.unfinished = 0
		q.takes++
		if len(q.pending) > 0 {
			q.large = q.bytes > largeEvent*int64(len(q.pending))
			if n := q.portion(); n < len(q.pending) {
				batch = q.takeFirst(n)
			} else {
				q.pending, batch = batch, q.pending
				q.messages, q.bytes, q.membership, q.snapshot, q.takenSnapshot, q.redundant = 0, 0, 0, nil, nil, 0
				q.ceiling = q.limits.Messages
			}
			q.unfinished = len(batch)
			q.wake()
			q.mu.Unlock()
			return batch, true
		}
		if q.large && looks < largeTries {
			q.mu.Unlock()
			runtime.Gosched()
			continue
		}
		q.asleep = true
		q.mu.Unlock()
		select {
		case <-q.ready:
		case <-q.done:
			return nil, false
		case <-stop:
			q.cancelSleep()
			return nil, false
		}
	}
}

// cancelSleep ends the sleep of a Take that was stopped.
func (q *Queue) cancelSleep() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asleep = false
	select {
	case <-q.ready:
	default:
	}
}

// Depth returns how many WHISPER and SHOUT wait for the application, and the bytes that they count for.
func (q *Queue) Depth() (messages int, octets int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.messages, q.bytes
}

// HasWaiters tells whether any reader or sender waits for room.
func (q *Queue) HasWaiters() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.roomMade != nil
}

// Close ends the queue: pending events are dropped, and every waiting call returns. It may be called twice.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	q.pending = nil
	close(q.done)
}
