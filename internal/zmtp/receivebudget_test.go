package zmtp

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Among waiting shares the one that holds least is served first, one may exceed the limit, and one that gives up gets nothing.
func TestPoolOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{limit: 100}
		shareOf := func(held int64) *share {
			s := &share{pool: p}
			if held > 0 && !s.reserve(held) {
				t.Fatalf("no room for %d", held)
			}
			return s
		}
		much, some, little := shareOf(50), shareOf(30), shareOf(20)
		var order []string
		var mu sync.Mutex
		await := func(name string, s *share, n int64, stop chan struct{}) {
			go func() {
				got := s.await(n, stop)
				mu.Lock()
				defer mu.Unlock()
				if !got {
					name += " gave up"
				}
				order = append(order, name)
			}()
			synctest.Wait()
		}
		expect := func(used int64, want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := p.used.Load(); got != used || !slices.Equal(order, want) {
				t.Fatalf("%d bytes are used, served: %q; want %d, %q", got, order, used, want)
			}
		}
		stop := make(chan struct{})
		await("exceeding", shareOf(0), 500, stop) // the limit is reached, so it may go beyond
		expect(600, "exceeding")
		await("much", much, 20, stop)
		await("none", shareOf(0), 20, stop)
		await("some", some, 20, stop)
		gone := make(chan struct{})
		await("gone", shareOf(0), 20, gone)
		expect(600, "exceeding")
		close(gone)
		expect(600, "exceeding", "gone gave up")
		p.exceeding.release(500) // the next one to exceed the limit is the share that holds least
		expect(120, "exceeding", "gone gave up", "none")
		little.release(20) // room up to the limit, and no share exceeds it any more
		expect(120, "exceeding", "gone gave up", "none", "some")
		some.release(50)
		expect(90, "exceeding", "gone gave up", "none", "some", "much")
		if waits := p.hasWaiters(); waits || len(p.waiters) > 0 {
			t.Errorf("waits: %v, %d", waits, len(p.waiters))
		}
	})
}

// Under concurrent use, no more is used than the limit and the one share that may exceed it, all get what they want, and nothing stays.
func TestPoolStress(t *testing.T) {
	const limit, largest = 1000, 700
	p := &pool{limit: limit}
	var worst atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			s := &share{pool: p}
			for range 2000 {
				for want := 1 + rand.Int64N(largest); s.held < want; {
					n := min(1+rand.Int64N(300), want-s.held)
					if !s.reserve(n) && !s.await(n, stop) {
						t.Error("stopped")
					}
					for used := p.used.Load(); used > worst.Load(); {
						worst.Store(used)
					}
				}
				s.release(rand.Int64N(s.held + 1))
				s.release(s.held)
			}
		})
	}
	all.Wait()
	if p.used.Load() != 0 || len(p.waiters) > 0 || p.hasWaiters() {
		t.Errorf("%d bytes, %d waiters are left", p.used.Load(), len(p.waiters))
	}
	if worst.Load() > limit+largest {
		t.Errorf("%d bytes were used", worst.Load())
	}
}

// halfMessages is a Router whose connections share a budget, with peers that have each sent all of a message but its last octet.
type halfMessages struct {
	t      *testing.T
	l      *memListener
	in     *inbox
	budget *ReceiveBudget
	size   int
	peers  []*memConn
	wrote  []atomic.Int64
}

func newHalfMessages(t *testing.T, budget int64, size, count int) *halfMessages {
	h := &halfMessages{t: t, l: newMemListener(), in: newInbox(), budget: NewReceiveBudget(budget), size: size, wrote: make([]atomic.Int64, count)}
	serve(t, NewRouter(Config{ReceiveBudget: h.budget, StallTimeout: time.Minute}, h.in.accept), h.l)
	for i := range count {
		nc := h.l.dial()
		t.Cleanup(func() { nc.Close() })
		nc.Write(hello("DEALER", string(rune('a'+i))))
		h.peers = append(h.peers, nc)
		octets := message(strings.Repeat("x", size))
		go func() {
			for octets := octets[:len(octets)-1]; len(octets) > 0; {
				n, err := nc.Write(octets[:min(len(octets), 32<<10)])
				if octets = octets[n:]; err != nil {
					return
				}
				h.wrote[i].Add(int64(n))
			}
		}()
		synctest.Wait()
	}
	return h
}

// Half messages hold no more than half of the budget and one message; that one can be finished, and then the next.
func TestBudgetOfHalfMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, size, count = 4 << 20, 1 << 20, 12
		h := newHalfMessages(t, commonPart*limit, size, count)
		for left := count; left > 0; left-- {
			held, waits := h.budget.Held()
			if held > limit+size*9/8 || waits != (left > limit/size+1) {
				t.Errorf("%d left: %d bytes are held, waits: %v", left, held, waits)
			}
			var done *atomic.Int64
			for i := range h.wrote { // one of which all but the last octet is there
				if h.wrote[i].Load() >= size-(64<<10) {
					done = &h.wrote[i]
					h.peers[i].Write([]byte("x"))
					break
				}
			}
			if done == nil {
				t.Fatalf("%d left, and none of them can be finished", left)
			}
			done.Store(-1 << 40)
			synctest.Wait()
		}
		for range count {
			if got := len((<-h.in.conns).next(t)[0]); got != size {
				t.Errorf("a message of %d bytes", got)
			}
		}
		if held, waits := h.budget.Held(); held != 0 || waits {
			t.Errorf("%d bytes are held, waits: %v", held, waits)
		}
	})
}

// Small messages need no room when there is none.
func TestSmallMessagesBesideHalfOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHalfMessages(t, 1<<20, 1<<20, 4)
		for range 4 {
			<-h.in.conns
		}
		c, _ := dialMem(t, h.l, Config{Identity: []byte("small")})
		recv := <-h.in.conns
		for range 3 {
			if err := c.Queue().Push(make([]byte, 15<<10)); err != nil {
				t.Fatal(err)
			}
			recv.next(t)
		}
	})
}

// A connection that waits for room ends when it is closed, and leaves nothing behind.
func TestCloseWhileWaitingForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHalfMessages(t, commonPart<<20, 1<<20, 4)
		waiting := 0
		var all []*recorder
		for range 4 {
			recv := <-h.in.conns
			if all = append(all, recv); recv.conn.WaitsForRoom() {
				waiting++
			}
		}
		for _, recv := range all {
			recv.conn.Close(errTest)
			if err := recv.end(t); err != errTest {
				t.Errorf("the connection ended with %v, want the error of Close", err)
			}
		}
		synctest.Wait()
		if held, waits := h.budget.Held(); held != 0 || waits || waiting != 2 {
			t.Errorf("%d waited; %d bytes are held, waits: %v", waiting, held, waits)
		}
	})
}

// A message of the largest size gets through a budget of that size.
func TestLargestMessageWithinBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 4 << 20
		l, in := newMemListener(), newInbox()
		serve(t, NewRouter(Config{ReceiveBudget: NewReceiveBudget(size), Limits: Limits{MessageSize: size}}, in.accept), l)
		nc := l.dial()
		defer nc.Close()
		nc.Write(hello("DEALER", "x"))
		for _, frames := range [][]string{{strings.Repeat("a", size)}, slices.Repeat([]string{strings.Repeat("b", size/64)}, 64), make([]string, 1024)} {
			nc.Write(message(frames...))
		}
		recv := <-in.conns
		for _, want := range []int{1, 64, 1024} {
			if got := len(recv.next(t)); got != want {
				t.Errorf("%d frames, want %d", got, want)
			}
		}
	})
}
