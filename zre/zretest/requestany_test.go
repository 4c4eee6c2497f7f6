package zretest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A server is a member of WORKERS that does jobs, one at a time.
type server struct {
	*zre.Node
	mu   sync.Mutex
	jobs []string
	stop func() error
}

// serve starts a server at an address. do returns the reply after it has worked; it may answer by itself and return nil.
func serve(t *testing.T, lan *zretest.LAN, address string, do func(s *server, r zre.Request) []byte) *server {
	t.Helper()
	s := &server{Node: newNode(t, lan.Host(address), zre.WithName(address), zre.WithLinger(0))}
	mux := zre.NewMux()
	mux.HandleRequest("job", func(ctx context.Context, r zre.Request) {
		_ = s.SetState(zre.StateProcessing)
		s.mu.Lock()
		s.jobs = append(s.jobs, string(r.Frames[1]))
		s.mu.Unlock()
		result := do(s, r)
		_ = s.SetState(zre.StateIdle)
		if result != nil {
			_ = r.Reply(ctx, result)
		}
	})
	s.stop = startServing(t, s.Node, mux, zre.ServeConcurrency(1))
	if err := s.Join("WORKERS"); err != nil {
		t.Fatal(err)
	}
	return s
}

// does is a server that takes that long for a job.
func does(takes time.Duration) func(*server, zre.Request) []byte {
	return func(_ *server, r zre.Request) []byte {
		time.Sleep(takes) // fake time
		return r.Frames[1]
	}
}

// members waits until a node knows that many members of WORKERS.
func members(t *testing.T, node *zre.Node, count int) {
	t.Helper()
	if _, err := node.WaitFor(contextFor(t, time.Minute), count, zre.InGroup("WORKERS")); err != nil {
		t.Fatal(err)
	}
	advance(time.Second)
}

func job(name string) [][]byte { return [][]byte{[]byte("job"), []byte(name)} }

// A member that fails is replaced by another one, if the failure is its own.
func TestRequestAnyRetries(t *testing.T) {
	refuses := func(*server, zre.Request) []byte { panic("unreachable") }
	for _, test := range []struct {
		name       string
		first      func(s *server, r zre.Request) []byte // the member that is asked first
		start      func(t *testing.T, lan *zretest.LAN)  // another kind of first member
		limit      time.Duration
		contextFor time.Duration
		is         error  // of the retry; nil: none
		text       string // of the error; "": the other member replies
	}{
		{name: "replies", first: does(time.Second), contextFor: 1100 * time.Millisecond, text: "first"},
		{name: "leaves", first: func(s *server, _ zre.Request) []byte { go s.Close(); return nil }, contextFor: 2 * time.Second, is: zre.ErrPeerGone},
		{name: "hangs", first: func(*server, zre.Request) []byte { time.Sleep(time.Hour); return nil }, limit: 5 * time.Second, contextFor: 7 * time.Second, is: context.DeadlineExceeded},
		{name: "does not answer", first: func(*server, zre.Request) []byte { return nil }, limit: 5 * time.Second, contextFor: 7 * time.Second, is: context.DeadlineExceeded},
		{name: "refuses", first: func(s *server, r zre.Request) []byte { _ = r.ReplyError(t.Context(), "bad job"); return nil }, contextFor: time.Second, text: "bad job"},
		{name: "has no handler", first: refuses, start: func(t *testing.T, lan *zretest.LAN) {
			node := newNode(t, lan.Host("10.0.0.2"), zre.WithSendOnly())
			if err := node.Join("WORKERS"); err != nil {
				t.Fatal(err)
			}
		}, contextFor: 2 * time.Second, is: zre.ErrNoHandler},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				giver := newNode(t, lan.Host("10.0.0.1"), zre.WithSendOnly())
				if test.start != nil {
					test.start(t, lan)
				} else {
					serve(t, lan, "10.0.0.2", test.first)
				}
				members(t, giver, 1)
				var retries []error
				workers := zre.Workers{Node: giver, Group: "WORKERS", Timeout: test.limit, OnRetry: func(err error) { retries = append(retries, err) }}
				began := time.Now()
				time.AfterFunc(100*time.Millisecond, func() { serve(t, lan, "10.0.0.3", does(0)) })
				reply, err := workers.Request(contextFor(t, time.Minute), job("first")...)
				if took := time.Since(began); took > test.contextFor {
					t.Errorf("it took %v, want %v at most", took, test.contextFor)
				}
				var failed *zre.PeerError
				switch {
				case test.is == nil && len(retries) > 0:
					t.Errorf("it was given again: %v", retries)
				case test.is != nil && (len(retries) != 1 || !errors.Is(retries[0], test.is) || !errors.As(retries[0], &failed)):
					t.Errorf("the retries are %v, want one with %v", retries, test.is)
				case test.is != nil && (err != nil || reply.Peer.Name != "10.0.0.3"):
					t.Errorf("got a reply of %v, error %v; want one of the other member", reply.Peer, err)
				case test.is == nil && err == nil && (string(reply.Frames[0]) != test.text || reply.Peer.Name != "10.0.0.2"):
					t.Errorf("got %q of %v", reply.Frames, reply.Peer)
				case err != nil && (test.text == "" || !strings.Contains(err.Error(), test.text)):
					t.Errorf("the error is %v", err)
				}
				advance(time.Second)
			})
		})
	}
}

