package zretest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// newNode starts a node whose events the test reads.
func newNode(t *testing.T, host *zretest.Host, options ...zre.Option) *zre.Node {
	t.Helper()
	return newTalker(t, host, options...).node
}

// answerRequests answers requests with answer in an event loop until the test ends.
func answerRequests(t *testing.T, node *zre.Node, answer func(r zre.Request)) {
	var loop sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	loop.Go(func() {
		for event := range node.AllEvents(ctx) {
			if r, ok := event.(zre.Request); ok {
				answer(r)
			}
		}
	})
	t.Cleanup(func() { stop(); loop.Wait() })
}

// echo replies with the frames of the request.
func echo(r zre.Request) { _ = r.Reply(context.Background(), r.Frames...) }

// waitForPeer waits until a node knows a peer.
func waitForPeer(t *testing.T, node *zre.Node, peer uuid.UUID) {
	t.Helper()
	for range 10_000 {
		if _, ok := node.Peer(peer); ok {
			return
		}
		advance(time.Millisecond)
	}
	t.Fatal("the peer was not found")
}

// inPairs runs a test for two nodes that reach each other by TCP, and for two in one process.
func inPairs(t *testing.T, test func(t *testing.T, lan *zretest.LAN, a, b *zretest.Host)) {
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				hosts := pair.hosts(lan)
				test(t, lan, hosts[0], hosts[1])
			})
		})
	}
}

func TestRequest(t *testing.T) {
	inPairs(t, func(t *testing.T, _ *zretest.LAN, here, there *zretest.Host) {
		a, b := zretest.Start(t, here), newNode(t, there, zre.WithName("b"))
		answerRequests(t, b, func(r zre.Request) {
			switch r.Name() {
			case "fail":
				_ = r.ReplyError(t.Context(), "it is \xff broken")
			case "none":
				_ = r.Reply(t.Context())
			case "twice":
				if err := r.Reply(t.Context(), []byte("first")); err != nil {
					t.Error(err)
				}
				if err := r.Reply(t.Context(), []byte("second")); !errors.Is(err, zre.ErrReplied) {
					t.Errorf("the second reply: %v", err)
				}
				if err := r.ReplyError(t.Context(), "third"); !errors.Is(err, zre.ErrReplied) {
					t.Errorf("a third reply: %v", err)
				}
			default:
				echo(r)
			}
		})
		waitForPeer(t, a.Node, b.UUID())
		for _, frames := range [][][]byte{
			{[]byte("echo"), {}, []byte("two")},
			{[]byte("large"), bytes.Repeat([]byte("x"), 300_000), bytes.Repeat([]byte("y"), 70_000)},
			{{}},
			slices.Repeat([][]byte{[]byte("many")}, 500),
		} {
			reply, err := a.Request(t.Context(), b.UUID(), frames...)
			if err != nil || !slices.EqualFunc(reply.Frames, frames, bytes.Equal) {
				t.Errorf("%d frames: %.80q, %v", len(frames), reply.Frames, err)
			}
			reply.Recycle()
			reply.Recycle()
		}
		for _, name := range []string{"none", ""} { // both without frames
			var frames [][]byte
			if name != "" {
				frames = [][]byte{[]byte(name)}
			}
			if reply, err := a.Request(t.Context(), b.UUID(), frames...); err != nil || len(reply.Frames) != 1 || len(reply.Frames[0]) != 0 {
				t.Errorf("%q: %q, %v", name, reply.Frames, err)
			}
		}
		if reply, err := a.Request(t.Context(), b.UUID(), []byte("twice")); err != nil || string(reply.Frames[0]) != "first" {
			t.Errorf("%q, %v", reply.Frames, err)
		}
		_, err := a.Request(t.Context(), b.UUID(), []byte("fail"))
		var failed *zre.ReplyError
		if !errors.As(err, &failed) || failed.Text != "it is ? broken" || failed.UUID != b.UUID() || failed.Name != "b" || errors.Is(err, zre.ErrNoHandler) {
			t.Errorf("the error is %v", err)
		}
		for _, event := range a.Seen() {
			if w, ok := event.(zre.Whisper); ok {
				t.Errorf("a whisper came: %q", w.Frames)
			}
		}
	})
}

