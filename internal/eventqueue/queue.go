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
// WHISPER and SHOUT have room for a bounded count and size: beyond it their reader waits, and reads nothing more from its peer.
// Events of membership always find room, because the control loop must not wait; Admit bounds what leads to them.
type Queue struct {
	limits     Limits
	sends      sends
	noMessages bool          // there are no WHISPER and SHOUT, so what waits may be condensed
	ready      chan struct{} // holds one token when a waiting application shall look again
	done       chan struct{} // closed with the queue
	serving    atomic.Int64  // events that were taken, and are not handled yet, see Serving
	handled    atomic.Uint64 // those that were

	_          [64]byte      // what is below changes with each message, in another processor's cache than that of who reads
	mu         sync.Mutex    // guards all below, and every Stream's ended
	roomMade   chan struct{} // closed when those that wait for room shall look again; nil if none waits
	pending    []Event
	membership int   // what the events of membership in pending hold: 1 each, and 1 for each group of each snapshot; see weight
	snapshot   *Peer // of the last of these
	taken      *Peer // of the last of these that was taken while others were left
	messages   int   // WHISPER and SHOUT in pending
	octets     int64 // their content
	asleep     bool  // the application waits on ready
	unfinished int   // events that it took last, until it comes for more
	large      bool  // they were, on average
	takes      uint64
	arrived    uint64               // WHISPER and SHOUT so far
	streams    map[*Stream]struct{} // that have a transport, and have not ended
	received   traffic.Table        // WHISPER and SHOUT of those that have
	closed     bool
	void       int  // how many events in pending may lead to nothing, about
	lifts      int  // how many sends that wait have lifted the bound on messages
	ceiling    int  // how many messages have room now: Limits.Messages, or more where the bound was lifted and they still wait
	drops      bool // messages are dropped, see Drop
}

// Limits bounds the WHISPER and SHOUT that wait for the application. An empty queue has room for one of any size.
type Limits struct {
	Messages int
	Octets   int64 // of content
}

// Stream is the events of one session. The zero value is one before its Enter. It belongs to one queue, and must not be copied.
type Stream struct {
	// Guarded by the lock of the queue.
	ended    bool // Exit was told
	hold     hold
	via      traffic.Transport
	received traffic.Count

	stalled atomic.Int32 // how many readers wait for room: one for each connection of the peer
}

// Stalled reports whether a message of the peer waits in Deliver or Admit, and so nothing more is read from a connection of it.
func (s *Stream) Stalled() bool { return s.stalled.Load() > 0 }

// Errors of Offer.
var (
	ErrFull  = errors.New("eventqueue: no room for a message")
	ErrEnded = errors.New("eventqueue: the stream or the queue has ended")
)

// Events of membership that may be pending before readers wait in Admit.
const (
	membershipEvents = 65_536  // beside the WHISPER and SHOUT
	membershipTotal  = 1 << 20 // events, and groups of their snapshots
)

// Where messages are large, Take looks for more several times before it sleeps. While the application is being woken a sender within
// the process would fill several more, in memory that is in no cache any more; some 10 us of looking save a third of the time of 64 KiB.
const (
	largeEvent = 16 << 10 // octets
	largeLooks = 40
)

// Where messages are large and few were there, Take gives the sender a moment, some 1 us, to bring more: both would mostly wait for the lock
// of the queue. That saves a fifth of the time of 64 KiB that are given within the process.
const (
	fewTaken   = 16
	largePause = 8 // times that another goroutine may run
)

// keepEvents is how many events a list has room for that is used again.
const keepEvents = 32 << 10

// New returns an empty queue. Close ends it; it has no goroutine of its own.
func New(limits Limits) *Queue {
	q := &Queue{limits: limits, ready: make(chan struct{}, 1), done: make(chan struct{})}
	q.ceiling = limits.Messages
	return q
}

// Push appends an event of membership or presence to a stream. An Exit ends the stream: nothing follows it. It never waits.
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
		q.forget(s)
		q.wake() // its reader may wait
	case Evasive, Silent, State, EndpointsChanged:
		// These repeat for ever: an application that does not read loses them rather than memory.
		if q.membershipFull() && !q.condense() {
			return
		}
	}
	q.count(&e)
	q.mayVoid(&e)
	q.append(&e)
}

// count counts what an event of membership holds.
func (q *Queue) count(e *Event) {
	if e.Kind == ProblemChanged {
		return
	}
	q.membership += weight(e, q.snapshot)
	q.snapshot = e.Peer
}