// A request that ends members ends three at most.
func TestRequestAnyGivesUp(t *testing.T) {
	for _, tries := range []int{0, 1, 2, 5} {
		inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
			giver := newNode(t, lan.Host("10.0.0.1"), zre.WithSendOnly())
			var workers []*server
			for i := range 6 {
				workers = append(workers, serve(t, lan, fmt.Sprint("10.0.0.", i+2), func(s *server, _ zre.Request) []byte { go s.Close(); return nil }))
			}
			members(t, giver, len(workers))
			_, err := zre.Workers{Node: giver, Group: "WORKERS", Tries: tries}.Request(contextFor(t, time.Minute), job("poison")...)
			want := tries
			if tries == 0 {
				want = 3
			}
			if !errors.Is(err, zre.ErrPeerGone) {
				t.Errorf("%d tries: the error is %v, want ErrPeerGone", tries, err)
			}
			asked := 0
			for _, w := range workers {
				asked += len(w.jobs)
			}
			if asked != want {
				t.Errorf("%d tries: %d members were asked, want %d", tries, asked, want)
			}
			advance(time.Second)
		})
	}
}

// Requests wait for a member that has time, and end with the context or the node.
func TestRequestAnyWaits(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(t *testing.T, lan *zretest.LAN, giver *zre.Node)
		after  func(t *testing.T, lan *zretest.LAN, giver *zre.Node) // five seconds later
		took   time.Duration                                         // a bit more is fine
		is     []error                                               // nil: a reply
	}{
		{name: "no member for a while", after: func(t *testing.T, lan *zretest.LAN, _ *zre.Node) { serve(t, lan, "10.0.0.2", does(0)) }, took: 5 * time.Second},
		{name: "no member", took: 30 * time.Second, is: []error{context.DeadlineExceeded}},
		{name: "the node is closed", after: func(_ *testing.T, _ *zretest.LAN, giver *zre.Node) { giver.Close() }, took: 5 * time.Second, is: []error{zre.ErrClosed}},
		{name: "a member that is busy for a while", before: func(t *testing.T, lan *zretest.LAN, giver *zre.Node) {
			w := serve(t, lan, "10.0.0.2", does(0))
			if err := w.SetState(zre.StateProcessing); err != nil {
				t.Error(err)
			}
			time.AfterFunc(6*time.Second, func() { _ = w.SetState(zre.StateIdle) }) // of which one passes here
			members(t, giver, 1)
		}, took: 5 * time.Second},
		{name: "a member that has work for a while", before: func(t *testing.T, lan *zretest.LAN, giver *zre.Node) {
			serve(t, lan, "10.0.0.2", does(6*time.Second)) // six seconds, of which one passes here
			members(t, giver, 1)
			go giver.RequestAny(contextFor(t, time.Minute), "WORKERS", job("before")...)
			advance(time.Second)
		}, took: 11 * time.Second}, // and its own six
		{name: "a member without a handler", before: func(t *testing.T, lan *zretest.LAN, giver *zre.Node) {
			node := newNode(t, lan.Host("10.0.0.2"), zre.WithSendOnly())
			if err := node.Join("WORKERS"); err != nil {
				t.Error(err)
			}
			members(t, giver, 1)
		}, took: 30 * time.Second, is: []error{context.DeadlineExceeded, zre.ErrNoHandler}},
		{name: "members of other implementations", before: func(t *testing.T, lan *zretest.LAN, giver *zre.Node) {
			for i, kind := range []zretest.Implementation{zretest.Zyre, zretest.Pyre, zretest.ZyreJS} {
				w := zretest.NewForeign(t, lan.Host(fmt.Sprint("10.0.0.", i+3)), kind, zretest.ForeignGroups("WORKERS"))
				t.Cleanup(w.Stop)
			}
			members(t, giver, 3)
		}, after: func(t *testing.T, lan *zretest.LAN, _ *zre.Node) { serve(t, lan, "10.0.0.2", does(0)) }, took: 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				giver := newNode(t, lan.Host("10.0.0.1"), zre.WithSendOnly())
				if test.before != nil {
					test.before(t, lan, giver)
				}
				if test.after != nil {
					time.AfterFunc(5*time.Second, func() { test.after(t, lan, giver) })
				}
				began := time.Now()
				reply, err := giver.RequestAny(contextFor(t, 30*time.Second), "WORKERS", job("it")...)
				if took := time.Since(began); took < test.took-time.Second || took > test.took+1500*time.Millisecond {
					t.Errorf("it took %v, want about %v", took, test.took)
				}
				for _, want := range test.is {
					if !errors.Is(err, want) {
						t.Errorf("the error is %v, want %v", err, want)
					}
				}
				if test.is == nil && (err != nil || reply.Peer.Name != "10.0.0.2" || string(reply.Frames[0]) != "it") {
					t.Errorf("got %q of %v, error %v", reply.Frames, reply.Peer, err)
				}
				advance(time.Second)
			})
		})
	}
}

