package memory

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// maxShelfBytes is how much all shelves keep, in bytes: as much as the queue to a peer holds, half of which comes back at once when its sender
// has waited for room. All of it was in use at the same time, and not long ago.
const maxShelfBytes = 64 << 20

var shelvedBytes atomic.Int64 // bytes on all shelves, without those in hands

// A hand holds some pieces, so that goroutines that take pieces and goroutines that give them back meet at the shelf only once per handful.
const (
	maxInHand = 16
	handBytes = 512 << 10
)

type hand[T any] struct {
	mu     sync.Mutex // guards what follows
	pieces []T
	_      [64]byte // the other hand has its own cache line
}

// A shelf keeps pieces of memory of one kind for reuse, the last ones first: those are still in a processor's cache. What was not needed
// between two runs of the garbage collector is left to the second.
type shelf[T any] struct {
	pieceSize int64 // of a piece

	taking, giving hand[T]

	mu    sync.Mutex // guards what follows; the lock of a hand may be held, taking's before giving's
	stack []T
	spare int // the fewest there were since the last trim
}

// handful returns how many pieces a hand holds.
func (s *shelf[T]) handful() int { return int(min(maxInHand, max(1, handBytes/s.pieceSize))) }

// get takes a piece, if there is one.
func (s *shelf[T]) get() (piece T, ok bool) {
	h := &s.taking
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.pieces) == 0 {
		s.fill(h)
	}
	last := len(h.pieces) - 1
	if last < 0 {
		return piece, false
	}
	var none T
	piece, h.pieces[last] = h.pieces[last], none
	h.pieces = h.pieces[:last]
	return piece, true
}

// fill moves a handful of pieces from the shelf to the taking hand; if there are none, it moves those of the giving hand.
func (s *shelf[T]) fill(h *hand[T]) {
	s.mu.Lock()
	left := max(0, len(s.stack)-s.handful())
	moved := s.stack[left:]
	shelvedBytes.Add(-s.pieceSize * int64(len(moved)))
	h.pieces = append(h.pieces, moved...)
	clear(moved)
	s.stack, s.spare = s.stack[:left], min(s.spare, left)
	s.mu.Unlock()
	if len(h.pieces) == 0 {
		s.giving.mu.Lock()
		h.pieces, s.giving.pieces = s.giving.pieces, h.pieces
		s.giving.mu.Unlock()
	}
}

// put keeps a piece, unless there are enough.
func (s *shelf[T]) put(piece T) {
	startTrimming()
	h := &s.giving
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pieces = append(h.pieces, piece); len(h.pieces) >= s.handful() {
		s.mu.Lock()
		s.putBack(h)
		s.mu.Unlock()
	}
}

// putBack puts a hand's pieces on the shelf, as many as there is room for.
func (s *shelf[T]) putBack(h *hand[T]) {
	for _, piece := range h.pieces {
		if shelvedBytes.Add(s.pieceSize) > maxShelfBytes {
			shelvedBytes.Add(-s.pieceSize)
			break
		}
		s.stack = append(s.stack, piece)
	}
	clear(h.pieces)
	h.pieces = h.pieces[:0]
}

// trim drops what was not needed since the last call. The lowest pieces are the oldest.
func (s *shelf[T]) trim() {
	for _, h := range []*hand[T]{&s.taking, &s.giving} {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	shelvedBytes.Add(-s.pieceSize * int64(s.spare))
	left := copy(s.stack, s.stack[s.spare:])
	clear(s.stack[left:])
	s.stack = s.stack[:left]
	s.putBack(&s.taking)
	s.putBack(&s.giving)
	s.spare = len(s.stack)
}

// startTrimming makes all shelves trim themselves after each run of the garbage collector: that frees the sentinel, whose cleanup trims them and
// makes another sentinel.
var startTrimming = sync.OnceFunc(trimAfterCollection)

func trimAfterCollection() {
	type sentinel struct{ _ *byte } // not of a kind that shares its memory with others
	runtime.AddCleanup(new(sentinel), func(struct{}) {
		slabs.trim()
		shortSlabs.trim()
		for i := range large {
			large[i].trim()
		}
		trimAfterCollection()
	}, struct{}{})
}
