package eventqueue

import (
	"sync/atomic"
	"unsafe"

	"github.com/go-zre/go-zre/internal/memory"
)

// An application that waits in a send, in the loop that takes its events, takes none meanwhile; and the peer that it waits for may be
// waiting for it in the same way. So while a send waits and nothing is read, the bound on the count of messages is lifted: what they cost
// counts alone.

// sends is what the queue knows of the application's sends that wait.
type sends struct {
	waiting atomic.Int32  // how many
	holds   atomic.Int32  // how many streams are held
	read    atomic.Uint64 // how often the application came for an event while one waited
}

// FrameCost is what a frame holds beside its octets: its place in the list.
const FrameCost = memory.PlaceOctets

// eventCost is what an Event itself takes, with the room that a growing list has to spare.
const eventCost = 2 * int64(unsafe.Sizeof(Event{}))

// Size returns the octets of a message, as Deliver counts them.
func Size(frames [][]byte) (octets int64) {
	for _, frame := range frames {
		octets += FrameCost + int64(len(frame))
	}
	return octets
}

// BeginWait takes note that a send of the application waits; EndWait ends that. Meanwhile Read counts.
func (q *Queue) BeginWait() {
	q.sends.waiting.Add(1)
	if q.sends.holds.Load() > 0 {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.wake()
	}
}

// EndWait takes note that a send waits no more. It tells whether the send had called Lift.
func (q *Queue) EndWait(lifted bool) {
	q.sends.waiting.Add(-1)
	if !lifted {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lifts--; q.lifts == 0 {
		q.ceiling = max(q.limits.Messages, q.messages)
	}
}

// NoteRead takes note that the application came for another event of those that it took.
func (q *Queue) NoteRead() {
	if q.sends.waiting.Load() > 0 {
		q.sends.read.Add(1)
	}
}

// Read returns a number that changes whenever the application comes for an event, while a send waits.
func (q *Queue) Read() uint64 { return q.sends.read.Load() }

// Lift lifts the bound on the count of messages, for a send that waits and during which nothing is read, until its EndWait. What came in
// beyond the bound is reduced from then on as it is taken.
func (q *Queue) Lift() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lifts++
	q.wake()
}

// full reports whether there is no room for a WHISPER or SHOUT.
func (q *Queue) full(octets int64, more Limits) bool {
	room := q.limits.Octets + more.Octets - q.octets - octets
	switch {
	case q.messages == 0 || q.drops:
		return false
	case q.messages < q.limits.Messages+more.Messages:
		return room < 0
	case q.lifts == 0 && q.messages >= q.ceiling+more.Messages:
		return true
	}
	return room < eventCost*int64(q.messages+1)
}

// takeOctets is about what Take gives at a time of large messages while a send waits, so that peers find room again long before a slow
// application is through with all. Small ones are bounded by their count. While none waits Take gives all: else a sender of this process would
// have more on the way than memory is kept for.
const takeOctets = 4 << 20

// portion returns how many of the pending events Take gives: all of them, mostly.
func (q *Queue) portion() int {
	n := len(q.pending)
	lifted := q.lifts > 0 || q.ceiling > q.limits.Messages
	if lifted && q.messages > q.limits.Messages {
		n = min(n, q.limits.Messages)
	}
	if q.octets <= takeOctets || !lifted && !(q.large && q.sends.waiting.Load() > 0) {
		return n
	}
	octets := int64(0)
	for i := range q.pending[:n] {
		if octets += Size(q.pending[i].Frames); octets >= takeOctets {
			return i + 1
		}
	}
	return n
}

// takeFirst takes the first n of the pending events, and leaves others.
func (q *Queue) takeFirst(n int) []Event {
	before, last := q.messages, q.taken
	taken := q.pending[:n:n]
	q.pending = q.pending[n:]
	for i := range taken {
		switch e := &taken[i]; e.Kind {
		case Whisper, Shout, Request:
			q.messages--
			q.octets = max(q.octets-Size(e.Frames), 0)
		case ProblemChanged: // counts nowhere
		default:
			q.membership -= weight(e, last)
			last = e.Peer
		}
	}
	q.taken = last
	// Half of what is taken makes room, so that peers get on, and the rest becomes less.
	q.ceiling = max(q.limits.Messages, before-(before-q.messages)/2)
	return taken
}