// Many calls at once share the members evenly, and none has two jobs at a time. Nothing is left of them in the end.
func TestRequestAnySpreads(t *testing.T) {
	for _, test := range []struct {
		name      string
		takes     []time.Duration
		states    bool
		least     int // jobs of each member
		inSeconds float64
	}{
		{"equal", []time.Duration{30 * time.Millisecond, 30 * time.Millisecond, 30 * time.Millisecond}, true, 310, 14},
		{"equal and quick", []time.Duration{0, 0, 0}, true, 310, 9},
		{"one is slow", []time.Duration{300 * time.Millisecond, 30 * time.Millisecond, 30 * time.Millisecond}, true, 45, 19},
		{"equal, without states", []time.Duration{30 * time.Millisecond, 30 * time.Millisecond, 30 * time.Millisecond}, false, 310, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				const jobs = 1000
				giver := newNode(t, lan.Host("10.0.0.1"), zre.WithSendOnly())
				done := make([]int, len(test.takes))
				for i, takes := range test.takes {
					node := newNode(t, lan.Host(fmt.Sprint("10.0.0.", i+2)))
					if err := node.Join("WORKERS"); err != nil {
						t.Fatal(err)
					}
					answerRequests(t, node, func(r zre.Request) {
						if test.states {
							_ = node.SetState(zre.StateProcessing)
						}
						if waiting := node.Stats().WaitingEvents; waiting > 0 {
							t.Errorf("%d events wait at a member that has a job", waiting)
						}
						time.Sleep(takes) // fake time
						done[i]++
						if test.states {
							_ = node.SetState(zre.StateIdle)
						}
						echo(r)
					})
				}
				members(t, giver, len(test.takes))
				before := runtime.NumGoroutine()
				var calls sync.WaitGroup
				began := time.Now()
				for i := range jobs {
					calls.Go(func() {
						reply, err := giver.RequestAny(contextFor(t, time.Minute), "WORKERS", job(fmt.Sprint(i))...)
						if err != nil || string(reply.Frames[1]) != fmt.Sprint(i) {
							t.Errorf("job %d: %q, %v", i, reply.Frames, err)
						}
					})
				}
				synctest.Wait()
				if more := runtime.NumGoroutine() - before - jobs; more > 2 {
					t.Errorf("%d goroutines more than calls", more)
				}
				calls.Wait()
				if took := time.Since(began).Seconds(); took > test.inSeconds {
					t.Errorf("it took %.1f s, want %v at most", took, test.inSeconds)
				}
				advance(2 * time.Second)
				if least := slices.Min(done); least < test.least {
					t.Errorf("the members did %v jobs, want %d at least", done, test.least)
				}
				if stats := giver.Stats(); stats.WaitingRequests != 0 {
					t.Errorf("%d requests still wait", stats.WaitingRequests)
				}
			})
		})
	}
}

