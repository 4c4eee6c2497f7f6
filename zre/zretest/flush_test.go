package zretest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// Flush returns when the peer has read everything sent before, on each transport. PINGs that overtake it meanwhile are no answer to it.
func TestFlush(t *testing.T) {
	for _, test := range []struct {
		transport string
		least     time.Duration // minimum time for the messages
	}{{"inproc", 0}, {"ipc", 0}, {"tcp", 3 * time.Second}} {
		for _, pings := range []time.Duration{0, 50 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s, a PING every %v", test.transport, pings), func(t *testing.T) {
				inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
					lan.SetLink(slow)
					here := lan.Host("10.0.0.1")
					there := map[string]*zretest.Host{"inproc": here, "ipc": here.Process(), "tcp": lan.Host("10.0.0.2")}[test.transport]
					bob := zretest.Start(t, there, zre.WithName("bob"))
					alice := zretest.Start(t, here, zre.WithName("alice"))
					zretest.Next[zre.Enter](bob)
					zretest.Next[zre.Enter](alice)
					advance(time.Second)
					if p, _ := alice.Peer(bob.UUID()); p.Transport != test.transport {
						t.Fatalf("the transport is %s", p.Transport)
					}
					if pings > 0 {
						defer pingEvery(t, alice, bob.UUID(), pings)()
					}
					for round := 1; round <= 3; round++ {
						began := time.Now()
						sendMany(t, alice, bob.UUID(), 20)
						if err := alice.Flush(t.Context(), bob.UUID()); err != nil {
							t.Fatal(err)
						}
						took := time.Since(began)
						synctest.Wait()
						if got := whispers(bob.Seen(), alice.UUID()); got != 20*round || took < test.least {
							t.Errorf("after %v bob has %d messages of %d", took, got, 20*round)
						}
					}
				})
			})
		}
	}
}

// pingEvery PINGs a peer repeatedly until end is called. A PING does not wait for queued messages.
func pingEvery(t *testing.T, from *zretest.Watched, to uuid.UUID, pause time.Duration) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if took, err := from.Ping(ctx, to); err == nil && took > time.Second {
				t.Errorf("a PING took %v", took)
			}
			time.Sleep(pause)
		}
	}()
	return func() { cancel(); <-done }
}

// The other implementations answer in order, too.
func TestFlushForeign(t *testing.T) {
	for _, kind := range []zretest.Implementation{zretest.Zyre, zretest.Pyre, zretest.ZyreJS} {
		t.Run(string(kind), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetLink(slow)
				alice := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("alice"))
				f := zretest.NewForeign(t, lan.Host("10.0.0.2"), kind)
				zretest.Next[zre.Enter](alice)
				advance(3 * time.Second)
				defer pingEvery(t, alice, f.UUID(), 100*time.Millisecond)()
				for round := 1; round <= 3; round++ {
					sendMany(t, alice, f.UUID(), 10)
					if err := alice.Flush(t.Context(), f.UUID()); err != nil {
						t.Fatal(err)
					}
					if got := whispers(f.Seen(), alice.UUID()); got != 10*round {
						t.Errorf("it has %d messages of %d", got, 10*round)
					}
				}
			})
		})
	}
}

// Reasons that end a Flush before the answer.
func TestFlushEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		does func(alice, bob *zretest.Watched, host *zretest.Host, cancel func())
		want error
	}{
		{"its context", func(_, _ *zretest.Watched, _ *zretest.Host, cancel func()) { cancel() }, context.Canceled},
		{"the peer leaves", func(_, bob *zretest.Watched, _ *zretest.Host, _ func()) { bob.Close() }, zre.ErrUnknownPeer},
		{"the peer is killed", func(_, _ *zretest.Watched, host *zretest.Host, _ func()) { host.Kill() }, zre.ErrUnknownPeer},
		{"the node is closed", func(alice, _ *zretest.Watched, _ *zretest.Host, _ func()) { alice.Close() }, zre.ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetLink(slow)
				host := lan.Host("10.0.0.2")
				bob := zretest.Start(t, host, zre.WithName("bob"))
				alice := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("alice"), zre.WithLinger(0))
				zretest.Next[zre.Enter](alice)
				sendMany(t, alice, bob.UUID(), 40)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				result := make(chan error)
				go func() { result <- alice.Flush(ctx, bob.UUID()) }()
				advance(time.Second)
				test.does(alice, bob, host, cancel)
				err := <-result
				var failed *zre.PeerError
				if !errors.Is(err, test.want) || errors.As(err, &failed) != (test.want == zre.ErrUnknownPeer) {
					t.Errorf("Flush: %v, want %v", err, test.want)
				}
			})
		})
	}
}

// An impossible Flush is an error at once.
func TestFlushErrors(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetLink(slow)
		fresh, err := zre.NewNode(zre.WithNetwork(lan.Host("10.0.0.3")))
		if err != nil {
			t.Fatal(err)
		}
		defer fresh.Close()
		if err := fresh.Flush(t.Context(), uuid.New()); !errors.Is(err, zre.ErrNotStarted) {
			t.Errorf("Flush before Start: %v", err)
		}
		_, nodes := startMeeting(t, lan, 2)
		alice, bob := nodes[0], nodes[1]
		var failed *zre.PeerError
		if err := alice.Flush(t.Context(), uuid.New()); !errors.Is(err, zre.ErrUnknownPeer) || !errors.As(err, &failed) {
			t.Errorf("Flush of an unknown peer: %v", err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if err := alice.Flush(ended, bob.UUID()); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
		sendMany(t, alice, bob.UUID(), 40)
		results := make(chan error, 100)
		for range cap(results) {
			go func() { results <- alice.Flush(t.Context(), bob.UUID()) }()
		}
		synctest.Wait()
		if err := alice.Flush(t.Context(), bob.UUID()); !errors.Is(err, zre.ErrPeerBusy) || !errors.As(err, &failed) {
			t.Errorf("one Flush too many: %v", err)
		}
		for range cap(results) {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if got := whispers(bob.Seen(), alice.UUID()); got != 40 {
			t.Errorf("bob has %d messages of 40", got)
		}
	})
}