func TestRequestErrors(t *testing.T) {
	inPairs(t, func(t *testing.T, _ *zretest.LAN, here, there *zretest.Host) {
		limits := zre.WithLimits(zre.Limits{Requests: 2})
		fresh, err := zre.NewNode(zre.WithNetwork(here))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fresh.Request(t.Context(), uuid.New()); !errors.Is(err, zre.ErrNotStarted) {
			t.Errorf("a request before Start: %v", err)
		}
		fresh.Close()
		if _, err := fresh.Request(t.Context(), uuid.New()); !errors.Is(err, zre.ErrClosed) {
			t.Errorf("a request after Close: %v", err)
		}
		a, silent := zretest.Start(t, here, limits), zretest.Start(t, there) // silent receives requests as events and does not answer them
		if _, err := a.Request(t.Context(), uuid.New(), nil); !errors.Is(err, zre.ErrUnknownPeer) || !errors.Is(err, zre.ErrPeerGone) {
			t.Errorf("an unknown peer: %v", err)
		}
		if _, err := a.Request(t.Context(), a.UUID(), nil); !errors.Is(err, zre.ErrUnknownPeer) {
			t.Errorf("a request to itself: %v", err)
		}
		waitForPeer(t, a.Node, silent.UUID())
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.Request(over, silent.UUID(), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that is over: %v", err)
		}
		if _, err := a.Request(t.Context(), silent.UUID(), make([]byte, 64<<20+1)); !errors.Is(err, zre.ErrTooLarge) {
			t.Errorf("a request that is too large: %v", err)
		}
		began := time.Now()
		_, err = a.Request(contextFor(t, time.Second), silent.UUID(), []byte("?"))
		var failed *zre.PeerError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &failed) || failed.UUID != silent.UUID() || time.Since(began) != time.Second {
			t.Errorf("a peer that does not answer: %v after %v", err, time.Since(began))
		}
		late := zretest.Next[zre.Request](silent)
		if err := late.Reply(t.Context(), []byte("late")); err != nil {
			t.Error(err)
		}
		first, err1 := a.StartRequest(t.Context(), silent.UUID(), []byte("1"))
		second, err2 := a.StartRequest(t.Context(), silent.UUID(), []byte("2"))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if _, err := a.Request(t.Context(), silent.UUID(), []byte("3")); !errors.Is(err, zre.ErrTooManyRequests) {
			t.Errorf("one request too many: %v", err)
		}
		first.Cancel()
		first.Cancel()
		if _, err := first.Result(); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled request: %v", err)
		}
		advance(time.Second) // the late reply is dropped
		select {
		case <-second.Done():
			t.Error("the second request has ended")
		default:
		}
		synctest.Wait()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if _, err := second.Result(); !errors.Is(err, zre.ErrClosed) {
			t.Errorf("a request during Close: %v", err)
		}
	})
}

