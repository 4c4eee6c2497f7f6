package zmtp

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/go-zre/go-zre/internal/memory"
)

// sharing returns queues that share one budget.
func sharing(b *SendBudget, count int) []*Queue {
	queues := make([]*Queue, count)
	for i := range queues {
		queues[i] = NewQueue(1<<30, 64<<20)
		queues[i].SetBudget(b)
	}
	return queues
}

// fill pushes messages of one frame to each queue in turn until none has room, and returns how many octets each took.
func fill(t *testing.T, queues []*Queue, size int) (octets []int64) {
	t.Helper()
	octets = make([]int64, len(queues))
	for full := 0; full < len(queues); {
		full = 0
		for i, q := range queues {
			switch err := q.Push(make([]byte, size)); {
			case errors.Is(err, ErrFull):
				full++
			case err != nil:
				t.Fatal(err)
			}
			_, octets[i] = q.Depth()
		}
	}
	return octets
}

// takeAll writes a queue out as a writer does, up to an end after some octets, and returns how many that were.
func takeAll(t *testing.T, q *Queue, most int64) (octets int64) {
	t.Helper()
	for octets < most {
		all, err := q.take(nil)
		if err != nil {
			t.Error(err)
		}
		if all == nil {
			break
		}
		messages, size := 0, int64(0)
		for _, s := range all {
			messages += s.messages
			size += int64(len(s.data))
		}
		q.noteWrittenParts(messages, size, amount{}, recycle(all))
		octets += size
	}
	return octets
}

// Each of n queues that do not drain gets 1/(n+1), and as much is left.
func TestBudgetIsFair(t *testing.T) {
	const budget = 4 << 20
	for _, size := range []int{100, 3_000, 20_000, 100_000} {
		for _, count := range []int{1, 2, 5, 20} {
			t.Run(fmt.Sprintf("%d of %d", count, size), func(t *testing.T) {
				b := NewSendBudget(budget)
				queues := sharing(b, count)
				part := int64(budget / (count + 1))
				for i, octets := range fill(t, queues, size) {
					if octets > part+freeQueue+int64(size) || octets < part-2*int64(size)-part/5-freeOctets {
						t.Errorf("queue %d holds %d bytes, want some %d", i, octets, part)
					}
				}
				if used := b.Used(); used > budget {
					t.Errorf("%d bytes are counted, the budget is %d", used, budget)
				}
				if part > 2*int64(size) {
					another := sharing(b, 1)[0]
					if err := another.Push(make([]byte, size)); err != nil {
						t.Errorf("another one: %v", err)
					}
					another.Close(nil)
				}
				if err := queues[0].PushControl([]byte("control")); err != nil {
					t.Errorf("a control message: %v", err)
				}
				if !queues[0].LacksBudget() {
					t.Error("it does not tell that the budget is the reason")
				}
				for i, q := range queues {
					if i%2 == 0 {
						takeAll(t, q, budget)
					}
					q.Close(nil)
				}
				if used := b.Used(); used != 0 {
					t.Errorf("%d bytes are counted when all is written or discarded", used)
				}
			})
		}
	}
}

