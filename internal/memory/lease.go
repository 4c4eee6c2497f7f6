package memory

import (
	"sync"
	"sync/atomic"
)

// A Lease holds the large frames of a message that is sent, until the last of the queues that it is pushed to has written them. What was
// pushed and is discarded instead is left to the garbage collector, see Leave. Its methods may be called from any goroutine, while it is held.
type Lease struct {
	holders atomic.Int32

	mu     sync.Mutex // guards what follows, to the empty line
	taken  bool
	frames [][]byte // of the message
	owned  [][]byte // those that are pieces
	octets int64    // of memory, of the large frames

	counted atomic.Bool // in account
	account Account
	isLeft  atomic.Bool // somebody has the frames who does not hold the lease
}

// An Account counts octets of memory.
type Account interface {
	Add(octets int64)
}

var leases = sync.Pool{New: func() any { return new(Lease) }}

// NewLease returns a lease of nothing, which the caller holds until Release.
func NewLease() *Lease {
	l := leases.Get().(*Lease)
	l.holders.Store(1)
	return l
}

// Take has the lease hold a message, the first time. It returns the message: large frames are the lease's, the others as they were passed. Large
// ones are copied, unless they were claimed: then they are ours already. The list is the lease's.
func (l *Lease) Take(frames [][]byte, claimed bool) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken {
		return l.frames
	}
	l.taken = true
	for _, frame := range frames {
		if len(frame) >= Large {
			if !claimed {
				frame = pooled(frame, library)
			}
			if o := ownerOf(frame); o != nil {
				o.Store(uint64(library)) // also after an attempt to hand it over
				l.owned = append(l.owned, frame)
			}
			l.octets += int64(cap(frame))
		}
		l.frames = append(l.frames, frame)
	}
	return l.frames
}

// Hold holds the lease once more.
func (l *Lease) Hold() { l.holders.Add(1) }

// Count has an account count the memory until the lease is released, if none does yet. The caller holds the lease, which has taken its message.
func (l *Lease) Count(in Account) {
	if !l.counted.Load() && l.counted.CompareAndSwap(false, true) {
		l.account = in
		in.Add(l.octets)
	}
}

// Counted returns how many octets an account counts; 0 if none does yet. The caller holds the lease.
func (l *Lease) Counted() int64 {
	if l.counted.Load() {
		return l.octets
	}
	return 0
}

// Leave has the memory left to the garbage collector when the lease is released, since the frames may be in use then. The caller holds the
// lease.
func (l *Lease) Leave() { l.isLeft.Store(true) }

// Release ends a hold. With the last one the memory is used for other messages.
func (l *Lease) Release() {
	switch left := l.holders.Add(-1); {
	case left > 0:
		return
	case left < 0:
		panic("memory: a lease is released that nobody holds")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counted.Load() {
		l.account.Add(-l.octets)
	}
	if l.isLeft.Load() {
		return
	}
	l.octets, l.account = 0, nil
	l.counted.Store(false)
	for _, m := range l.owned {
		giveBack(m, library)
	}
	clear(l.frames)
	clear(l.owned)
	l.frames, l.owned, l.taken = l.frames[:0], l.owned[:0], false
	leases.Put(l)
}
