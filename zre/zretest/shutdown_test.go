package zretest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

const mebibyte = 1 << 20

// slow is a link of 50 Mbit/s.
var slow = zretest.Link{Latency: time.Millisecond, Bandwidth: 6 * mebibyte}

// whispers counts those that a node has received from another.
func whispers(seen []zre.Event, from uuid.UUID) (count int) {
	for _, e := range seen {
		if w, ok := e.(zre.Whisper); ok && w.Peer.UUID == from {
			count++
		}
	}
	return count
}

// sendMany whispers count messages of one mebibyte.
func sendMany(t *testing.T, from *zretest.Watched, to uuid.UUID, count int) {
	t.Helper()
	for range count {
		if err := from.Whisper(t.Context(), to, make([]byte, mebibyte)); err != nil {
			t.Fatal(err)
		}
	}
}

// exitOf waits for the exit of a peer.
func exitOf(n *zretest.Watched, id uuid.UUID) zre.Exit {
	return n.Wait("Exit", func(e zre.Event) bool {
		exit, ok := e.(zre.Exit)
		return ok && exit.Peer.UUID == id
	}).(zre.Exit)
}

// A node that closes sends queued messages as long as it may. Both sides report exactly which messages did not get through.
func TestCloseReportsLosses(t *testing.T) {
	const count = 40
	for _, test := range []struct {
		name     string
		linger   time.Duration
		same     bool // the receiver is another process of the same host
		complete bool
		within   time.Duration
	}{
		{"no time", 0, false, false, 200 * time.Millisecond},
		{"too little time", time.Second, false, false, 1200 * time.Millisecond},
		{"enough time", time.Minute, false, true, 8 * time.Second},
		{"ipc", time.Minute, true, true, time.Second},
		{"ipc, to an application that hangs", time.Second, true, false, 1200 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetLink(slow)
				here, there := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
				if test.same {
					there = here.Process()
				}
				bob := zretest.Start(t, there, zre.WithName("bob"), zre.WithLimits(zre.Limits{Events: 5}))
				alice := zretest.Start(t, here, zre.WithName("alice"), zre.WithLinger(test.linger))
				zretest.Next[zre.Enter](alice)
				zretest.Next[zre.Enter](bob)
				if test.same && !test.complete {
					bob.Pause()
					defer time.AfterFunc(5*time.Second, bob.Resume).Stop()
				}
				sendMany(t, alice, bob.UUID(), count)
				began := time.Now()
				err := alice.Close()
				if took := time.Since(began); took > test.within {
					t.Errorf("Close took %v", took)
				}
				exit := exitOf(bob, alice.UUID())
				got := whispers(bob.Seen(), alice.UUID())
				if again := alice.Close(); again != err {
					t.Errorf("a second Close returns %v, the first %v", again, err)
				}
				if test.complete {
					if err != nil || got != count || exit.Reason != zre.ReasonLeft {
						t.Errorf("bob got %d of %d, and alice %v; Close: %v", got, count, exit.Reason, err)
					}
					return
				}
				var lost *zre.LostError
				if !errors.As(err, &lost) || lost.UUID != bob.UUID() || lost.Name != "bob" || lost.Messages != count-got ||
					exit.Reason != zre.ReasonLostMessages || !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("bob got %d of %d, and alice %v; Close: %v", got, count, exit.Reason, err)
				}
				if most := int64(count-got) * (mebibyte + 100); lost.Bytes > most || lost.Bytes <= most-2*mebibyte {
					t.Errorf("%d bytes of %d messages are lost", lost.Bytes, lost.Messages)
				}
				text := fmt.Sprintf("close: peer bob (%s): %d messages were not sent (%d bytes): the linger time of %v was over",
					bob.UUID(), lost.Messages, lost.Bytes, test.linger)
				if err.Error() != text {
					t.Errorf("the error is %q, want %q", err, text)
				}
			})
		})
	}
}

