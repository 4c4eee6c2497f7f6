package memory

import (
	"sync"
	"sync/atomic"
)

// A Lease holds the large frames of a message that is sent, until the last of the queues that it is pushed to has written them. What was
// pushed and is discarded instead is left to the garbage collector.
type Lease struct {
	holders atomic.Int32
	frames  [][]byte // of the message
	owned   [][]byte // those that are ours
}

var leases = sync.Pool{New: func() any { return new(Lease) }}

// NewLease returns a lease of a message, which the caller holds until Release. Large frames are copied, unless they are given: then they
// are ours already, with all of their capacity.
func NewLease(frames [][]byte, given bool) *Lease {
	l := leases.Get().(*Lease)
	l.holders.Store(1)
	for _, frame := range frames {
		if len(frame) >= Large {
			if !given {
				frame = pooled(frame)
			}
			l.owned = append(l.owned, frame)
		}
		l.frames = append(l.frames, frame)
	}
	return l
}

// Frames returns the message: large frames are the lease's, the others as they were given. The list is the lease's.
func (l *Lease) Frames() [][]byte { return l.frames }

// Hold holds the lease once more.
func (l *Lease) Hold() { l.holders.Add(1) }

// Release ends a hold. With the last one the memory is used for other messages.
func (l *Lease) Release() {
	if l.holders.Add(-1) > 0 {
		return
	}
	for _, m := range l.owned {
		giveBack(m)
	}
	clear(l.frames)
	clear(l.owned)
	l.frames, l.owned = l.frames[:0], l.owned[:0]
	leases.Put(l)
}
