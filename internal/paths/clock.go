package paths

import "sync/atomic"

// A Clock counts the ticks of a node's control loop. All Sets of a node share one.
type Clock struct {
	now   atomic.Uint32 // in ticks, from 1; the control loop advances it, any goroutine reads it
	fresh uint32        // a path is fresh for that many ticks after the peer was shown there
}

// NewClock makes a clock by which a path is fresh for that many ticks after the peer was shown there.
func NewClock(fresh int) *Clock {
	c := &Clock{fresh: uint32(fresh)}
	c.now.Store(1)
	return c
}

// Advance counts a tick.
func (c *Clock) Advance() { c.now.Add(1) }

// Now returns the current tick.
func (c *Clock) Now() uint32 { return c.now.Load() }

// isFresh tells whether a tick is recent enough.
func (c *Clock) isFresh(shown uint32) bool { return shown != 0 && c.now.Load()-shown <= c.fresh }
