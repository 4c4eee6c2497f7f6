package zmtp

import (
	"bytes"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Memory for large frames is used again, since the runtime's way (to clear it, and to collect it some 200 times a second) costs as
// much as all else that a frame of 64 KiB does. What is sent is a copy of ours: a Lease says when all queues have written it.
// What is received belongs to the application, which may give it back: Recycle.

// largestPooled is the longest frame whose memory is kept, in octets; there are four size classes to each doubling.
const (
	largestPooled   = 1 << 20
	classesToDouble = 4
)

// hotOctets is how much of a class is kept at hand: what was used last is still in a processor's cache, and comes first.
const hotOctets = 512 << 10

// A shelf keeps the memory of one class: a few pieces at hand, the last first, and the others in a pool that the collector empties.
type shelf struct {
	mu   sync.Mutex // guards hot
	hot  [][]byte
	pool sync.Pool // of full boxes
}

// A box carries a slice through a sync.Pool without an allocation.
type box struct{ memory []byte }

var (
	shelves   [classesToDouble*(20-14) + 1]shelf // by class: from LargeFrame (2^14) to largestPooled (2^20)
	empty     sync.Pool                          // boxes
	recycling atomic.Bool                        // the application has given memory back, so it may again
)

// get returns a piece, nil if there is none.
func (s *shelf) get() []byte {
	s.mu.Lock()
	if last := len(s.hot) - 1; last >= 0 {
		m := s.hot[last]
		s.hot[last] = nil
		s.hot = s.hot[:last]
		s.mu.Unlock()
		return m
	}
	s.mu.Unlock()
	b, ok := s.pool.Get().(*box)
	if !ok {
		return nil
	}
	m := b.memory
	b.memory = nil
	empty.Put(b)
	return m
}

// put keeps a piece.
func (s *shelf) put(m []byte) {
	s.mu.Lock()
	if len(s.hot) < max(hotOctets/cap(m), 1) {
		s.hot = append(s.hot, m)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	b, ok := empty.Get().(*box)
	if !ok {
		b = new(box)
	}
	b.memory = m
	s.pool.Put(b)
}

// classOf returns the smallest class that n octets fit into, and its size.
func classOf(n int) (class, size int) {
	step := 1 << (bits.Len(uint(n-1)) - 1) / classesToDouble // of the octave that n is in, as (octave, twice that]
	size = (n + step - 1) / step * step
	octave := bits.Len(uint(size)) - 15 // 0 for LargeFrame
	return octave*classesToDouble + (size>>(octave+12) - classesToDouble), size
}

// poolable tells whether memory for a frame of n octets may be used again.
func poolable(n int) bool { return n >= LargeFrame && n <= largestPooled }

// memory returns n octets of any content, with the capacity of their class.
func memory(n int) []byte {
	class, size := classOf(n)
	if m := shelves[class].get(); m != nil {
		return m[:n]
	}
	return make([]byte, n, size)
}

// giveBack keeps memory for another frame. What is not of a class exactly is left to the garbage collector.
func giveBack(m []byte) {
	if !poolable(cap(m)) {
		return
	}
	if class, size := classOf(cap(m)); size == cap(m) {
		shelves[class].put(m)
	}
}

// Recycle takes the memory of received frames back, for others to come: of those of LargeFrame octets and more, up to 1 MiB. The
// caller must have no other slice of it, and must not use them any more.
func Recycle(frames [][]byte) {
	for i, frame := range frames {
		if cap(frame) >= LargeFrame {
			giveBack(frame)
			frames[i] = nil
		}
	}
	if !recycling.Load() {
		recycling.Store(true)
	}
}

// frameMemory returns memory for a frame that is to be received. Without anybody who gives it back it is as long as the frame.
func frameMemory(n int) []byte {
	if poolable(n) && recycling.Load() {
		return memory(n)
	}
	return make([]byte, n)
}

// CopyFrame returns a copy of a frame, for a receiver that will own it.
func CopyFrame(frame []byte) []byte {
	if poolable(len(frame)) && recycling.Load() {
		m := memory(len(frame))
		copy(m, frame)
		return m
	}
	return bytes.Clone(frame) // which does not clear the memory first
}

// A Lease holds copies of the large frames of a message, until the last of the queues that it is pushed to has written them. What was
// pushed and is discarded instead is left to the garbage collector.
type Lease struct {
	holders atomic.Int32
	frames  [][]byte // of the message
	copies  [][]byte // those that are ours
}

var leases = sync.Pool{New: func() any { return new(Lease) }}

// NewLease returns a lease with copies of those frames that have LargeFrame octets or more. Frames gives the message to push. The caller
// holds the lease until Release.
func NewLease(frames [][]byte) *Lease {
	l := leases.Get().(*Lease)
	l.holders.Store(1)
	for _, frame := range frames {
		if len(frame) >= LargeFrame {
			var m []byte
			if poolable(len(frame)) {
				m = memory(len(frame))
				copy(m, frame)
			} else {
				m = bytes.Clone(frame)
			}
			l.copies = append(l.copies, m)
			frame = m
		}
		l.frames = append(l.frames, frame)
	}
	return l
}

// Frames returns the message: copies of the large frames, and the others as they were given. The list is the lease's.
func (l *Lease) Frames() [][]byte { return l.frames }

// Hold holds the lease once more.
func (l *Lease) Hold() { l.holders.Add(1) }

// Release ends a hold. With the last one the memory is used for other messages.
func (l *Lease) Release() {
	if l.holders.Add(-1) > 0 {
		return
	}
	for _, m := range l.copies {
		giveBack(m)
	}
	clear(l.frames)
	clear(l.copies)
	l.frames, l.copies = l.frames[:0], l.copies[:0]
	leases.Put(l)
}
