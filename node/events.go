package node

import (
	"runtime"
	"sync"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Kind says what an Event tells.
type Kind uint8

// The kinds of event. Per peer: one Enter, then any of the others, then one Exit.
const (
	Enter Kind = iota + 1
	Exit
	Join
	Leave
	Whisper
	Shout
	Evasive
	Silent
	State
	Conflict       // of no peer: another node has our own UUID
	ProblemChanged // of no session: a problem began, has another cause, or is solved
)

// Reason says why a peer exited.
type Reason uint8

// The reasons of an Exit.
const (
	Left          Reason = iota + 1 // it said farewell
	Crashed                         // its connection closed without a farewell
	Expired                         // it was silent for the expired timeout
	LostMessages                    // a gap in its sequence numbers, or one out of order
	Replaced                        // it greeted anew: restarted, or began a new session
	NotResponding                   // its queue stayed full for the send timeout
)

func (r Reason) String() string {
	switch r {
	case Left:
		return "left"
	case Crashed:
		return "crashed"
	case Expired:
		return "expired"
	case LostMessages:
		return "lost messages"
	case Replaced:
		return "replaced"
	case NotResponding:
		return "not responding"
	}
	return "unknown"
}

// Event is what the application hears of a peer.
type Event struct {
	Kind   Kind
	Reason Reason       // Exit
	State  beacon.State // State
	Peer   *Peer
	Group  string       // Join, Leave, Shout
	Frames [][]byte     // Whisper, Shout; the application owns them
	Slab   *memory.Slab // of the frames, for who gives them back

	Problem *Problem // ProblemChanged; Peer is that of the problem, or empty
}

// events is the queue between the readers and the control loop on one side and the application on the other.
//
// WHISPER and SHOUT have room for a bounded count and size: beyond it their reader waits, so that it stops reading from its
// peer. Events of membership always find room, because the control loop must not wait; what leads to them is bounded by
// admit.
type events struct {
	maxCount  int
	maxOctets int64

	mu      sync.Mutex    // guards all below, and every peer's over
	room    chan struct{} // closed when readers that wait shall look again; nil if none waits
	pending []Event
	held    int   // what the others in pending hold: 1 each, and 1 for each group in each Peer
	last    *Peer // of the last of these
	count   int   // WHISPER and SHOUT in pending
	octets  int64 // their content
	waiting bool  // the application waits on ready
	at      int   // events that it took last and has not come back from
	large   bool  // they were, on average
	taken   uint64
	arrived uint64 // WHISPER and SHOUT so far
	closed  bool

	ready chan struct{} // holds one token when a waiting application shall look again
	done  chan struct{} // closed with the queue
}

// Events of membership that may be pending before readers wait in admit: how many beside the data, and what they may hold.
const (
	slack   = 65_536
	maxHeld = 1 << 20
)

// Where messages are large, who takes them looks for more so often before it sleeps. While it is being woken a sender within the process
// would fill several more, in memory that is in no cache any more; some 10 us of looking save a third of the time of 64 KiB.
const (
	largeEvent = 16 << 10 // octets
	largeLooks = 40
)

func newEvents(maxCount int, maxOctets int64) *events {
	return &events{maxCount: maxCount, maxOctets: maxOctets, ready: make(chan struct{}, 1), done: make(chan struct{})}
}

// push appends an event of membership or presence. An Exit ends its peer: nothing of it follows. It never waits.
func (q *events) push(p *peer, e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || p.over {
		return
	}
	switch e.Kind {
	case Exit:
		p.over = true
		q.wake() // its reader may wait
	case Evasive, Silent, State:
		// These repeat for ever: an application that does not read loses them rather than memory.
		if q.isCrammed() {
			return
		}
	}
	q.held++
	if e.Peer != q.last { // events share snapshots
		q.held += len(e.Peer.Groups)
		q.last = e.Peer
	}
	q.append(&e)
}

// isCrammed reports whether there is no room for what can wait or be lost.
func (q *events) isCrammed() bool { return len(q.pending) >= q.maxCount+slack || q.held >= maxHeld }

// deliver appends a WHISPER or SHOUT, waiting for room. It returns false once the peer is over, the node closed, or stop is.
func (q *events) deliver(p *peer, e *Event, octets int64, stop <-chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !p.over && q.full(octets, nil) {
		p.stuck.Store(true)
		ok := q.wait(stop)
		p.stuck.Store(false)
		if !ok {
			return false
		}
	}
	if q.closed || p.over {
		return false
	}
	q.data(e, octets)
	return true
}

// full tells whether there is no room for a WHISPER or SHOUT. One that is handed over has as much room more as its sender's queue
// would have, in which it does not wait.
func (q *events) full(octets int64, sender *Limits) bool {
	count, size := q.maxCount, q.maxOctets
	if sender != nil {
		count += sender.QueueMessages
		size += sender.QueueOctets
	}
	return q.count > 0 && (q.count >= count || q.octets+octets > size)
}

// space returns a channel that is closed when the application has taken what is pending.
func (q *events) space() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count == 0 {
		return alreadyClosed
	}
	return q.roomLater()
}

