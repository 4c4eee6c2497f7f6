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

// A Roster is an application that knows which workers are present, by their nodes' names.
type Roster struct {
	node *zre.Node
	done chan struct{}

	mu      sync.Mutex
	workers map[string]bool
}

// NewRoster accepts options, so that a test can put its node on a simulated network.
func NewRoster(ctx context.Context, options ...zre.Option) (*Roster, error) {
	node, err := zre.NewNode(append(options, zre.WithName("roster"))...)
	if err != nil {
		return nil, err
	}
	r := &Roster{node: node, done: make(chan struct{}), workers: make(map[string]bool)}
	go r.follow()
	return r, node.Start(ctx)
}

func (r *Roster) follow() {
	defer close(r.done)
	for event := range r.node.Events() {
		r.mu.Lock()
		switch e := event.(type) {
		case zre.Enter:
			r.workers[e.Peer.Name] = true
		case zre.Exit:
			delete(r.workers, e.Peer.Name)
		}
		r.mu.Unlock()
	}
}

// Close ends the application.
func (r *Roster) Close() {
	r.node.Close()
	<-r.done
}

// Count returns the number of workers present.
func (r *Roster) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.workers)
}

// This is how to test an application against a partition: put its node on a simulated network, cut the network, let time pass, and look. A
// test of your own would be called TestRosterInPartition(t *testing.T); it takes milliseconds.
func Example_partition() {
	testRosterInPartition := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			lan := zretest.NewLAN(t)
			office, cellar := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
			roster, err := NewRoster(t.Context(), zre.WithNetwork(office))
			if err != nil {
				t.Fatal(err)
			}
			defer roster.Close()
			zretest.Start(t, office.Process(), zre.WithName("typist"))
			zretest.Start(t, cellar, zre.WithName("miner"))

			expect := func(when string, want int) {
				synctest.Wait() // until all pending work is done
				if got := roster.Count(); got != want {
					t.Errorf("%s: %d workers, want %d", when, got, want)
				}
			}
			time.Sleep(time.Second)
			expect("at first", 2)

			lan.Partition(cellar)
			time.Sleep(20 * time.Second)
			expect("while it may be a short cut", 2)
			time.Sleep(20 * time.Second)
			expect("after the expired timeout", 1)

			lan.Heal()
			time.Sleep(10 * time.Second)
			expect("healed", 2)
		})
	}
	run("TestRosterInPartition", testRosterInPartition)
	// Output: ok TestRosterInPartition
}

// Watched nodes are for tests that follow a conversation. The test waits for each event, and all events are checked against the rules.
func ExampleWatch() {
	testFarewell := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			lan := zretest.NewLAN(t)
			a, b := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
			alice := zretest.Start(t, a, zre.WithName("alice"))
			bob := zretest.Start(t, b, zre.WithName("bob"))

			peer := zretest.Next[zre.Enter](alice).Peer
			if err := alice.Whisper(t.Context(), peer.UUID, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if whisper := zretest.Next[zre.Whisper](bob); string(whisper.Frames[0]) != "hello" {
				t.Errorf("bob heard %q", whisper.Frames[0])
			}

			b.Kill() // like SIGKILL: no farewell
			if exit := zretest.Next[zre.Exit](alice); exit.Reason != zre.ReasonCrashed {
				t.Errorf("bob exited: %v", exit.Reason)
			}
		})
	}
	run("TestFarewell", testFarewell)
	// Output: ok TestFarewell
}

// This is the same test with many seeds: each gives another network. A failed run prints the command that repeats it.
func ExampleRun() {
	testBadLinks := func(t *testing.T) {
		zretest.Run(t, 20, func(t *testing.T, lan *zretest.LAN) {
			lan.SetLink(zretest.Link{
				Latency: time.Duration(lan.Rand().Int64N(int64(50 * time.Millisecond))),
				Loss:    lan.Rand().Float64() / 3,
			})
			alice := zretest.Start(t, lan.Host("10.0.0.1"))
			zretest.Start(t, lan.Host("10.0.0.2"))
			zretest.Next[zre.Enter](alice)
		})
	}
	run("TestBadLinks", testBadLinks)
	// Output: ok TestBadLinks
}

// run runs a test as go test does.
func run(name string, test func(*testing.T)) {
	if testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: name, F: test}}) {
		fmt.Println("ok", name)
	}
}
