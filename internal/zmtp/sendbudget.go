package zmtp

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-zre/go-zre/internal/memory"
)

// A SendBudget bounds the memory that many queues hold together. A queue may grow while it holds no more than what is free. So n queues
// that do not drain come to hold 1/(n+1) of it each, and as much is left for others. The queue that holds most waits first, a single one
// may have half of the budget, and there is always some room for one that holds little.
//
// Memory is what counts. The octets of small frames are in chunks, and whole chunks count. A large frame that is pushed to many queues
// counts once, as long as one of them holds it. The first chunk of each queue is free, so queues that hold little never wait for the
// others, and cost the SendBudget nothing: queues count themselves when a chunk comes or goes, not for each message.
//
// All methods may be called from any goroutine. They do not wait.
type SendBudget struct {
	limit int64
	used  atomic.Int64

	mu        sync.Mutex
	waiters   map[*Queue]int64 // queues that found no room, and how much must be free before they look again
	minWanted atomic.Int64     // the smallest of those; the largest number if there is none
}

// freeQueue is what each queue may hold without counting it.
const freeQueue = chunkSize

// NewSendBudget returns a budget of that many octets.
func NewSendBudget(octets int64) *SendBudget {
	b := &SendBudget{limit: octets, waiters: make(map[*Queue]int64)}
	b.minWanted.Store(math.MaxInt64)
	return b
}

// Add counts octets that are held from now on, or, if negative, no longer. It implements memory.Account.
func (b *SendBudget) Add(octets int64) {
	if used := b.used.Add(octets); octets < 0 && b.limit-used >= b.minWanted.Load() {
		b.wake()
	}
}

// Used returns how many octets are counted.
func (b *SendBudget) Used() int64 { return b.used.Load() }

// Affords tells whether a holder may come to hold that many octets. It does not count them.
func (b *SendBudget) Affords(octets int64) bool { return octets <= max(b.free(), freeQueue) }

func (b *SendBudget) free() int64 { return b.limit - b.used.Load() }

// addWaiter makes a queue announce room once that much is free. The caller holds the queue's lock.
func (b *SendBudget) addWaiter(q *Queue, octets int64) {
	octets = min(octets, b.limit)
	b.mu.Lock()
	b.waiters[q] = octets
	b.minWanted.Store(min(b.minWanted.Load(), octets))
	b.mu.Unlock()
	if b.free() >= octets { // freed meanwhile by a caller that did not see the waiter
		b.wake()
	}
}

// removeWaiter ends await. The caller holds the queue's lock.
func (b *SendBudget) removeWaiter(q *Queue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiters, q)
	b.updateMinWanted()
}

// updateMinWanted needs mu.
func (b *SendBudget) updateMinWanted() {
	least := int64(math.MaxInt64)
	for _, octets := range b.waiters {
		least = min(least, octets)
	}
	b.minWanted.Store(least)
}

// wake makes queues announce room if there is enough for them. The caller may hold the lock of any queue, so a goroutine does that.
func (b *SendBudget) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	var queues []*Queue
	for q, octets := range b.waiters {
		if octets <= b.free() {
			queues = append(queues, q)
			delete(b.waiters, q)
		}
	}
	if len(queues) == 0 {
		return
	}
	b.updateMinWanted()
	go func() {
		for _, q := range queues {
			q.mu.Lock()
			q.lacksBudget = false
			q.announce(&q.room)
			q.mu.Unlock()
		}
	}()
}

// hasLarge tells whether a message of that size has a large frame.
func hasLarge(size int64, frames [][]byte) bool {
	return size >= LargeFrame && slices.ContainsFunc(frames, func(f []byte) bool { return len(f) >= LargeFrame })
}

// SetBudget makes the queue keep within a budget too, from now on. Call it before anything is pushed.
func (q *Queue) SetBudget(b *SendBudget) { q.budget = b }

// LacksBudget tells whether the last Push that failed found room in the queue, but none in the budget.
func (q *Queue) LacksBudget() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lacksBudget
}

// affords tells whether the budget has room for a message of that size, of a lease if that is not nil, and for more octets. The caller
// holds the lock.
func (q *Queue) affords(size, moreOctets int64, lease *memory.Lease) bool {
	octets := q.octets + size
	switch {
	case q.budget == nil || octets <= freeQueue || moreOctets == countedOctets:
		return true
	case moreOctets > 0 && q.own.octets+size <= moreOctets: // the protocol's own: a slow peer must not be dropped for what others hold
		return true
	}
	free := q.budget.free()
	if lease != nil {
		free += lease.Counted() // it is held already
	}
	if octets <= max(free, freeQueue)+moreOctets || q.messages == 0 && free >= q.budget.limit {
		return true
	}
	q.lacksBudget = true
	q.budget.addWaiter(q, octets+q.octets/4) // so that it does not wake for each message
	return false
}

// newLease returns a lease for large frames that come without one, so that they are counted; nil if there are none, or there is no budget.
// The caller holds the lock.
func (q *Queue) newLease(size int64, frames [][]byte) *memory.Lease {
	if q.inproc || q.budget == nil || !hasLarge(size, frames) {
		return nil
	}
	lease := memory.NewLease()
	lease.Take(frames, true)
	lease.Leave()
	return lease
}

// updateBudget tells the budget what the queue holds beyond what is free. The caller holds the lock.
func (q *Queue) updateBudget() {
	if q.budget == nil {
		return
	}
	held := int64(q.batch.chunks) * chunkSize
	if q.inproc {
		held = q.octets
	}
	if held = max(held-freeQueue, 0); q.octets <= freeQueue {
		held = 0 // it may span two chunks, of which the writer has one
	}
	if change := held - q.counted; change >= chunkSize || change <= -chunkSize || held == 0 && change < 0 {
		q.counted = held
		q.budget.Add(change)
	}
}

// leaveBudget stops counting the queue, because it is closed. The caller holds the lock.
func (q *Queue) leaveBudget() {
	if q.budget == nil {
		return
	}
	q.budget.removeWaiter(q)
	q.lacksBudget = false
	if q.counted > 0 {
		q.budget.Add(-q.counted)
		q.counted = 0
	}
}
