package zretest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A worker does one job after another.
type worker struct {
	node *zre.Node
	done int
}

// How workers report what they do.
const (
	byState  = iota // they set their state
	byResult        // they whisper the result
	byAuto          // their state follows their work
	byNone          // they don't
)

// startWorker starts a worker that takes that long for a job.
func startWorker(t *testing.T, lan *zretest.LAN, number, says int, takes time.Duration) *worker {
	t.Helper()
	options := []zre.Option{zre.WithNetwork(lan.Host(fmt.Sprint("10.0.0.", number+2))), zre.WithName(fmt.Sprint("worker ", number))}
	if says == byAuto {
		options = append(options, zre.WithAutoState())
	}
	node, err := zre.NewNode(options...)
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{node: node}
	if err := node.Join("WORKERS"); err != nil {
		t.Fatal(err)
	}
	var working sync.WaitGroup
	working.Go(func() {
		for event := range node.AllEvents(context.Background()) {
			if job, ok := event.(zre.Whisper); ok {
				w.do(t, job, says, takes)
			}
		}
	})
	t.Cleanup(func() {
		node.Close()
		working.Wait()
	})
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *worker) do(t *testing.T, job zre.Whisper, says int, takes time.Duration) {
	if says == byState {
		w.node.SetState(zre.StateProcessing)
		defer w.node.SetState(zre.StateIdle)
	}
	time.Sleep(takes) // fake time
	w.done++
	if says == byResult {
		if err := w.node.Whisper(context.Background(), job.Peer.UUID, []byte("done")); err != nil {
			t.Error(err)
		}
	}
}

// assignJobs gives jobs to workers as soon as one is free.
func assignJobs(t *testing.T, broker *zretest.Watched, jobs int) {
	t.Helper()
	for range jobs {
		peer, ok := broker.Choose("WORKERS")
		for wait := 0; !ok; wait++ {
			if wait > 10_000 {
				t.Fatal("no worker becomes free")
			}
			advance(time.Millisecond)
			peer, ok = broker.Choose("WORKERS")
		}
		if err := broker.Whisper(t.Context(), peer.UUID, []byte("job")); err != nil {
			t.Fatal(err)
		}
	}
}

// Jobs are spread evenly over equally fast workers. A slow worker gets fewer, however workers report what they do.
func TestChooseSpreads(t *testing.T) {
	const jobs = 60
	for _, test := range []struct {
		name      string
		reportsBy int
		takes     []time.Duration
		least     []int // least number of jobs for each
		most      []int
		inSeconds float64
	}{
		{"equal, by state", byState, []time.Duration{30 * time.Millisecond, 30 * time.Millisecond, 30 * time.Millisecond}, []int{20, 20, 20}, []int{20, 20, 20}, 1},
		{"equal and quick, by state", byState, []time.Duration{0, 0, 0}, []int{20, 20, 20}, []int{20, 20, 20}, 1},
		{"equal, by result", byResult, []time.Duration{30 * time.Millisecond, 30 * time.Millisecond, 30 * time.Millisecond}, []int{20, 20, 20}, []int{20, 20, 20}, 1},
		{"equal and quick, by result", byResult, []time.Duration{0, 0, 0}, []int{20, 20, 20}, []int{20, 20, 20}, 1},
		{"equal, automatic", byAuto, []time.Duration{30 * time.Millisecond, 30 * time.Millisecond, 30 * time.Millisecond}, []int{19, 19, 19}, []int{22, 22, 22}, 3},
		{"equal, in silence", byNone, []time.Duration{0, 0, 0}, []int{20, 20, 20}, []int{20, 20, 20}, 21},
		{"one is slow, by state", byState, []time.Duration{200 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond}, []int{2, 25, 25}, []int{7, 30, 30}, 1.5},
		{"one is slow, by result", byResult, []time.Duration{200 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond}, []int{2, 25, 25}, []int{5, 30, 30}, 1.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				broker := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("broker"))
				var workers []*worker
				for i, takes := range test.takes {
					workers = append(workers, startWorker(t, lan, i, test.reportsBy, takes))
				}
				for range workers {
					zretest.Next[zre.Join](broker)
				}
				advance(time.Second)
				began := time.Now()
				assignJobs(t, broker, jobs)
				advance(5 * time.Second)
				took, all := (time.Since(began) - 5*time.Second).Seconds(), 0
				for i, w := range workers {
					all += w.done
					if w.done < test.least[i] || w.done > test.most[i] {
						t.Errorf("worker %d did %d jobs, want %d to %d", i, w.done, test.least[i], test.most[i])
					}
				}
				if all != jobs || took > test.inSeconds {
					t.Errorf("%d jobs were done, want %d; it took %.1f s to give them away, want %v at most", all, jobs, took, test.inSeconds)
				}
			})
		})
	}
}