// Of several peers only the slow one has a loss, and the others do not wait for it.
func TestShutdownOfSeveral(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		_, nodes := startMeeting(t, lan, 4)
		alice, hosts := nodes[0], nodes[1:]
		foreign := zretest.NewForeign(t, lan.Host("10.0.0.9/16"), zretest.Zyre)
		zretest.Next[zre.Enter](alice)
		lan.SetLink(slow)
		counts := []int{30, 3, 0}
		for i, n := range hosts {
			sendMany(t, alice, n.UUID(), counts[i])
		}
		sendMany(t, alice, foreign.UUID(), 2)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := alice.Shutdown(ctx)
		lost := zre.Losses(err)
		if len(lost) != 1 || lost[0].Name != hosts[0].Name() || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Shutdown: %v", err)
		}
		advance(time.Second)
		for i, n := range hosts {
			want, reason := counts[i], zre.ReasonLeft
			if i == 0 {
				want, reason = want-lost[0].Messages, zre.ReasonLostMessages
			}
			if exit := exitOf(n, alice.UUID()); whispers(n.Seen(), alice.UUID()) != want || exit.Reason != reason {
				t.Errorf("%s got %d messages, want %d; alice %v", n.Name(), whispers(n.Seen(), alice.UUID()), want, exit.Reason)
			}
		}
		if got := whispers(foreign.Seen(), alice.UUID()); got != 2 {
			t.Errorf("the foreign peer got %d of 2", got)
		}
	})
}

// If its context has no end, Shutdown waits until everything is sent or the peer is gone. In the second case the queued messages are lost.
func TestShutdownWaits(t *testing.T) {
	for _, test := range []struct {
		name   string
		peer   func(bob *zretest.Watched, host *zretest.Host)
		lost   bool
		reason string
	}{
		{"it reads", func(*zretest.Watched, *zretest.Host) {}, false, ""},
		{"it closes", func(bob *zretest.Watched, _ *zretest.Host) { bob.Close() }, true, "the peer left"},
		{"it is killed", func(_ *zretest.Watched, host *zretest.Host) { host.Kill() }, true, "the connection broke"},
		{"its host vanishes", func(_ *zretest.Watched, host *zretest.Host) { host.Freeze() }, true, "the peer is gone (expired)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetLink(slow)
				host := lan.Host("10.0.0.2")
				bob := zretest.Start(t, host, zre.WithName("bob"))
				alice := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("alice"))
				zretest.Next[zre.Enter](alice)
				sendMany(t, alice, bob.UUID(), 60)
				result := make(chan error)
				go func() { result <- alice.Shutdown(context.Background()) }()
				advance(2 * time.Second)
				if err := alice.Whisper(t.Context(), bob.UUID(), nil); !errors.Is(err, zre.ErrClosed) {
					t.Errorf("Whisper: %v", err)
				}
				if _, present := bob.Peer(alice.UUID()); !present {
					t.Error("alice is gone while it sends")
				}
				test.peer(bob, host)
				err := <-result
				advance(time.Second)
				if lost := zre.Losses(err); (len(lost) == 1) != test.lost || err != nil && !strings.HasSuffix(err.Error(), ": "+test.reason) {
					t.Errorf("Shutdown: %v", err)
				}
				if got := whispers(bob.Seen(), alice.UUID()); !test.lost && got != 60 {
					t.Errorf("bob got %d of 60", got)
				}
			})
		})
	}
}

// A closing node reads no more events. Peers that send to it must not give it up for that while it still sends.
func TestShutdownUnderFlood(t *testing.T) {
	for _, all := range []bool{true, false} {
		t.Run(fmt.Sprint("with All ", all), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetLink(slow)
				bob := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("bob"))
				alice, err := zre.NewNode(zre.WithNetwork(lan.Host("10.0.0.1")), zre.WithName("alice"), zre.WithLimits(zre.Limits{Events: 10}))
				if err != nil {
					t.Fatal(err)
				}
				if err := alice.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				if all {
					for e := range alice.AllEvents(t.Context()) {
						if _, ok := e.(zre.Enter); ok {
							break
						}
					}
				} else {
					<-alice.Events()
				}
				zretest.Next[zre.Enter](bob)
				var flood sync.WaitGroup
				flood.Go(func() {
					for {
						if err := bob.Whisper(t.Context(), alice.UUID(), make([]byte, 10_000)); err != nil {
							if errors.Is(err, zre.ErrPeerBusy) {
								t.Error(err)
							}
							return
						}
					}
				})
				for range 60 {
					if err := alice.Whisper(t.Context(), bob.UUID(), make([]byte, mebibyte)); err != nil {
						t.Fatal(err)
					}
				}
				if err := alice.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				flood.Wait()
				exit := exitOf(bob, alice.UUID())
				if got := whispers(bob.Seen(), alice.UUID()); got != 60 || exit.Reason != zre.ReasonLeft {
					t.Errorf("bob got %d of 60, and alice %v", got, exit.Reason)
				}
			})
		})
	}
}

