package memory

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// mostOctets is how much all shelves keep: as much as the queue to a peer holds, half of which comes back at once when its sender has
// waited for room. What is there was in use at the same time, and not long ago.
const mostOctets = 64 << 20

var kept atomic.Int64 // octets on all shelves

// A shelf keeps pieces of memory of one kind to be used again, the last one first: that is still in a processor's cache. What was
// not needed between two runs of the garbage collector is left to the next.
type shelf[T any] struct {
	octets int64 // of a piece

	mu    sync.Mutex // guards what follows
	stack []T
	spare int // the fewest there were since the last trim
}

// get takes a piece, if there is one.
func (s *shelf[T]) get() (piece T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.stack) - 1
	if last < 0 {
		return piece, false
	}
	var none T
	piece, s.stack[last] = s.stack[last], none
	kept.Add(-s.octets)
	s.stack = s.stack[:last]
	s.spare = min(s.spare, last)
	return piece, true
}

// put keeps a piece, unless there is enough.
func (s *shelf[T]) put(piece T) {
	trimming()
	if kept.Add(s.octets) > mostOctets {
		kept.Add(-s.octets)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stack = append(s.stack, piece)
}

// trim lets go of what was not needed since it was last called. Those below are the oldest.
func (s *shelf[T]) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept.Add(-s.octets * int64(s.spare))
	left := copy(s.stack, s.stack[s.spare:])
	clear(s.stack[left:])
	s.stack = s.stack[:left]
	s.spare = left
}

// trimming has all shelves trimmed after each run of the garbage collector: that frees the sentinel, whose cleanup trims them and
// makes another.
var trimming = sync.OnceFunc(watch)

func watch() {
	type sentinel struct{ _ *byte } // not of the kind that shares its memory with others
	runtime.AddCleanup(new(sentinel), func(struct{}) {
		slabs.trim()
		shortSlabs.trim()
		for i := range large {
			large[i].trim()
		}
		watch()
	}, struct{}{})
}