// Foreign workers, which have no states, take turns.
func TestChooseSpreadsOverForeign(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		const jobs = 60
		broker := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("broker"))
		var workers []*zretest.Foreign
		come := func(number int) {
			w := zretest.NewForeign(t, lan.Host(fmt.Sprint("10.0.0.", number+2)), zretest.Zyre, zretest.ForeignGroups("WORKERS"))
			t.Cleanup(w.Stop)
			workers = append(workers, w)
			zretest.Next[zre.Join](broker)
			advance(time.Second)
		}
		expect := func(want ...int) {
			t.Helper()
			assignJobs(t, broker, jobs)
			advance(time.Second)
			for i, w := range workers {
				got := 0
				for _, e := range w.Seen() {
					if _, ok := e.(zre.Whisper); ok {
						got++
					}
				}
				if got != want[i] {
					t.Errorf("worker %d got %d jobs, want %d", i, got, want[i])
				}
			}
		}
		come(0)
		come(1)
		expect(30, 30)
		come(2) // a newcomer does not get as many as the others had before
		expect(50, 50, 20)
	})
}

// The first of several workers does not get a backlog before the others arrive, or before it can report that it is busy.
func TestChooseKeepsBacklog(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		broker := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("broker"))
		first := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("first"))
		if err := first.Join("WORKERS"); err != nil {
			t.Fatal(err)
		}
		zretest.Next[zre.Join](broker)
		given := 0
		give := func() {
			for {
				p, ok := broker.Choose("WORKERS")
				if !ok {
					return
				}
				if err := broker.Whisper(t.Context(), p.UUID, []byte("job")); err != nil {
					t.Fatal(err)
				}
				given++
				synctest.Wait()
			}
		}
		expect := func(want int, what string) {
			t.Helper()
			if give(); given != want {
				t.Fatalf("%s: %d jobs were given, want %d", what, given, want)
			}
		}
		expect(1, "at once")
		advance(500 * time.Millisecond)
		expect(1, "while it may be about to say that it is busy")
		advance(600 * time.Millisecond)
		expect(2, "when it says nothing")
		if err := first.SetState(zre.StateProcessing); err != nil {
			t.Fatal(err)
		}
		advance(5 * time.Second)
		expect(2, "when it is busy")
		for range 2 { // even if it is only for a moment
			if err := first.SetState(zre.StateIdle); err != nil {
				t.Fatal(err)
			}
			if err := first.SetState(zre.StateProcessing); err != nil {
				t.Fatal(err)
			}
		}
		if err := first.SetState(zre.StateIdle); err != nil {
			t.Fatal(err)
		}
		advance(50 * time.Millisecond)
		expect(3, "when it is idle again")
		if err := first.SetState(zre.StateProcessing); err != nil {
			t.Fatal(err)
		}
		if err := first.SetState(zre.StateIdle); err != nil {
			t.Fatal(err)
		}
		advance(50 * time.Millisecond)
		expect(4, "when it was busy for a moment")
	})
}
