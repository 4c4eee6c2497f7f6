package outbox

import "sync/atomic"

// RFC 36 gives a sequence of two octets, "cyclic", that starts at 1 with HELLO. C zyre counts 65535, 0, 1; pyre and zyre.js take the
// remainder by 65535 and go from 65534 to 0.
const (
	fullCycle  = 65536 // RFC 36, C zyre, gyre, and ours
	shortCycle = 65535 // pyre, zyre.js
)

// cycle is how a peer's numbers wrap; 0 means unknown.
type cycle struct {
	learned atomic.Uint32 // from its own numbers
	guess   uint32        // from how it treated ours (see wrap); guarded by the outbox's mu
}

// isUnknown needs mu.
func (c *cycle) isUnknown() bool { return c.learned.Load() == 0 && c.guess == 0 }

// next returns the number to send to the peer after n. It needs mu.
func (c *cycle) next(n uint16) uint16 {
	if n == shortCycle-1 && c.length() == shortCycle {
		return 0
	}
	return n + 1
}

// length returns how many numbers the peer counts, as far as we know. It needs mu.
func (c *cycle) length() uint32 {
	if length := c.learned.Load(); length != 0 {
		return length
	}
	if c.guess == shortCycle {
		return shortCycle
	}
	return fullCycle
}

// follows tells whether got is the right number after last from the peer, and learns its cycle where the two differ.
func (c *cycle) follows(last, got uint16) bool {
	if last != shortCycle-1 {
		return got == last+1
	}
	length := c.learned.Load()
	switch {
	case got == shortCycle && length != shortCycle:
		c.learned.Store(fullCycle)
	case got == 0 && length != fullCycle:
		c.learned.Store(shortCycle)
	default:
		return false
	}
	return true
}

// Follows tells whether got is the right number after last in what the peer sends. It learns from that how the peer counts, and so how to
// number what we send to it. It takes no lock.
func (o *Outbox) Follows(last, got uint16) bool { return o.cycle.follows(last, got) }

// UseFullCycle notes that the peer's sequence wraps after 65535, as RFC 36 has it.
func (o *Outbox) UseFullCycle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cycle.guess = fullCycle
}

// Sequence returns the number of the last message that was sent.
func (o *Outbox) Sequence() uint16 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sequence
}

// Skip makes the outbox continue as if messages up to this number had been sent. It is for tests of the wrap.
func (o *Outbox) Skip(to uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sequence = to
}
