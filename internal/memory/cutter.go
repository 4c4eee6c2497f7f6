package memory

import (
	"bytes"
	"math/rand/v2"
)

// FrameOverhead is the overhead of a frame, in bytes: its entry in a list.
const FrameOverhead = 24

// A Cutter cuts messages from memory of its own: slabs, if the application gives messages back, or memory that is used once. The zero value
// is ready. It belongs to one goroutine, or to the holder of its owner's lock.
type Cutter struct {
	Pool *Pool // of the receiver of the messages
	Busy bool  // much traffic: memory may be taken in larger pieces
	Once bool  // no slabs: its memory is used once, and Message is not used

	slab    *Slab // nil if what follows is used once
	life    uint32
	cut     uint32 // messages cut from the slab
	isSplit bool   // the current message has frames in another slab too
	chunk   []byte // what frames are cut from
	used    int    // how many bytes of chunk are cut
	lists   [][]byte
	open    int // length of the list of the current message

	message uint32 // marks the large frames of the current message; 0 if there was none yet
	marked  bool   // the current message has some
	long    bool   // since memory was last taken there was a message with frames longer than shortFrame, or with more than fewFrames
}

// Frame returns n bytes for a frame, with arbitrary content. A short frame's capacity is n, so that an append cannot reach a neighbour.
// The result is not nil, even if n is 0.
func (c *Cutter) Frame(n int) []byte {
	switch {
	case n == 0:
		return []byte{}
	case c.fits(n):
		return c.take(n)
	case isPooled(n) && c.Pool.Recycles():
		return newPiece(n, c.mark())
	}
	return make([]byte, n) // exactly as long as the frame: it is never given back
}

// Copy returns a copy of a frame, in memory like that of Octets.
func (c *Cutter) Copy(frame []byte) []byte {
	n := len(frame)
	switch {
	case n == 0:
		return []byte{}
	case c.fits(n):
		m := c.take(n)
		copy(m, frame)
		return m
	case isPooled(n) && c.Pool.Recycles():
		return pooled(frame, c.mark())
	}
	return bytes.Clone(frame) // which does not clear the memory first
}

// Adopt adds a large frame that is ours to the current message.
func (c *Cutter) Adopt(frame []byte) []byte {
	if o := ownerOf(frame); o != nil {
		o.Store(uint64(c.mark()))
	}
	return frame
}

// mark returns the owner of the current message's large frames.
func (c *Cutter) mark() owner {
	if c.Once {
		return ownedWith(0)
	}
	if c.message == 0 {
		c.message = 1 + rand.Uint32N(1<<32-1) // other cutters that get the same memory count from elsewhere
	}
	c.marked = true
	return ownedWith(c.message)
}

// take cuts off n bytes, which fit.
func (c *Cutter) take(n int) []byte {
	c.used += n
	return c.chunk[c.used-n : c.used : c.used]
}

// fits tells whether n bytes can be cut off; it takes new memory if they could not before. A frame that takes much of the memory would
// mostly waste its rest, and a frame that Recycle takes for a piece of its own must be one.
func (c *Cutter) fits(n int) bool {
	if n > shortFrame {
		c.long = true
	}
	return n <= maxCutFrame && (n <= len(c.chunk)-c.used || c.renew(n))
}

// renew takes new memory from which to cut n bytes, if they are a small part of it.
func (c *Cutter) renew(n int) bool {
	if c.usesSlabs() {
		c.nextSlab(nil)
		c.long = n > shortFrame
		return true
	}
	size := idleBytes
	switch {
	case c.Busy && c.long:
		size = onceBytes
	case c.Busy:
		size = shortOnceBytes
	}
	if n > size/4 {
		return false
	}
	c.dropSlab()
	c.chunk, c.used, c.long = make([]byte, size), 0, n > shortFrame
	return true
}

// usesSlabs tells whether the next memory should be a slab.
func (c *Cutter) usesSlabs() bool { return c.Busy && !c.Once && c.Pool.Recycles() }

// Add appends a frame to the current message.
func (c *Cutter) Add(frame []byte) {
	switch {
	case c.open < len(c.lists):
	case c.usesSlabs() && c.open <= shortSlabLists/2:
		frame = c.nextSlab(frame)
	default:
		size := idleLists
		if c.Busy {
			size = onceLists
		}
		lists := make([][]byte, max(size, 2*c.open))
		copy(lists, c.lists)
		c.lists = lists
	}
	c.lists[c.open] = frame
	c.open++
}

// Open returns how many frames the current message has.
func (c *Cutter) Open() int { return c.open }

// First returns the first frame of the current message, which must have one.
func (c *Cutter) First() []byte { return c.lists[0] }

// Message returns the frames added since the last call, which the caller owns, and what Recycle needs to know about them.
func (c *Cutter) Message() ([][]byte, Origin) {
	frames := c.lists[:c.open:c.open]
	c.lists = c.lists[c.open:]
	c.long = c.long || c.open > fewFrames
	c.open = 0
	from := c.Pool.Once()
	if c.slab != nil {
		c.cut++
		if !c.isSplit { // else none of its slabs is used again
			from.slab, from.life = c.slab, c.life
		}
	}
	c.isSplit = false
	from.message = c.message
	if c.marked {
		c.marked = false
		c.message = max(c.message+1, 1)
	}
	if c.slab == nil && len(frames) > onceLists {
		c.lists = nil // the rest of such a list is more than an idle connection should hold
	}
	return frames, from
}

// nextSlab continues with another slab. The frames of the current message move there, and the frame to be added. Those that are too long stay,
// and then that message is not used again.
func (c *Cutter) nextSlab(added []byte) []byte {
	old, cut, open := c.slab, c.cut, c.lists[:c.open]
	s := getSlab(c.long || c.open > fewFrames)
	c.slab, c.life, c.cut, c.chunk, c.used, c.lists, c.long = s, s.life(), 0, s.bytes, 0, s.lists, false
	if len(open) > len(s.lists)/2 {
		c.lists = make([][]byte, 2*len(open))
	}
	copy(c.lists, open)
	if old == nil {
		return added
	}
	size := 0
	move := func(frame []byte) []byte {
		if len(frame) > maxCutFrame { // it has memory of its own
			return frame
		}
		if size += len(frame); size > len(s.bytes)/4 {
			c.isSplit = true
			return frame
		}
		return c.Copy(frame)
	}
	for i, frame := range open {
		c.lists[i] = move(frame)
	}
	added = move(added)
	if c.isSplit {
		cut++
	}
	old.release(unknownHolds - cut) // the last use of it here: another cutter may get it now
	return added
}

// dropSlab stops using the slab, which is not reused: a frame may be cut from it that is not added yet.
func (c *Cutter) dropSlab() { c.slab, c.cut = nil, 0 }

// Shrink releases the memory held for busy times.
func (c *Cutter) Shrink() {
	c.dropSlab()
	c.Busy, c.chunk, c.used = false, nil, 0
	c.lists = append([][]byte(nil), c.lists[:c.open]...)
}

// Held returns what the Cutter holds for future frames and messages: bytes, and entries in lists.
func (c *Cutter) Held() (octets, places int) { return len(c.chunk) - c.used, len(c.lists) - c.open }