// weight is what an event of membership holds; last is the snapshot of the one before, which it may share.
func weight(e *Event, last *Peer) int {
	w := 1
	if e.Peer != last {
		w += len(e.Peer.Groups)
	}
	if e.Kind == HeadersChanged { // the peer may send others for ever
		w += headerWeight(e.Peer.Headers)
	}
	return w
}

// headerWeight counts what headers hold, in places of a group: 16 octets.
func headerWeight(headers map[string]string) int {
	octets := 0
	for name, value := range headers {
		octets += 64 + len(name) + len(value)
	}
	return octets / 16
}

// membershipFull reports whether there is no room for what can wait or be lost.
func (q *Queue) membershipFull() bool {
	return len(q.pending)-q.messages >= membershipEvents || q.membership >= membershipTotal
}

// Deliver appends a WHISPER or SHOUT of so many octets to a stream, and waits for room. It returns false, and appends nothing, once the
// stream has ended, or the queue or stop is closed.
func (q *Queue) Deliver(s *Stream, e *Event, octets int64, stop <-chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !s.ended && (q.isHeld(s) || q.full(octets, Limits{})) {
		if !q.waitIn(s, stop) {
			return false
		}
	}
	if q.closed || s.ended {
		return false
	}
	q.message(s, e, octets)
	return true
}

// Offer is Deliver for a message that a node of this process hands over: it does not wait, and may use that much room more. The sender
// gives the size of its own queue, in which the message does not wait. The errors are ErrFull and ErrEnded.
func (q *Queue) Offer(s *Stream, e *Event, octets int64, more Limits) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed || s.ended:
		return ErrEnded
	case q.isHeld(s) || q.full(octets, more):
		return ErrFull
	}
	q.message(s, e, octets)
	return nil
}

// Admits tells what Offer would return at present, but keeps no room.
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

// message appends a WHISPER or SHOUT.
func (q *Queue) message(s *Stream, e *Event, octets int64) {
	if q.drops {
		return
	}
	q.messages++
	q.arrived++
	q.octets += octets
	s.received.Note(e.Kind == Shout, octets-FrameCost*int64(len(e.Frames)))
	q.append(e)
}

// Drop has every WHISPER and SHOUT from now on be dropped, as if the application had taken it: there is always room.
func (q *Queue) Drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drops = true
	q.wake()
}

// Announce appends an event that is about no peer. It never waits; an application that does not read may lose it.
func (q *Queue) Announce(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed && (!q.membershipFull() || q.condense()) {
		q.mayVoid(&e)
		q.append(&e)
	}
}

// Admit waits until there is room for one more event of membership that a peer causes; its stream is stalled meanwhile. It returns false
// once the queue or stop is closed, not once the stream has ended: a HELLO begins another.
func (q *Queue) Admit(s *Stream, stop <-chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.membershipFull() {
		if q.condense() {
			break
		}
		if !q.waitIn(s, stop) {
			return false
		}
	}
	return !q.closed
}

// Room returns a channel that is closed once the application has taken what is pending, or earlier. It is for a sender to a stream whose Offer found
// none, and is not closed with the queue.
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

// waitIn is wait for the reader of a stream.
func (q *Queue) waitIn(s *Stream, stop <-chan struct{}) bool {
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

// wake has all that wait for room look again.
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
		q.ready <- struct{}{} // never blocks: one token a wait
	}
}

// Take returns what is pending, in order, and keeps batch, emptied, for what comes next; the caller must not use batch any more. It is
// all, unless that is much. With nothing pending it waits. It returns false once the queue or stop is closed. One goroutine at a time may call it.
func (q *Queue) Take(batch []Event, stop <-chan struct{}) ([]Event, bool) {
	clear(batch) // what was delivered must not stay reachable
	batch = batch[:0]
	if cap(batch) > keepEvents {
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
			q.large = q.octets > largeEvent*int64(len(q.pending))
			if n := q.portion(); n < len(q.pending) {
				batch = q.takeFirst(n)
			} else {
				q.pending, batch = batch, q.pending
				q.messages, q.octets, q.membership, q.snapshot, q.taken, q.void = 0, 0, 0, nil, nil, 0
				q.ceiling = q.limits.Messages
			}
			q.unfinished = len(batch)
			q.wake()
			q.mu.Unlock()
			return batch, true
		}
		if q.large && looks < largeLooks {
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

// Depth returns how many WHISPER and SHOUT wait for the application, and the octets of their content.
func (q *Queue) Depth() (messages int, octets int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.messages, q.octets
}

// HasWaiters reports whether any reader or sender waits for room.
func (q *Queue) HasWaiters() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.roomMade != nil
}

// Close ends the queue: pending events are dropped, and every call that waits returns. It may be called twice.
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
