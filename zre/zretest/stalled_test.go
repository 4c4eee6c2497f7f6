package zretest_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// While the application reads no events, messages of a peer wait, and so do its answers to PINGs. The peer is not to blame: it stays even
// without beacons, and it does not miss our signs of life.
func TestReaderThatWaitsForTheApplication(t *testing.T) {
	for _, c := range []struct {
		name string
		fill int                                  // JOINs and LEAVEs of another peer, in many groups
		late bool                                 // the peer appears while the application reads no events
		says func(a, peer *zretest.Watched) error // sends what then waits
		came func(a, peer *zretest.Watched) bool  // whether it has arrived
	}{
		{"message", 0, false, func(a, peer *zretest.Watched) error {
			whisper := func() error { return peer.Whisper(t.Context(), a.UUID(), []byte("x")) }
			return errors.Join(whisper(), whisper(), whisper())
		}, func(a, peer *zretest.Watched) bool { return whispers(a.Seen(), peer.UUID()) == 3 }},
		{"JOIN", 1500, false, func(_, peer *zretest.Watched) error { return peer.Join("G") },
			func(a, _ *zretest.Watched) bool { return len(a.PeersIn("G")) == 1 }},
		{"LEAVE", 1500, false, func(_, peer *zretest.Watched) error { return peer.Leave("H") },
			func(a, _ *zretest.Watched) bool { return len(a.PeersIn("H")) == 0 }},
		{"HELLO", 1500, true, func(_, _ *zretest.Watched) error { return nil },
			func(a, _ *zretest.Watched) bool { return len(a.PeersIn("H")) == 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetRouting(true)
				far := lan.Host("10.0.2.1")
				a := zretest.Start(t, lan.Host("10.0.1.1"), zre.WithPeers("tcp://10.0.2.1:5671"), zre.WithLimits(zre.Limits{Events: 1}))
				loud := zretest.Start(t, lan.Host("10.0.1.2"), zre.WithName("loud"))
				var err error
				for i := range 999 {
					err = errors.Join(err, loud.Join(fmt.Sprint(i)))
				}
				var peer *zretest.Watched
				start := func() {
					peer = zretest.Start(t, far, zre.WithName("far"), zre.WithListen("tcp://*:5671"))
					err = errors.Join(err, peer.Join("H"))
				}
				if !c.late {
					start()
				}
				advance(10 * time.Second)
				a.Pause()
				for range c.fill / 2 {
					err = errors.Join(err, loud.Join("more"), loud.Leave("more"))
				}
				advance(time.Second)
				if c.late {
					start()
				}
				if err = errors.Join(err, c.says(a, peer)); err != nil {
					t.Fatal(err)
				}
				advance(5 * time.Minute)
				if _, present := a.Peer(peer.UUID()); present == c.late {
					t.Errorf("while its HELLO waits the peer is present: %v", present)
				}
				if c.came(a, peer) {
					t.Error("the messages of the waiting peer came before its HELLO was accepted")
				}
				a.Resume()
				advance(time.Minute)
				for _, w := range []*zretest.Watched{a, peer} {
					for _, event := range w.Seen() {
						switch event.(type) {
						case zre.Evasive, zre.Silent, zre.Exit:
							t.Errorf("%s got a %T of %s", w.Name(), event, event.From().Name)
						}
					}
				}
				if _, present := a.Peer(peer.UUID()); !present {
					t.Error("the peer is not present")
				}
				if !c.came(a, peer) {
					t.Error("the messages of the waiting peer did not come afterwards")
				}
			})
		})
	}
}

// While the answers of foreign peers wait for the application, they are not asked for a sign of life and do not get another HELLO.
func TestForeignPeerOfABusyApplication(t *testing.T) {
	for _, kind := range foreign {
		t.Run(string(kind), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithLimits(zre.Limits{Events: 1}))
				f := zretest.NewForeign(t, lan.Host("10.0.0.2"), kind)
				zretest.Next[zre.Enter](a)
				advance(10 * time.Second)
				a.Pause()
				for range 5 {
					f.Whisper(a.UUID(), []byte("x"))
				}
				advance(5 * time.Minute)
				a.Resume()
				advance(time.Minute)
				expectEqual(t, "exits", exitReasons(a), nil)
				expectEqual(t, "what it saw", subject{f}.Events(a.UUID()), []string{"enter"})
			})
		})
	}
}

// Long messages of several peers wait for the application, and others wait for room. None of these peers is silent.
func TestReadersThatWaitForRoom(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		const count, size = 5, 1 << 20
		lan.SetRouting(true)
		options := []zre.Option{zre.WithLimits(zre.Limits{Events: 1, PartialBytes: size})}
		for i := range count {
			options = append(options, zre.WithPeers(fmt.Sprintf("tcp://10.0.2.%d:5671", i+1)))
		}
		a := zretest.Start(t, lan.Host("10.0.1.1"), options...)
		var peers []*zretest.Watched
		for i := range count {
			peers = append(peers, zretest.Start(t, lan.Host(fmt.Sprintf("10.0.2.%d", i+1)), zre.WithListen("tcp://*:5671")))
		}
		advance(10 * time.Second)
		a.Pause()
		for _, peer := range peers {
			for range 3 {
				if err := peer.Whisper(t.Context(), a.UUID(), make([]byte, size)); err != nil {
					t.Fatal(err)
				}
			}
		}
		advance(5 * time.Minute)
		a.Resume()
		advance(time.Minute)
		whispers := 0
		for _, event := range a.Seen() {
			switch event.(type) {
			case zre.Whisper:
				whispers++
			case zre.Evasive, zre.Silent, zre.Exit:
				t.Errorf("a got a %T of %s", event, event.From().Name)
			}
		}
		if whispers != 3*count {
			t.Errorf("%d messages, want %d", whispers, 3*count)
		}
	})
}
