package eventqueue

import (
	"sync/atomic"
	"unsafe"

	"github.com/go-zre/go-zre/internal/memory"
)

// An application that waits for a send in its event loop takes no events meanwhile; and the peer that it waits for may be waiting for it in
// the same way. So while a send waits and nothing is read, the bound on the number of messages is lifted: only their memory counts.

// sends is what the queue knows of the application's waiting sends.
type sends struct {
	waiting atomic.Int32  // how many wait
	holds   atomic.Int32  // how many streams are held
	read    atomic.Uint64 // how often the application came for an event while a send waited
}

// FrameCost is the overhead of a frame: its entry in the list, in bytes.
const FrameCost = memory.FrameOverhead

// eventCost is the size of an Event itself, with the spare room of a growing list.
const eventCost = 2 * int64(unsafe.Sizeof(Event{}))

// Size returns the size of a message in bytes, as Deliver counts it.
func Size(frames [][]byte) (octets int64) {
	for _, frame := range frames {
		octets += FrameCost + int64(len(frame))
	}
	return octets
}

// BeginWait notes that a send of the application waits; EndWait ends that. Meanwhile Read counts.
func (q *Queue) BeginWait() {
	q.sends.waiting.Add(1)
	if q.sends.holds.Load() > 0 {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.wake()
	}
}

// EndWait notes that a send waits no more; lifted says whether it had called LiftBound.
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

// NoteRead notes that the application came for another event.
func (q *Queue) NoteRead() {
	if q.sends.waiting.Load() > 0 {
		q.sends.read.Add(1)
	}
}

// Reads returns a number that changes whenever the application comes for an event while a send waits.
func (q *Queue) Reads() uint64 { return q.sends.read.Load() }

// LiftBound lifts the bound on the number of messages until EndWait. It is for a send that waits while nothing is read. After that, messages
// beyond the bound are reduced as they are taken.
func (q *Queue) LiftBound() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lifts++
	q.wake()
}

// full tells whether there is no room for a WHISPER or SHOUT.
func (q *Queue) full(octets int64, more Limits) bool {
	room := q.limits.Bytes + more.Bytes - q.bytes - octets
	switch {
	case q.messages == 0 || q.dropsMessages:
		return false
	case q.messages < q.limits.Messages+more.Messages:
		return room < 0
	case q.lifts == 0 && q.messages >= q.ceiling+more.Messages:
		return true
	}
	return room < eventCost*int64(q.messages+1)
}

// takeBytes is about how much Take returns at once, in bytes, if messages are large and a send waits: peers find room again long before a
// slow application is through with everything. The number of small messages bounds them already. If no send waits, Take returns everything:
// otherwise a sender of this process would have more on the way than memory is kept for.
const takeBytes = 4 << 20

// portion returns how many of the pending events Take returns: mostly all of them.
func (q *Queue) portion() int {
	n := len(q.pending)
	lifted := q.lifts > 0 || q.ceiling > q.limits.Messages
	if lifted && q.messages > q.limits.Messages {
		n = min(n, q.limits.Messages)
	}
	if q.bytes <= takeBytes || !lifted && !(q.large && q.sends.waiting.Load() > 0) {
		return n
	}
	octets := int64(0)
	for i := range q.pending[:n] {
		if octets += Size(q.pending[i].Frames); octets >= takeBytes {
			return i + 1
		}
	}
	return n
}

// takeFirst takes the first n of the pending events, and leaves the others.
func (q *Queue) takeFirst(n int) []Event {
	before, last := q.messages, q.takenSnapshot
	taken := q.pending[:n:n]
	q.pending = q.pending[n:]
	for i := range taken {
		switch e := &taken[i]; e.Kind {
		case Whisper, Shout, Request:
			q.messages--
			q.bytes = max(q.bytes-Size(e.Frames), 0)
		case ProblemChanged: // counts nowhere
		default:
			q.membership -= weight(e, last)
			last = e.Peer
		}
	}
	q.takenSnapshot = last
	// Half of what is taken makes room, so that peers make progress; the rest reduces the excess.
	q.ceiling = max(q.limits.Messages, before-(before-q.messages)/2)
	return taken
}
