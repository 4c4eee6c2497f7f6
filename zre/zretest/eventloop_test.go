package zretest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// pairs are two nodes on different hosts, and two in one process.
var pairs = []struct {
	name  string
	hosts func(lan *zretest.LAN) []*zretest.Host
}{
	{"tcp", func(lan *zretest.LAN) []*zretest.Host {
		return []*zretest.Host{lan.Host("10.0.0.1"), lan.Host("10.0.0.2")}
	}},
	{"inproc", func(lan *zretest.LAN) []*zretest.Host {
		h := lan.Host("10.0.0.1")
		return []*zretest.Host{h, h}
	}},
}

// A talker sends messages to its peer in its event loop and continues the loop until it has received as many.
type talker struct {
	node   *zre.Node
	errors []error // of Whisper
	got    int
	exits  []zre.Reason
}

func newTalker(t *testing.T, host *zretest.Host, options ...zre.Option) *talker {
	t.Helper()
	node, err := zre.NewNode(append(options, zre.WithNetwork(host))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &talker{node: node}
}

// talk ends when it has received as many messages as the peer sends, or with ctx. It stops sending at the first error.
func (k *talker) talk(ctx context.Context, messages, size int) {
	frame := make([]byte, size)
	for event := range k.node.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Enter:
			for range messages {
				if err := k.node.Whisper(ctx, e.Peer.UUID, frame); err != nil {
					k.errors = append(k.errors, err)
					break
				}
			}
		case zre.Whisper:
			k.got++
		case zre.Exit:
			k.exits = append(k.exits, e.Reason)
		}
		if k.got == messages {
			return
		}
	}
}

// If two nodes send each other a snapshot in their event loops, both receive it, though neither reads while it sends.
func TestBothSendInTheirLoops(t *testing.T) {
	for _, pair := range pairs {
		for _, size := range []int{1, 1 << 10} {
			t.Run(fmt.Sprint(pair.name, " of ", size), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
					const messages = 20_000
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					var both []*talker
					var done sync.WaitGroup
					for _, host := range pair.hosts(lan) {
						k := newTalker(t, host)
						both = append(both, k)
						done.Go(func() { k.talk(ctx, messages, size) })
					}
					done.Wait()
					for _, k := range both {
						if k.got != messages || len(k.errors)+len(k.exits) > 0 {
							t.Errorf("%d of %d messages came; errors %v, exits %v", k.got, messages, k.errors, k.exits)
						}
					}
				})
			})
		}
	}
}

// If two nodes send each other more than fits the queues, in their event loops, both get an error that says why and what to do. They stay
// connected.
func TestBothSendTooMuchInTheirLoops(t *testing.T) {
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				const messages, size = 20_000, 1 << 10
				limits := zre.WithLimits(zre.Limits{QueueBytes: 1 << 20, EventBytes: 1 << 20})
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				var both []*talker
				var done sync.WaitGroup
				for _, host := range pair.hosts(lan) {
					k := newTalker(t, host, limits)
					both = append(both, k)
					done.Go(func() { k.talk(ctx, messages, size) })
				}
				done.Wait()
				told := 0 // the one that gives up first continues to read, so the other may succeed
				for _, k := range both {
					if len(k.exits) > 0 || k.got == 0 {
						t.Errorf("%d messages came, exits %v", k.got, k.exits)
					}
					for _, err := range k.errors {
						told++
						var failed *zre.PeerError
						if !errors.Is(err, zre.ErrUnreadEvents) || !errors.Is(err, zre.ErrPeerBusy) || !errors.As(err, &failed) || failed.Dropped {
							t.Errorf("the error is %v", err)
						}
					}
				}
				if told == 0 {
					t.Error("no send failed")
				}
			})
		})
	}
}

// An application that reads slowly in another goroutine while it sends can send and receive any amount.
func TestSlowReadersSendMuch(t *testing.T) {
	for _, pair := range pairs {
		for _, test := range []struct {
			size  int
			takes time.Duration // for each message
		}{{1 << 10, 100 * time.Microsecond}, {16 << 10, 2 * time.Millisecond}, {64 << 10, 50 * time.Millisecond}} {
			t.Run(fmt.Sprint(pair.name, " of ", test.size), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
					messages := 96 << 20 / test.size
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
					defer cancel()
					var done sync.WaitGroup
					for _, host := range pair.hosts(lan) {
						k := newTalker(t, host)
						done.Go(func() { k.talkSlowly(t, ctx, messages, test.size, test.takes) })
					}
					done.Wait()
				})
			})
		}
	}
}

// talkSlowly sends in another goroutine and spends takes on each message received.
func (k *talker) talkSlowly(t *testing.T, ctx context.Context, messages, size int, takes time.Duration) {
	var sending sync.WaitGroup
	defer sending.Wait()
	for event := range k.node.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Enter:
			sending.Go(func() {
				frame := make([]byte, size)
				for i := range messages {
					if err := k.node.Whisper(ctx, e.Peer.UUID, frame); err != nil {
						t.Errorf("message %d: %v", i, err)
						return
					}
				}
			})
		case zre.Whisper:
			time.Sleep(takes) // fake time
			k.got++
		case zre.Exit:
			t.Errorf("exit: %v", e.Reason)
		}
		if k.got == messages {
			return
		}
	}
	t.Errorf("%d of %d messages came", k.got, messages)
}