// A request ends at once when its peer is gone, for whatever reason.
func TestRequestToLeavingPeer(t *testing.T) {
	for _, test := range []struct {
		name   string
		goes   func(node *zretest.Watched, host *zretest.Host)
		within time.Duration
	}{
		{"leaves", func(node *zretest.Watched, _ *zretest.Host) { node.Close() }, time.Second},
		{"is killed", func(_ *zretest.Watched, host *zretest.Host) { host.Kill() }, time.Second},
		{"vanishes", func(_ *zretest.Watched, host *zretest.Host) { host.Crash() }, 40 * time.Second},
		{"has its connections reset", func(_ *zretest.Watched, host *zretest.Host) { host.ResetConnections() }, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				host := lan.Host("10.0.0.2")
				a, b := zretest.Start(t, lan.Host("10.0.0.1")), zretest.Start(t, host)
				waitForPeer(t, a.Node, b.UUID())
				pending, err := a.StartRequest(t.Context(), b.UUID(), []byte("?"))
				if err != nil {
					t.Fatal(err)
				}
				zretest.Next[zre.Request](b)
				began := time.Now()
				test.goes(b, host)
				_, err = pending.Result()
				var failed *zre.PeerError
				if !errors.Is(err, zre.ErrPeerGone) || errors.Is(err, zre.ErrUnknownPeer) || !errors.As(err, &failed) || failed.UUID != b.UUID() {
					t.Errorf("the error is %v", err)
				}
				if took := time.Since(began); took > test.within {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// A request can be made in the event loop, even if more messages are in transit than fit the event queue.
func TestRequestInTheLoop(t *testing.T) {
	for _, size := range []int{1, 3000} {
		t.Run(fmt.Sprint("of ", size), func(t *testing.T) {
			inPairs(t, func(t *testing.T, _ *zretest.LAN, here, there *zretest.Host) {
				const messages = 5000
				a, b := newNode(t, here), zretest.Start(t, there)
				waitForPeer(t, a, b.UUID())
				waitForPeer(t, b.Node, a.UUID())
				var sending sync.WaitGroup
				sending.Go(func() {
					for range messages {
						if err := b.Whisper(t.Context(), a.UUID(), make([]byte, size)); err != nil {
							t.Error(err)
						}
					}
					r := zretest.Next[zre.Request](b)
					if err := r.Reply(t.Context(), []byte("yes")); err != nil {
						t.Error(err)
					}
				})
				got := 0
				for event := range a.AllEvents(contextFor(t, time.Minute)) {
					if _, ok := event.(zre.Whisper); !ok {
						continue
					}
					if got++; got == 1 {
						synctest.Wait()
						began := time.Now()
						reply, err := a.Request(contextFor(t, 10*time.Second), b.UUID(), []byte("?"))
						if err != nil || string(reply.Frames[0]) != "yes" {
							t.Errorf("%q, %v after %v", reply.Frames, err, time.Since(began))
						}
					}
					if got == messages {
						break
					}
				}
				sending.Wait()
				if got != messages {
					t.Errorf("%d messages came", got)
				}
			})
		})
	}
}

// If unread events fill the queue, the reply cannot be read, and the error says so. (Within a process the reply passes them.)
func TestRequestBehindUnreadEvents(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		limits := zre.WithLimits(zre.Limits{EventBytes: 1 << 20, QueueBytes: 1 << 20})
		a, b := newNode(t, lan.Host("10.0.0.1"), limits), newNode(t, lan.Host("10.0.0.2"), limits, zre.WithSendTimeout(time.Minute))
		answerRequests(t, b, echo)
		waitForPeer(t, a, b.UUID())
		waitForPeer(t, b, a.UUID())
		var sending sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		sending.Go(func() {
			for b.Whisper(ctx, a.UUID(), make([]byte, 3000)) == nil {
			}
		})
		advance(time.Second)
		_, err := a.Request(contextFor(t, 10*time.Second), b.UUID(), []byte("?"))
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, zre.ErrUnreadEvents) {
			t.Errorf("the error is %v", err)
		}
		stop()
		sending.Wait()
	})
}

func TestManyRequests(t *testing.T) {
	inPairs(t, func(t *testing.T, _ *zretest.LAN, here, there *zretest.Host) {
		const count = 1000
		a, b := zretest.Start(t, here), zretest.Start(t, there)
		waitForPeer(t, a.Node, b.UUID())
		advance(2 * time.Second)
		before := runtime.NumGoroutine()
		var pending [count]*zre.PendingReply
		for i := range pending {
			var err error
			if pending[i], err = a.StartRequest(contextFor(t, time.Minute), b.UUID(), fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		advance(time.Second)
		if now := runtime.NumGoroutine(); now > before+2 {
			t.Errorf("%d more goroutines", now-before)
		}
		var requests []zre.Request
		for range pending {
			requests = append(requests, zretest.Next[zre.Request](b))
		}
		for _, r := range slices.Backward(requests) { // in any order, each answer finds its request
			if err := r.Reply(t.Context(), r.Frames...); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range pending {
			if reply, err := p.Result(); err != nil || string(reply.Frames[0]) != fmt.Sprint(i) {
				t.Fatalf("request %d: %q, %v", i, reply.Frames, err)
			}
		}
	})
}

// A node that discards messages refuses requests at once, even long ones. Its own requests are answered.
func TestRequestsAndDiscard(t *testing.T) {
	inPairs(t, func(t *testing.T, _ *zretest.LAN, here, there *zretest.Host) {
		a, deaf := newNode(t, here), newNode(t, there, zre.WithSendOnly())
		answerRequests(t, a, echo)
		waitForPeer(t, a, deaf.UUID())
		waitForPeer(t, deaf, a.UUID())
		for _, size := range []int{1, 100_000} {
			began := time.Now()
			if _, err := a.Request(t.Context(), deaf.UUID(), make([]byte, size)); !errors.Is(err, zre.ErrNoHandler) || time.Since(began) > time.Second {
				t.Errorf("a request of %d bytes: %v after %v", size, err, time.Since(began))
			}
			if reply, err := deaf.Request(contextFor(t, time.Second), a.UUID(), make([]byte, size)); err != nil || len(reply.Frames[0]) != size {
				t.Errorf("%d bytes of the other: %v", size, err)
			}
		}
		if got := deaf.Stats().Discarded; got != 2 {
			t.Errorf("%d messages were discarded", got)
		}
	})
}