// waitingCalls makes five calls that find no free member. The second one ends while it waits.
func waitingCalls(t *testing.T, giver *zre.Node, calls *sync.WaitGroup) {
	for i := range 5 {
		limit := time.Minute
		if i == 1 {
			limit = time.Second
		}
		calls.Go(func() {
			if _, err := giver.RequestAny(contextFor(t, limit), "WORKERS", job(fmt.Sprint(i))...); (err != nil) != (i == 1) {
				t.Errorf("job %d: %v", i, err)
			}
		})
		advance(100 * time.Millisecond)
	}
}

// The call that waits longest comes first. One that ends while it waits does not keep those behind it waiting.
func TestRequestAnyOrder(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		giver := newNode(t, lan.Host("10.0.0.1"), zre.WithSendOnly())
		var calls sync.WaitGroup
		waitingCalls(t, giver, &calls)
		advance(time.Second)
		w := serve(t, lan, "10.0.0.3", does(100*time.Millisecond))
		calls.Wait()
		if !slices.Equal(w.jobs, []string{"0", "2", "3", "4"}) {
			t.Errorf("the jobs were done in the order %q", w.jobs)
		}
	})
}

// Calls that a member has refused do not keep another call from it.
func TestRequestAnyPassesOver(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		giver, choosy := newNode(t, lan.Host("10.0.0.1"), zre.WithSendOnly()), newNode(t, lan.Host("10.0.0.2"))
		mux := zre.NewMux() // it handles no job
		mux.HandleRequest("other", func(ctx context.Context, r zre.Request) { _ = r.Reply(ctx, []byte("other")) })
		startServing(t, choosy, mux)
		if err := choosy.Join("WORKERS"); err != nil {
			t.Fatal(err)
		}
		members(t, giver, 1)
		var calls sync.WaitGroup
		waitingCalls(t, giver, &calls)
		if reply, err := giver.RequestAny(contextFor(t, time.Second), "WORKERS", []byte("other")); err != nil || string(reply.Frames[0]) != "other" {
			t.Errorf("the other request: got %q, %v, want a reply", reply.Frames, err)
		}
		advance(time.Second)
		w := serve(t, lan, "10.0.0.3", does(100*time.Millisecond))
		calls.Wait()
		if slices.Sort(w.jobs); !slices.Equal(w.jobs, []string{"0", "2", "3", "4"}) {
			t.Errorf("the jobs %q were done, want 0, 2, 3, 4", w.jobs)
		}
	})
}