var alreadyClosed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (q *events) roomLater() chan struct{} {
	if q.room == nil {
		q.room = make(chan struct{})
	}
	return q.room
}

// offer appends a WHISPER or SHOUT that is handed over, and does not wait. Its errors are those of a queue.
func (q *events) offer(p *peer, e *Event, octets int64, sender *Limits) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed || p.over:
		return zmtp.ErrQueueClosed
	case q.full(octets, sender):
		return zmtp.ErrFull
	}
	q.data(e, octets)
	return nil
}

// data appends a WHISPER or SHOUT.
func (q *events) data(e *Event, octets int64) {
	q.count++
	q.arrived++
	q.octets += octets
	q.append(e)
}

// announce appends an event that is about no peer. It never waits; an application that does not read may lose it.
func (q *events) announce(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed && !q.isCrammed() {
		q.append(&e)
	}
}

// activity tells what goes on at the queue.
func (q *events) activity() activity {
	q.mu.Lock()
	defer q.mu.Unlock()
	return activity{
		arrived: q.arrived,
		taken:   q.taken,
		work:    len(q.pending) > 0 || q.at > 0,
		crowded: q.count > q.maxCount/2 || q.octets > q.maxOctets/2,
	}
}

// admit waits until there is room for one more event of membership that a peer causes. It returns false once the node closed
// or stop is.
func (q *events) admit(stop <-chan struct{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.isCrammed() {
		if !q.wait(stop) {
			return false
		}
	}
	return !q.closed
}

// wait releases the lock until there may be room. It returns false if the node closed or stop is.
func (q *events) wait(stop <-chan struct{}) bool {
	if q.closed {
		return false
	}
	room := q.roomLater()
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

// wake has all who wait look again.
func (q *events) wake() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

func (q *events) append(e *Event) {
	q.pending = append(q.pending, *e)
	if q.waiting {
		q.waiting = false
		q.ready <- struct{}{} // never blocks: one token a wait
	}
}

// take hands over everything pending and leaves batch, emptied, in its place. With nothing pending it waits. It returns
// false once the queue is closed or stop is. One goroutine at a time may call it.
func (q *events) take(batch []Event, stop <-chan struct{}) ([]Event, bool) {
	clear(batch) // what was delivered must not stay reachable
	batch = batch[:0]
	for looks := 0; ; looks++ {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return nil, false
		}
		q.at = 0
		q.taken++
		if len(q.pending) > 0 {
			q.pending, batch = batch, q.pending
			q.large = q.octets > largeEvent*int64(len(batch))
			q.count, q.octets, q.held, q.at, q.last = 0, 0, 0, len(batch), nil
			q.wake()
			q.mu.Unlock()
			return batch, true
		}
		if q.large && looks < largeLooks {
			q.mu.Unlock()
			runtime.Gosched()
			continue
		}
		q.waiting = true
		q.mu.Unlock()
		select {
		case <-q.ready:
		case <-q.done:
			return nil, false
		case <-stop:
			q.unwait()
			return nil, false
		}
	}
}

// unwait withdraws the wait of a take that was stopped.
func (q *events) unwait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = false
	select {
	case <-q.ready:
	default:
	}
}

// close ends the queue: pending events are dropped, and whoever waits returns.
func (q *events) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	q.pending = nil
	close(q.done)
}
