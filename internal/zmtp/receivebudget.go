package zmtp

import (
	"slices"
	"sync"
	"sync/atomic"
)

// freeOctets is what each connection may hold of an arriving message without a share of the ReceiveBudget: enough that small messages cost
// nothing extra.
const freeOctets = 16 << 10

// The parts of a ReceiveBudget. All connections share a half, because the rest is for the one message that exceeds it. Connections without
// a greeting share an eighth.
const (
	commonPart    = 2
	newcomersPart = 8
)

// A ReceiveBudget bounds the memory of all partly received messages, over the connections that share it. Each connection has 16 KiB without
// it, and takes the rest from here, until its Receiver has the message. A connection that finds no room reads no more until there is some.
// Among those that wait, the one that would hold least is served first.
//
// All share a half of the budget. One message at a time may exceed it, so that messages which fill that half can be finished. Together they
// hold no more than this half, that one message, and an eighth of the largest message, which is there twice for a moment.
//
// Connections whose Greeter has no greeting yet share a separate budget, an eighth of this one beside it: what strangers send takes no room
// from peers.
type ReceiveBudget struct {
	peers, newcomers pool
}

// NewReceiveBudget returns a ReceiveBudget of that many octets.
func NewReceiveBudget(octets int64) *ReceiveBudget {
	return &ReceiveBudget{peers: pool{limit: octets / commonPart}, newcomers: pool{limit: octets / newcomersPart}}
}

// Held returns how many octets are held, and whether a connection waits for room.
func (b *ReceiveBudget) Held() (octets int64, waits bool) {
	return b.peers.used.Load() + b.newcomers.used.Load(), b.peers.hasWaiters() || b.newcomers.hasWaiters()
}

// A pool is room that connections share.
type pool struct {
	limit   int64
	used    atomic.Int64
	waiting atomic.Int32 // how many wait; changed under mu

	mu        sync.Mutex
	waiters   []*share // those that would hold least first; of equals, the one that came first
	exceeding *share   // the one that may exceed the limit
}

// A share is what one connection holds of a pool. Its fields belong to the connection's reader; while that waits, they belong to the holder
// of mu.
type share struct {
	pool    *pool
	held    int64
	wanted  int64
	granted chan struct{} // closed when wanted is granted
}

func (p *pool) hasWaiters() bool { return p.waiting.Load() > 0 }

// reserve takes n octets, if there is room.
func (p *pool) reserve(n int64) bool {
	for {
		used := p.used.Load()
		if used+n > p.limit {
			return false
		}
		if p.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// reserve takes n octets more, if there is room.
func (s *share) reserve(n int64) bool {
	if !s.pool.reserve(n) {
		return false
	}
	s.held += n
	return true
}

// await takes n octets more as soon as there is room. It returns false if stop is closed before.
func (s *share) await(n int64, stop <-chan struct{}) bool {
	p := s.pool
	p.mu.Lock()
	if p.exceeding == s {
		p.grant(s, n)
		p.mu.Unlock()
		return true
	}
	s.wanted, s.granted = n, make(chan struct{})
	at, _ := slices.BinarySearchFunc(p.waiters, s.held+n, func(w *share, total int64) int {
		if w.held+w.wanted <= total {
			return -1
		}
		return 1
	})
	p.waiters = slices.Insert(p.waiters, at, s)
	p.grantWaiters()
	p.mu.Unlock()
	select {
	case <-s.granted:
		return true
	case <-stop:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiters, s); i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
		p.waiting.Store(int32(len(p.waiters)))
	}
	return false
}

// release gives n octets back, or all if that is less.
func (s *share) release(n int64) {
	p := s.pool
	if n = min(n, s.held); n == 0 {
		return
	}
	s.held -= n
	if p.used.Add(-n) > p.limit-n || p.hasWaiters() { // else no connection waits, and no share exceeds the limit
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.exceeding == s && s.held == 0 {
			p.exceeding = nil
		}
		p.grantWaiters()
	}
}

// grant needs mu.
func (p *pool) grant(s *share, n int64) {
	p.used.Add(n)
	s.held += n
}

// grantWaiters gives room to those that wait, as far as there is some. It needs mu.
func (p *pool) grantWaiters() {
	p.waiting.Store(int32(len(p.waiters))) // before the check of used: a connection that gives room back checks waiting after that
	if p.exceeding != nil && p.used.Load() <= p.limit {
		p.exceeding = nil
	}
	left := p.waiters[:0]
	for _, w := range p.waiters {
		switch {
		case p.reserve(w.wanted):
			w.held += w.wanted
		case p.exceeding == nil:
			p.exceeding = w
			p.grant(w, w.wanted)
		default:
			left = append(left, w)
			continue
		}
		close(w.granted)
	}
	clear(p.waiters[len(left):])
	p.waiters = left
	p.waiting.Store(int32(len(left)))
}

// An account is what a reader holds for the arriving message.
type account struct {
	conn  *Conn // nil in tests of the reader alone
	size  int   // octets that it holds
	share share
}

// charge counts n octets more, and waits for room for them. It returns the error of a connection that was closed meanwhile.
func (r *reader) charge(n int) error {
	a := &r.account
	if a.size += n; int64(a.size) <= freeOctets+a.share.held {
		return nil
	}
	return r.reserveShare()
}

// reserveShare takes room for what is charged.
func (r *reader) reserveShare() error {
	a := &r.account
	if a.conn == nil || a.conn.budget == nil {
		return nil
	}
	if a.share.held == 0 {
		a.share.pool = a.conn.pool()
	}
	more := max(int64(a.size)-freeOctets-a.share.held, freeOctets)
	if a.share.reserve(more) {
		return nil
	}
	a.conn.waitsForRoom.Store(true)
	defer a.conn.waitsForRoom.Store(false)
	defer r.pace.restart()
	if !a.share.await(more, a.conn.done) {
		return a.conn.Err()
	}
	return nil
}

// release counts n octets less.
func (a *account) release(n int) {
	a.size -= n
	a.share.release(int64(n))
}

// close gives all room back, at the end of a message or of the connection.
func (a *account) close() {
	a.size = 0
	if a.share.held > 0 {
		a.share.release(a.share.held)
	}
}

// pool returns the pool that a connection shares.
func (c *Conn) pool() *pool {
	if _, isNew := c.receiver.(*greeting); isNew {
		return &c.budget.newcomers
	}
	return &c.budget.peers
}

// WaitsForRoom tells whether nothing is read from the peer because there is no room in the ReceiveBudget.
func (c *Conn) WaitsForRoom() bool { return c.waitsForRoom.Load() }
