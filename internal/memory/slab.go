package memory

import "sync/atomic"

// A Slab is memory that the frames of many messages are cut from, and the lists of frames. It is used again when each of these
// messages was given back; if one is not, the garbage collector takes it.
type Slab struct {
	// held is how many of its messages are not given back. Until there is no more to come their number is not counted, so that
	// it is negative.
	held   atomic.Int64
	octets []byte
	lists  [][]byte
}

const (
	slabOctets = 32 << 10
	slabLists  = 512

	// Of one that is used once: an eighth of the time of a receiver of 1 KiB is saved by four of 10 KiB in one span of the runtime's,
	// where each of 8 KiB has one of its own.
	onceOctets, onceLists = 10 << 10, 64
	idleOctets, idleLists = 512, 16
)

var slabs = &shelf[*Slab]{octets: slabOctets + slabLists*24}

// recycling is whether the application has given a message back, so that it may do so again.
var recycling atomic.Bool

// Recycle gives back a message that was received: its list of frames, and the slab that the Cutter told. Nothing of it may be used any
// more. Large frames are set to nil in the list.
func Recycle(frames [][]byte, s *Slab) {
	for i, frame := range frames {
		if cap(frame) >= Large {
			giveBack(frame)
			frames[i] = nil
		}
	}
	if !recycling.Load() {
		recycling.Store(true)
	}
	if s != nil {
		s.count(-1)
	}
}

// count adds to the messages that are held.
func (s *Slab) count(n int64) {
	if s.held.Add(n) == 0 {
		slabs.put(s)
	}
}

// A Cutter cuts messages from memory of their own: slabs, where the application gives messages back, or what is used once. The
// zero value is ready. It belongs to one goroutine, or to who holds its owner's lock.
type Cutter struct {
	Busy bool // much comes: memory may be taken in larger pieces
	Once bool // no slabs: its memory is used once

	slab   *Slab // nil if what follows is used once
	cut    int64 // messages of it
	torn   bool  // the message that is being made has frames in another slab too
	octets []byte
	used   int // how many of the octets are cut
	lists  [][]byte
	open   int // length of the list that is being made
}

// Octets returns n octets for a frame, which hold anything. A short one's capacity is n, so that an append cannot reach a neighbour.
func (c *Cutter) Octets(n int) []byte {
	if !c.fits(n) {
		return Own(n)
	}
	return c.take(n)
}

// Copy returns a copy of a frame, as Octets gives it.
func (c *Cutter) Copy(frame []byte) []byte {
	if !c.fits(len(frame)) {
		return Clone(frame)
	}
	m := c.take(len(frame))
	copy(m, frame)
	return m
}

// take cuts off n octets, which fit.
func (c *Cutter) take(n int) []byte {
	c.used += n
	return c.octets[c.used-n : c.used : c.used]
}

// fits tells whether there are n octets to be cut off, now if there were none before. Memory of which a frame takes much would mostly
// waste its rest, and a frame that Recycle takes for one by itself must be one.
func (c *Cutter) fits(n int) bool {
	return n <= slabOctets/4 && (n <= len(c.octets)-c.used || c.renew(n))
}

// renew takes other memory to cut n octets from, if they are little of it.
func (c *Cutter) renew(n int) bool {
	if c.again() {
		c.next(nil)
		return true
	}
	size := idleOctets
	if c.Busy {
		size = onceOctets
	}
	if n > size/4 {
		return false
	}
	c.leave()
	c.octets, c.used = make([]byte, size), 0
	return true
}

// again tells whether the next memory is to be a slab.
func (c *Cutter) again() bool { return c.Busy && !c.Once && recycling.Load() }

// Add appends a frame to the message that is being made.
func (c *Cutter) Add(frame []byte) {
	switch {
	case c.open < len(c.lists):
	case c.again() && c.open <= slabLists/2:
		frame = c.next(frame)
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

// Open returns how many frames the message has that is being made.
func (c *Cutter) Open() int { return c.open }

// First returns the first frame of the message that is being made, which has one.
func (c *Cutter) First() []byte { return c.lists[0] }

// Message returns the frames added since it was last called, which are the caller's, and what Recycle wants to know of them.
func (c *Cutter) Message() ([][]byte, *Slab) {
	frames := c.lists[:c.open:c.open]
	c.lists = c.lists[c.open:]
	c.open = 0
	s := c.slab
	if s != nil {
		c.cut++
	}
	if c.torn { // so that none of its slabs is used again
		c.torn, s = false, nil
	}
	if c.slab == nil && len(frames) > onceLists {
		c.lists = nil // the rest of such a list is more than an idle connection should hold
	}
	return frames, s
}

// next goes on with another slab. What there is of the message that is being made moves there, and a frame that is to be added; if it
// is much it stays, and that message is not used again.
func (c *Cutter) next(added []byte) []byte {
	old, cut, open := c.slab, c.cut, c.lists[:c.open]
	s, ok := slabs.get()
	if !ok {
		s = &Slab{octets: make([]byte, slabOctets), lists: make([][]byte, slabLists)}
	}
	c.slab, c.cut, c.octets, c.used, c.lists = s, 0, s.octets, 0, s.lists
	if len(open) > slabLists/2 {
		c.lists = make([][]byte, 2*len(open))
	}
	copy(c.lists, open)
	if old == nil {
		return added
	}
	size := 0
	move := func(frame []byte) []byte {
		if len(frame) > slabOctets/4 { // has memory of its own
			return frame
		}
		if size += len(frame); size > slabOctets/4 {
			c.torn = true
			return frame
		}
		return c.Copy(frame)
	}
	for i, frame := range open {
		c.lists[i] = move(frame)
	}
	added = move(added)
	if c.torn {
		cut++
	}
	old.count(cut) // the last that is done with it: somebody else may get it now
	return added
}

// leave goes on without the slab, which is not used again: a frame may be cut from it that is not added yet.
func (c *Cutter) leave() { c.slab, c.cut = nil, 0 }

// Shrink lets go of what it holds for busy times.
func (c *Cutter) Shrink() {
	c.leave()
	c.Busy, c.octets, c.used = false, nil, 0
	c.lists = append([][]byte(nil), c.lists[:c.open]...)
}

// Held returns what it holds for frames and messages to come: octets, and places in lists.
func (c *Cutter) Held() (octets, places int) { return len(c.octets) - c.used, len(c.lists) - c.open }