// A queue always has room for a chunk, and a message that the budget could never hold goes out when nothing else is there.
func TestBudgetHasLeastRoom(t *testing.T) {
	b := NewSendBudget(1 << 20)
	queues := sharing(b, 2)
	for _, q := range queues {
		if err := q.Push(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	b.Add(1 << 30) // another holder has more than there is
	for _, q := range queues {
		if err := q.Push(make([]byte, freeQueue/2)); err != nil {
			t.Error(err)
		}
		if err := q.Push(make([]byte, freeQueue/2)); !errors.Is(err, ErrFull) {
			t.Errorf("beyond a chunk: %v", err)
		}
	}
	b.Add(-1 << 30)
	for _, q := range sharing(b, 1) {
		if err := q.Push(make([]byte, 2<<20)); err != nil {
			t.Errorf("a message over the budget, of which nothing is used: %v", err)
		}
	}
}

// A large frame counts once, however many queues hold it, until the last of them has written or discarded it.
func TestBudgetOfSharedFrames(t *testing.T) {
	const size, count = 1 << 20, 10
	b := NewSendBudget(2 * size)
	queues := sharing(b, count)
	lease := memory.NewLease()
	frames := lease.Take([][]byte{[]byte("header"), make([]byte, size)}, false)
	for i, q := range queues {
		if err := q.PushLeased(lease, frames...); err != nil {
			t.Fatalf("queue %d: %v", i, err)
		}
	}
	lease.Release()
	if used := b.Used(); used < size || used > size+size/4 {
		t.Errorf("%d bytes are counted, want some %d", used, size)
	}
	for i, q := range queues {
		if i%2 == 0 {
			takeAll(t, q, size)
		} else {
			q.Close(nil)
		}
		if used := b.Used(); (used == 0) != (i == count-1) {
			t.Errorf("%d bytes are counted after %d of %d", used, i+1, count)
		}
	}
}

// A queue that holds more than is free, because others came after it, still takes control messages: its peer may be slow but healthy.
func TestBudgetHasRoomForControl(t *testing.T) {
	b := NewSendBudget(64 << 20)
	queues := sharing(b, 6)
	for i := range queues {
		fill(t, queues[i:i+1], 10_000)
	}
	for i, q := range queues {
		for range controlMessages / 2 {
			if err := q.PushControl([]byte("control")); err != nil {
				t.Fatalf("queue %d: %v", i, err)
			}
			if _, _, err := q.PushAhead(Numbers{At: 0, Cycle: 65536}, []byte("ahead")); err != nil {
				t.Fatalf("queue %d: %v", i, err)
			}
		}
		if err := q.Push(make([]byte, 10_000)); !errors.Is(err, ErrFull) {
			t.Errorf("queue %d takes another message: %v", i, err)
		}
	}
}

// Large frames count without a lease too, also if they were queued for a link within the process and go by a socket after all.
func TestBudgetOfFramesWithoutLease(t *testing.T) {
	const size = 1 << 20
	for name, push := range map[string]func(*Queue) error{
		"pushed": func(q *Queue) error { return q.Push([]byte("header"), make([]byte, size)) },
		"owned":  func(q *Queue) error { return q.PushOwned([]byte("header"), make([]byte, size)) },
	} {
		for _, inproc := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, inproc %v", name, inproc), func(t *testing.T) {
				b, q := NewSendBudget(4*size), NewQueue(10, 4*size)
				if inproc {
					q = NewInprocQueue(10, 4*size)
				}
				q.SetBudget(b)
				if err := push(q); err != nil {
					t.Fatal(err)
				}
				check := func(when string) {
					t.Helper()
					if used := b.Used(); used < size-freeQueue || used > size+size/4 {
						t.Errorf("%d bytes are counted %s, want some %d", used, when, size)
					}
				}
				check("when it waits")
				if err := q.attach(&Conn{queue: q, link: socket{}}, nil); err != nil {
					t.Fatal(err)
				}
				check("with a socket")
				if takeAll(t, q, 1); b.Used() != 0 {
					t.Errorf("%d bytes are counted when all is written", b.Used())
				}
				if err := push(q); err != nil {
					t.Fatal(err)
				}
				check("again")
				if q.closeQueue(nil, false); b.Used() != 0 {
					t.Errorf("%d bytes are counted in the end", b.Used())
				}
			})
		}
	}
}

// Room is announced when others give back what they hold: by writing it, or by ending.
func TestBudgetAnnouncesRoom(t *testing.T) {
	for _, test := range []struct {
		name string
		free func(t *testing.T, q *Queue)
	}{
		{"written", func(t *testing.T, q *Queue) { takeAll(t, q, 1<<30) }},
		{"closed", func(_ *testing.T, q *Queue) { q.Close(nil) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := NewSendBudget(1 << 20)
			queues := sharing(b, 3)
			fill(t, queues[:2], 1_000)
			q, large := queues[2], make([]byte, 600_000)
			if err := q.Push(large); !errors.Is(err, ErrFull) || !q.LacksBudget() {
				t.Fatalf("%v, short %v", err, q.LacksBudget())
			}
			room := q.Room()
			select {
			case <-room:
				t.Fatal("room before there is any")
			default:
			}
			test.free(t, queues[0])
			test.free(t, queues[1])
			wait(t, room, "room")
			if err := q.Push(large); err != nil || q.LacksBudget() {
				t.Errorf("%v, short %v", err, q.LacksBudget())
			}
		})
	}
}

// Senders that wait for room, of their queue or of the budget, all finish when everything is taken: no wake-up is lost.
func TestBudgetLosesNoWakeUp(t *testing.T) {
	const count, messages = 8, 2_000
	b := NewSendBudget(256 << 10)
	var all sync.WaitGroup
	for i, q := range sharing(b, count) {
		size := 1_000 * (1 + i*i)
		all.Go(func() {
			for range messages {
				err := q.Push(make([]byte, size))
				for errors.Is(err, ErrFull) {
					wait(t, q.Room(), "room")
					err = q.Push(make([]byte, size))
				}
				if err != nil {
					t.Error(err)
				}
			}
			wait(t, q.Drained(), "the end")
		})
		q.drainBy(func() { takeAll(t, q, 1<<40) })
	}
	all.Wait()
	if used := b.Used(); used != 0 {
		t.Errorf("%d bytes are counted when all is over", used)
	}
}
