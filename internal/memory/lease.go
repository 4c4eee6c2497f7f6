package memory

import (
	"sync"
	"sync/atomic"
)

// A Lease holds the large frames of a sent message until the last of the queues that it is pushed to has written them. Frames that are
// pushed but discarded are left to the garbage collector, see Leave. Its methods may be called from any goroutine, while the lease is held.
type Lease struct {
	holders atomic.Int32

	mu     sync.Mutex // guards what follows, to the empty line
	taken  bool
	frames [][]byte // of the message
	owned  [][]byte // those that are pieces
	bytes  int64    // memory of the large frames

	counted atomic.Bool // in account
	account Account
	isLeft  atomic.Bool // the frames are also used without holding the lease
}

// An Account counts bytes of memory.
type Account interface {
	Add(octets int64)
}

var leases = sync.Pool{New: func() any { return new(Lease) }}

// NewLease returns an empty lease, which the caller holds until Release.
func NewLease() *Lease {
	l := leases.Get().(*Lease)
	l.holders.Store(1)
	return l
}

// Take moves a message to the lease, the first time. It returns the message: the lease owns the large frames, the others are unchanged.
// Large frames are copied, unless they were claimed: then they are ours already. The lease owns the list.
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
			l.bytes += int64(cap(frame))
		}
		l.frames = append(l.frames, frame)
	}
	return l.frames
}

// Hold adds a hold.
func (l *Lease) Hold() { l.holders.Add(1) }

// Count makes an account count the memory until the lease is released, unless one does already. The caller holds the lease, which has taken
// its message.
func (l *Lease) Count(in Account) {
	if !l.counted.Load() && l.counted.CompareAndSwap(false, true) {
		l.account = in
		in.Add(l.bytes)
	}
}

// Counted returns how many bytes an account counts; 0 if none does yet. The caller holds the lease.
func (l *Lease) Counted() int64 {
	if l.counted.Load() {
		return l.bytes
	}
	return 0
}

// Leave leaves the memory to the garbage collector when the lease is released, because the frames may still be in use then. The caller
// holds the lease.
func (l *Lease) Leave() { l.isLeft.Store(true) }

// Release ends a hold. After the last one the memory is reused for other messages.
func (l *Lease) Release() {
	switch left := l.holders.Add(-1); {
	case left > 0:
		return
	case left < 0:
		panic("memory: a lease is released that has no holder")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counted.Load() {
		l.account.Add(-l.bytes)
	}
	if l.isLeft.Load() {
		return
	}
	l.bytes, l.account = 0, nil
	l.counted.Store(false)
	for _, m := range l.owned {
		giveBack(m, library)
	}
	clear(l.frames)
	clear(l.owned)
	l.frames, l.owned, l.taken = l.frames[:0], l.owned[:0], false
	leases.Put(l)
}
