package zretest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A handler that blocks forever stops only its own peer. The node stops reading from it, and the amount waiting for the handler is limited.
func TestHandlerThatBlocks(t *testing.T) {
	for _, size := range []int{500, 100_000} {
		t.Run(fmt.Sprint("of ", size), func(t *testing.T) {
			inPairsOfThree(t, func(t *testing.T, node *zre.Node, a, b *zretest.Watched) {
				var forA, forB atomic.Int32
				release := make(chan struct{})
				mux := zre.NewMux()
				mux.HandleWhisper(func(_ context.Context, e zre.Whisper) {
					if e.Peer.UUID == a.UUID() {
						forA.Add(1)
						<-release
						return
					}
					forB.Add(1)
				})
				startServing(t, node, mux)
				var flood sync.WaitGroup
				ctx, stop := context.WithCancel(t.Context())
				sent := 0
				flood.Go(func() {
					for ; sent < 20_000 && a.Whisper(ctx, node.UUID(), make([]byte, size)) == nil; sent++ {
					}
				})
				advance(100 * time.Millisecond)
				for range 2_000 {
					if err := b.Whisper(t.Context(), node.UUID(), make([]byte, size)); err != nil {
						t.Fatal(err)
					}
				}
				advance(2 * time.Second)
				if forA.Load() != 1 || forB.Load() != 2_000 {
					t.Errorf("%d and %d messages were handled", forA.Load(), forB.Load())
				}
				stop()
				flood.Wait()
				if sent == 20_000 {
					t.Error("all was read from the peer whose handler blocks")
				}
				for _, w := range []*zretest.Watched{a, b} {
					if _, present := node.Peer(w.UUID()); !present {
						t.Errorf("%s is gone", w.Name())
					}
				}
				close(release) // then it continues
				for range 100 {
					if advance(100 * time.Millisecond); int(forA.Load()) == sent {
						break
					}
				}
				if int(forA.Load()) != sent {
					t.Errorf("%d of %d messages were handled", forA.Load(), sent)
				}
			})
		})
	}
}

// inPairsOfThree runs a test for a node and two watched nodes that it has met, on different hosts and in one process.
func inPairsOfThree(t *testing.T, test func(t *testing.T, node *zre.Node, a, b *zretest.Watched)) {
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				hosts := pair.hosts(lan)
				third := lan.Host("10.0.0.3")
				if hosts[0] == hosts[1] {
					third = hosts[0]
				}
				node := newNode(t, hosts[0])
				a, b := zretest.Start(t, hosts[1], zre.WithName("a"), zre.WithSendTimeout(time.Minute)), zretest.Start(t, third, zre.WithName("b"))
				for _, w := range []*zretest.Watched{a, b} {
					waitForPeer(t, node, w.UUID())
					waitForPeer(t, w.Node, node.UUID())
				}
				test(t, node, a, b)
			})
		})
	}
}

// A handler may send a request to the same peer whose messages wait for it, however many those are.
func TestRequestInAHandler(t *testing.T) {
	for _, concurrency := range []int{1, 64} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			inPairsOfThree(t, func(t *testing.T, node *zre.Node, a, _ *zretest.Watched) {
				const messages = 5_000
				var handled atomic.Int32
				mux := zre.NewMux()
				mux.HandleWhisper(func(ctx context.Context, e zre.Whisper) {
					if handled.Add(1) > 1 {
						return
					}
					pass := time.NewTimer(200 * time.Millisecond) // until a is stopped by its own messages
					<-pass.C
					ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
					defer cancel()
					if reply, err := node.Request(ctx, e.Peer.UUID, []byte("?")); err != nil || string(reply.Frames[0]) != "yes" {
						t.Errorf("%q, %v", reply.Frames, err)
					}
				})
				startServing(t, node, mux, zre.ServeConcurrency(concurrency))
				var sending sync.WaitGroup
				sending.Go(func() {
					for range messages {
						if err := a.Whisper(t.Context(), node.UUID(), make([]byte, 3000)); err != nil {
							t.Error(err)
						}
					}
				})
				r := zretest.Next[zre.Request](a)
				if err := r.Reply(t.Context(), []byte("yes")); err != nil {
					t.Error(err)
				}
				sending.Wait()
				advance(5 * time.Second)
				if handled.Load() != messages {
					t.Errorf("%d messages were handled", handled.Load())
				}
			})
		})
	}
}

// Two nodes that send to each other in their handlers receive everything, or get an error if that is more than fits. Neither is dropped.
func TestBothSendInTheirHandlers(t *testing.T) {
	for _, test := range []struct {
		name     string
		messages int
		limits   zre.Limits
		fails    bool
	}{
		{"much", 20_000, zre.Limits{}, false},
		{"too much", 20_000, zre.Limits{EventBytes: 1 << 20, QueueBytes: 1 << 20}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inPairs(t, func(t *testing.T, _ *zretest.LAN, here, there *zretest.Host) {
				var failed, exits atomic.Int32
				var got [2]atomic.Int32
				for i, host := range []*zretest.Host{here, there} {
					node := newNode(t, host, zre.WithLimits(test.limits))
					mux := zre.NewMux()
					mux.HandleEnter(func(ctx context.Context, e zre.Enter) {
						for range test.messages {
							err := node.Whisper(ctx, e.Peer.UUID, make([]byte, 1<<10))
							if err == nil {
								continue
							}
							if !errors.Is(err, zre.ErrUnreadEvents) {
								t.Errorf("the error is %v", err)
							}
							failed.Add(1)
							return
						}
					})
					mux.HandleWhisper(func(context.Context, zre.Whisper) { got[i].Add(1) })
					mux.HandleExit(func(context.Context, zre.Exit) { exits.Add(1) })
					startServing(t, node, mux)
				}
				advance(30 * time.Second)
				if exits.Load() > 0 {
					t.Errorf("%d exits", exits.Load())
				}
				if (failed.Load() > 0) != test.fails {
					t.Errorf("%d sends failed", failed.Load())
				}
				for i := range got {
					if !test.fails && int(got[i].Load()) != test.messages || got[i].Load() == 0 {
						t.Errorf("%d messages came", got[i].Load())
					}
				}
			})
		})
	}
}
