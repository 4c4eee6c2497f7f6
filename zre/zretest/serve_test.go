package zretest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// startServing serves a node until the test ends. stop returns the result of Serve.
func startServing(t *testing.T, node *zre.Node, handler zre.Handler, options ...zre.ServeOption) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- node.Serve(ctx, handler, options...) }()
	var once sync.Once
	var err error
	stop = func() error {
		cancel()
		once.Do(func() { err = <-ended })
		return err
	}
	t.Cleanup(func() { stop() })
	return stop
}

// trio starts a node that serves, on the first host, and two watched nodes. All know each other.
func trio(t *testing.T, lan *zretest.LAN, handler func(node *zre.Node) zre.Handler, options ...zre.ServeOption) (*zre.Node, *zretest.Watched, *zretest.Watched, func() error) {
	t.Helper()
	node := newNode(t, lan.Host("10.0.0.1"))
	stop := startServing(t, node, handler(node), options...)
	a, b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("a")), zretest.Start(t, lan.Host("10.0.0.3"), zre.WithName("b"))
	for _, w := range []*zretest.Watched{a, b} {
		waitForPeer(t, node, w.UUID())
		waitForPeer(t, w.Node, node.UUID())
	}
	return node, a, b, stop
}

func TestServe(t *testing.T) {
	for _, concurrency := range []int{1, 2, 64} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				const messages = 500
				var mu sync.Mutex
				got := make(map[string][]string)
				running, most := 0, 0
				keep := func(e zre.Event, what string) {
					mu.Lock()
					defer mu.Unlock()
					got[e.From().Name] = append(got[e.From().Name], what)
				}
				mux := zre.NewMux()
				mux.HandleEnter(func(_ context.Context, e zre.Enter) { keep(e, "enter") })
				mux.HandleExit(func(_ context.Context, e zre.Exit) { keep(e, "exit") })
				mux.HandleJoin("G*", func(_ context.Context, e zre.Join) { keep(e, "join "+e.Group) })
				mux.HandleWhisper(func(_ context.Context, e zre.Whisper) {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					pass := time.NewTimer(time.Millisecond)
					<-pass.C
					mu.Lock()
					running--
					mu.Unlock()
					keep(e, string(e.Frames[0]))
				})
				mux.HandleRequest("sum", func(ctx context.Context, r zre.Request) {
					if err := r.Reply(ctx, bytes.Join(r.Frames[1:], nil)); err != nil {
						t.Error(err)
					}
				})
				node, a, b, stop := trio(t, lan, func(*zre.Node) zre.Handler { return mux }, zre.ServeConcurrency(concurrency))
				if err := a.Join("G1"); err != nil {
					t.Fatal(err)
				}
				for i := range messages {
					for _, w := range []*zretest.Watched{a, b} {
						if err := w.Whisper(t.Context(), node.UUID(), fmt.Append(nil, i)); err != nil {
							t.Fatal(err)
						}
					}
				}
				if reply, err := a.Request(t.Context(), node.UUID(), []byte("sum"), []byte("x"), []byte("y")); err != nil || string(reply.Frames[0]) != "xy" {
					t.Errorf("%q, %v", reply.Frames, err)
				}
				if _, err := a.Request(contextFor(t, time.Second), node.UUID(), []byte("product")); !errors.Is(err, zre.ErrNoHandler) {
					t.Errorf("no handler: %v", err)
				}
				advance(5 * time.Second)
				if err := a.Close(); err != nil {
					t.Error(err)
				}
				advance(time.Second)
				if err := stop(); err != nil {
					t.Errorf("Serve returned %v", err)
				}
				var numbers []string
				for i := range messages {
					numbers = append(numbers, fmt.Sprint(i))
				}
				expectEqual(t, "events of a", got["a"], slices.Concat([]string{"enter", "join G1"}, numbers, []string{"exit"}))
				expectEqual(t, "events of b", got["b"], slices.Concat([]string{"enter"}, numbers))
				if want := min(concurrency, 2); most != want {
					t.Errorf("%d handlers ran at once, want %d", most, want)
				}
			})
		})
	}
}

// A handler that panics, or ends its goroutine, affects nothing else.
func TestHandlerThatPanics(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		var mu sync.Mutex
		var panics, whispers []string
		mux := zre.NewMux()
		mux.HandleWhisper(func(_ context.Context, e zre.Whisper) {
			switch text := string(e.Frames[0]); text {
			case "exit":
				runtime.Goexit()
			case "panic":
				panic(text)
			default:
				mu.Lock()
				defer mu.Unlock()
				whispers = append(whispers, text)
			}
		})
		mux.HandleRequest("panic", func(context.Context, zre.Request) { panic(errors.New("of a request")) })
		mux.HandleRequest("answer, panic", func(ctx context.Context, r zre.Request) {
			_ = r.Reply(ctx, []byte("answer"))
			panic("after the answer")
		})
		node, a, b, stop := trio(t, lan, func(*zre.Node) zre.Handler { return mux }, zre.ServeConcurrency(2), zre.ServeOnPanic(func(event zre.Event, value any, stack []byte) {
			mu.Lock()
			defer mu.Unlock()
			panics = append(panics, fmt.Sprintf("%s %T %v %v", event.From().Name, event, value, strings.Contains(string(stack), "serve_test.go")))
		}))
		for _, text := range []string{"1", "panic", "2", "exit", "3", "exit", "exit", "4"} {
			if err := a.Whisper(t.Context(), node.UUID(), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		var failed *zre.ReplyError
		if _, err := b.Request(contextFor(t, time.Second), node.UUID(), []byte("panic")); !errors.As(err, &failed) || errors.Is(err, zre.ErrNoHandler) {
			t.Errorf("the error is %v", err)
		}
		if reply, err := b.Request(contextFor(t, time.Second), node.UUID(), []byte("answer, panic")); err != nil || string(reply.Frames[0]) != "answer" {
			t.Errorf("%q, %v", reply.Frames, err)
		}
		advance(time.Second)
		stop()
		slices.Sort(panics)
		expectEqual(t, "panics", panics, []string{"a zre.Whisper panic true", "b zre.Request after the answer true", "b zre.Request of a request true"})
		expectEqual(t, "whispers", whispers, []string{"1", "2", "3", "4"})
	})
}

