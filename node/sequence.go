package node

import "sync/atomic"

// RFC 36 gives a sequence of two octets, "cyclic", that starts at 1 with HELLO. C zyre counts 65535, 0, 1; pyre and zyre.js
// take the remainder by 65535 and so go from 65534 to 0.
const (
	fullCycle  = 65536 // RFC 36, C zyre, gyre, and ours
	shortCycle = 65535 // pyre, zyre.js
)

// cycle is how a peer's numbers wrap, as far as its own have shown it: 0 until then.
type cycle struct{ length atomic.Uint32 }

// next gives the number to send to the peer after n.
func (c *cycle) next(n uint16) uint16 {
	length := c.length.Load()
	if length == 0 {
		length = fullCycle
	}
	return uint16((uint32(n) + 1) % length)
}

// follows says whether got is the right number after last from the peer, and learns its cycle where the two differ.
func (c *cycle) follows(last, got uint16) bool {
	if last != shortCycle-1 {
		return got == last+1
	}
	length := c.length.Load()
	switch {
	case got == shortCycle && length != shortCycle:
		c.length.Store(fullCycle)
	case got == 0 && length != fullCycle:
		c.length.Store(shortCycle)
	default:
		return false
	}
	return true
}
