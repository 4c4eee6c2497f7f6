package memory

import (
	"bytes"
	"math/bits"
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
		for i := range large {
			large[i].trim()
		}
		watch()
	}, struct{}{})
}

// Frames of Large octets and more, up to largest, have memory of their own from one of these shelves, by class. There are four classes
// to each doubling of the length.
const (
	// Large is the length, in octets, from which a frame has memory of its own that is used again.
	Large           = 1 << logLarge
	logLarge        = 14
	logLargest      = 20
	largest         = 1 << logLargest
	classesToDouble = 4
)

var large = func() *[classesToDouble*(logLargest-logLarge) + 1]shelf[[]byte] {
	all := new([classesToDouble*(logLargest-logLarge) + 1]shelf[[]byte])
	for i := range all {
		all[i].octets = Large << (i / classesToDouble) / classesToDouble * int64(classesToDouble+i%classesToDouble)
	}
	return all
}()

// classOf returns the smallest class that n octets fit into, and its size.
func classOf(n int) (class, size int) {
	step := 1 << (bits.Len(uint(n-1)) - 1) / classesToDouble // of the octave that n is in, as (octave, twice that]
	size = (n + step - 1) / step * step
	octave := bits.Len(uint(size)) - 1 - logLarge
	return octave*classesToDouble + (size>>(octave+logLarge-2) - classesToDouble), size
}

// isPooled tells whether memory for a frame of n octets may be used again.
func isPooled(n int) bool { return n >= Large && n <= largest }

// New returns memory for a frame of n octets, which hold anything.
func New(n int) []byte {
	if !isPooled(n) {
		return make([]byte, n)
	}
	class, size := classOf(n)
	if m, ok := large[class].get(); ok {
		return m[:n]
	}
	return make([]byte, n, size)
}

// Own returns memory for a frame that is to be received. Without anybody who gives it back it is as long as the frame.
func Own(n int) []byte {
	if recycling.Load() {
		return New(n)
	}
	return make([]byte, n)
}

// Clone returns a copy of a frame, for a receiver that will own it.
func Clone(frame []byte) []byte {
	if recycling.Load() {
		return pooled(frame)
	}
	return bytes.Clone(frame) // which does not clear the memory first
}

// pooled returns a copy of a frame, in memory that may have been used before.
func pooled(frame []byte) []byte {
	if !isPooled(len(frame)) {
		return bytes.Clone(frame)
	}
	return append(New(len(frame))[:0], frame...)
}

// giveBack keeps memory for another frame. What is not of a class exactly is left to the garbage collector.
func giveBack(m []byte) {
	if !isPooled(cap(m)) {
		return
	}
	if class, size := classOf(cap(m)); size == cap(m) {
		large[class].put(m)
	}
}