// A handler may close its node, whether handlers run one at a time or concurrently. Serve then returns.
func TestHandlerClosesNode(t *testing.T) {
	for _, concurrency := range []int{1, 64} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				var closed atomic.Int32
				over := make(chan bool, 1)
				node, a, _, stop := trio(t, lan, func(node *zre.Node) zre.Handler {
					return zre.HandlerFunc(func(ctx context.Context, event zre.Event) {
						if _, ok := event.(zre.Whisper); ok {
							if err := node.Close(); err != nil {
								t.Error(err)
							}
							closed.Add(1)
							over <- ctx.Err() != nil
						}
					})
				}, zre.ServeConcurrency(concurrency))
				for range 3 {
					if err := a.Whisper(t.Context(), node.UUID(), nil); err != nil {
						t.Fatal(err)
					}
				}
				if !<-over {
					t.Error("the context of the handler had not ended")
				}
				advance(time.Second)
				if err := stop(); !errors.Is(err, zre.ErrClosed) {
					t.Errorf("Serve returned %v", err)
				}
				if closed.Load() != 1 {
					t.Errorf("%d handlers ran", closed.Load())
				}
				if err := node.Serve(t.Context(), zre.NewMux()); !errors.Is(err, zre.ErrClosed) {
					t.Errorf("Serve after Close: %v", err)
				}
			})
		})
	}
}

// Serve ends even if a handler does not. Unhandled events are left for the next reader.
func TestServeEnds(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		release := make(chan struct{})
		node, a, b, stop := trio(t, lan, func(node *zre.Node) zre.Handler {
			mux := zre.NewMux()
			mux.HandleWhisper(func(context.Context, zre.Whisper) { <-release })
			return mux
		})
		for i := range 500 {
			for _, w := range []*zretest.Watched{a, b} {
				if err := w.Whisper(t.Context(), node.UUID(), fmt.Append(nil, i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		advance(time.Second)
		began := time.Now()
		err := stop()
		if !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "returned: 2") {
			t.Errorf("Serve returned %v", err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("Serve returned after %v", took)
		}
		next := make(map[uuid.UUID]int)
		for event := range node.AllEvents(contextFor(t, time.Second)) {
			w, ok := event.(zre.Whisper)
			if !ok {
				continue
			}
			id := w.Peer.UUID
			if next[id]++; string(w.Frames[0]) != fmt.Sprint(next[id]) {
				t.Fatalf("message %q of %s came, want %d", w.Frames[0], w.Peer.Name, next[id])
			}
		}
		if next[a.UUID()] != 499 || next[b.UUID()] != 499 {
			t.Errorf("%v messages were left", next)
		}
		close(release)
		synctest.Wait()
	})
}

// Each peer has one worker, even if several peers send at the same moment: a peer whose handler blocks never has two lanes.
func TestEachPeerHasAWorker(t *testing.T) {
	for round := range 20 {
		inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
			var running atomic.Int32
			release := make(chan struct{})
			mux := zre.NewMux()
			mux.HandleWhisper(func(context.Context, zre.Whisper) { running.Add(1); <-release })
			node, a, b, _ := trio(t, lan, func(*zre.Node) zre.Handler { return mux })
			advance(time.Duration(round) * time.Millisecond)
			for _, w := range []*zretest.Watched{a, b} {
				if err := w.Whisper(t.Context(), node.UUID(), nil); err != nil {
					t.Fatal(err)
				}
			}
			advance(time.Second)
			if running.Load() != 2 {
				t.Errorf("round %d: %d handlers run", round, running.Load())
			}
			close(release)
		})
	}
}

// Events can have one reader at a time.
func TestServeBesideOthers(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		node := newNode(t, lan.Host("10.0.0.1"))
		if err := node.Serve(t.Context(), nil); err == nil {
			t.Error("a nil handler is served")
		}
		if err := node.Serve(t.Context(), zre.NewMux(), zre.ServeConcurrency(0)); err == nil {
			t.Error("a concurrency of 0 is taken")
		}
		startServing(t, node, zre.NewMux())
		synctest.Wait()
		for name, f := range map[string]func(){
			"Serve":  func() { node.Serve(t.Context(), zre.NewMux()) },
			"All":    func() { node.AllEvents(t.Context())(func(zre.Event) bool { return false }) },
			"Events": func() { node.Events() },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s beside Serve did not panic", name)
					}
				}()
				f()
			}()
		}
	})
}
