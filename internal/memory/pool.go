package memory

import (
	"bytes"
	"sync/atomic"
)

// A Pool is what the cutters of one node have in common: whether its application gives messages back. The shelves belong to the process.
// A nil Pool is that of an application that does not.
type Pool struct {
	recycles atomic.Bool // the application has given a message back, so it may do so again
	once     Slab        // stands for memory that is used once
}

// NewPool returns the pool of a node.
func NewPool() *Pool {
	p := new(Pool)
	p.once.pool = p
	return p
}

// Recycles tells whether the application gives messages back.
func (p *Pool) Recycles() bool { return p != nil && p.recycles.Load() }

// Once is the origin of a message whose memory is used once.
func (p *Pool) Once() Origin {
	if p == nil {
		return Origin{}
	}
	return Origin{slab: &p.once}
}

// An Origin is what Recycle wants to know of a message. The zero value stands for memory that is used once.
type Origin struct {
	slab    *Slab
	life    uint32 // of the slab
	message uint32 // its large frames are marked with it
}

// Recycle gives back a message that was received. Its frames are set to nil in the list. Those that are nil already belong to others by now,
// and then a slab that the message was cut from is not used again. So a second call does nothing, nor does one that comes after
// the frames were given away.
func Recycle(frames [][]byte, from Origin) {
	s := from.slab
	switch {
	case s == nil:
	case s.pool != nil:
		if !s.pool.recycles.Load() {
			s.pool.recycles.Store(true)
		}
		s = nil
	case !s.lives(from.life):
		return // and even the list is another message's
	}
	whole := len(frames) > 0
	for i, frame := range frames {
		switch {
		case frame == nil:
			whole = false
			continue
		case cap(frame) < Large:
			poison(frame)
		case !giveBack(frame, by(from.message)) && ownerOf(frame) == nil:
			poison(frame)
		}
		frames[i] = nil
	}
	if s != nil && whole {
		s.release(1)
	}
}

// Copy returns a copy of a large frame, which is ours, for a receiver with that pool.
func (p *Pool) Copy(frame []byte) []byte {
	if p.Recycles() {
		return pooled(frame, library)
	}
	return bytes.Clone(frame)
}