// A Close during a Shutdown ends it after the linger time. All calls return the same.
func TestCloseBesideShutdown(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetLink(slow)
		bob := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("bob"))
		alice := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("alice"), zre.WithLinger(time.Second))
		zretest.Next[zre.Enter](alice)
		sendMany(t, alice, bob.UUID(), 60)
		results := make(chan error, 3)
		go func() { results <- alice.Shutdown(context.Background()) }()
		advance(2 * time.Second)
		began := time.Now()
		for range 2 {
			go func() { results <- alice.Close() }()
		}
		first := <-results
		if second, third := <-results, <-results; len(zre.Losses(first)) != 1 || first != second || first != third {
			t.Errorf("Shutdown and Close returned %v; %v; %v", first, second, third)
		}
		if took := time.Since(began); took < time.Second || took > 1200*time.Millisecond {
			t.Errorf("closing took %v", took)
		}
		if exit := exitOf(bob, alice.UUID()); exit.Reason != zre.ReasonLostMessages {
			t.Errorf("alice exits: %v", exit.Reason)
		}
	})
}

// Messages queued for a peer that is not connected yet are sent once it is, or reported.
func TestShutdownBeforeConnection(t *testing.T) {
	for _, test := range []struct {
		name   string
		linger time.Duration
		lost   int
	}{{"long", 10 * time.Second, 0}, {"short", 100 * time.Millisecond, 3}, {"none", 0, 3}} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				var wall atomic.Bool
				wall.Store(true)
				here, there := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
				bob := zretest.Start(t, there, zre.WithName("bob"))
				alice := zretest.Start(t, blockedDials{here, "10.0.0.2", &wall, syscall.EHOSTUNREACH}, zre.WithName("alice"), zre.WithLinger(test.linger))
				zretest.Next[zre.Enter](alice) // bob dials it
				for range 3 {
					if err := alice.Whisper(t.Context(), bob.UUID(), []byte("early")); err != nil {
						t.Fatal(err)
					}
				}
				advance(10 * time.Millisecond) // the first dial has failed
				time.AfterFunc(time.Second, func() { wall.Store(false) })
				err := alice.Close()
				advance(2 * time.Second)
				if got := whispers(bob.Seen(), alice.UUID()); got != 3-test.lost {
					t.Errorf("bob got %d messages", got)
				}
				lost := zre.Losses(err)
				switch {
				case test.lost == 0 && err != nil:
					t.Errorf("Close: %v", err)
				case test.lost > 0 && (len(lost) != 1 || lost[0].Messages != test.lost || lost[0].Name != "bob" || !errors.Is(err, syscall.EHOSTUNREACH)):
					t.Errorf("Close: %v", err)
				}
			})
		})
	}
}

// Within a process everything arrives, however short the time.
func TestCloseWithinProcess(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		host := lan.Host("10.0.0.1")
		bob := zretest.Start(t, host, zre.WithName("bob"))
		alice := zretest.Start(t, host, zre.WithName("alice"), zre.WithLinger(0))
		zretest.Next[zre.Enter](alice)
		zretest.Next[zre.Enter](bob)
		bob.Pause()
		for i := range uint64(3000) { // more than the event queue holds
			if err := alice.Whisper(t.Context(), bob.UUID(), zretest.Number(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := alice.Close(); err != nil {
			t.Error(err)
		}
		bob.Resume()
		exit := exitOf(bob, alice.UUID())
		synctest.Wait()
		if got := whispers(bob.Seen(), alice.UUID()); got != 3000 || exit.Reason != zre.ReasonLeft {
			t.Errorf("bob got %d of 3000, and alice %v", got, exit.Reason)
		}
	})
}

// A peer of another implementation that says farewell has left, though it sends no GOODBYE.
func TestFarewellWithoutGoodbye(t *testing.T) {
	for _, kind := range []zretest.Implementation{zretest.Zyre, zretest.Pyre, zretest.ZyreJS} {
		t.Run(string(kind), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetLink(slow)
				alice := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("alice"))
				f := zretest.NewForeign(t, lan.Host("10.0.0.2"), kind)
				zretest.Next[zre.Enter](alice)
				advance(3 * time.Second)
				for range 20 {
					f.Whisper(alice.UUID(), make([]byte, mebibyte))
				}
				f.Stop()
				if exit := exitOf(alice, f.UUID()); exit.Reason != zre.ReasonLeft {
					t.Errorf("the peer exits: %v", exit.Reason)
				}
			})
		})
	}
}
