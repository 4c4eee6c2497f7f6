package memory

import (
	"bytes"
	"sync/atomic"
)

// A Pool is what the cutters of one node share: whether its application gives messages back. The shelves belong to the process. A nil Pool
// belongs to an application that gives none back.
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

// Once returns the origin of a message whose memory is used once.
func (p *Pool) Once() Origin {
	if p == nil {
		return Origin{}
	}
	return Origin{slab: &p.once}
}

// An Origin is what Recycle needs to know about a message. The zero value stands for memory that is used once.
type Origin struct {
	slab    *Slab
	life    uint32 // of the slab
	message uint32 // the mark of its large frames
}

// Recycle gives back a message that was received, and sets its frames to nil in the list. Frames that are nil already may have another
// owner by now; then a slab that the message was cut from is not reused. So a second call does nothing, nor does a call after the frames
// were given away.
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
		return // even the list belongs to another message
	}
	whole := len(frames) > 0
	for i, frame := range frames {
		switch {
		case frame == nil:
			whole = false
			continue
		case cap(frame) < Large:
			poison(frame)
		case !giveBack(frame, ownedWith(from.message)) && ownerOf(frame) == nil:
			poison(frame)
		}
		frames[i] = nil
	}
	if s != nil && whole {
		s.release(1)
	}
}

// Copy returns a copy of a large frame of ours, for a receiver with that pool.
func (p *Pool) Copy(frame []byte) []byte {
	if p.Recycles() {
		return pooled(frame, library)
	}
	return bytes.Clone(frame)
}
