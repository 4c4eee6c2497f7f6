package zretest_test

import (
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A peer's state is known when it enters, and changes arrive within milliseconds.
func TestStates(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"))
		if err := a.SetState(zre.StateProcessing); err != nil {
			t.Fatal(err)
		}
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		if e := zretest.Next[zre.Enter](b); e.Peer.State != zre.StateProcessing {
			t.Errorf("a entered in state %v", e.Peer.State)
		}
		if e := zretest.Next[zre.Enter](a); e.Peer.State != zre.StateIdle {
			t.Errorf("b entered in state %v", e.Peer.State)
		}
		advance(10 * time.Second)
		began := time.Now()
		for _, s := range []zre.State{zre.StateError, zre.StateIdle} {
			if err := a.SetState(s); err != nil {
				t.Fatal(err)
			}
			if e := zretest.Next[zre.StateChange](b); e.State != s {
				t.Errorf("state %v, want %v", e.State, s)
			}
		}
		if took := time.Since(began); took > 30*time.Millisecond {
			t.Errorf("two changes took %v", took)
		}
		if p, _ := b.Peer(a.UUID()); p == nil || p.State != zre.StateIdle {
			t.Errorf("the peer is %+v", p)
		}
		advance(10 * time.Second)
		if got := len(b.Seen()); got != 3 {
			t.Errorf("%d events, want Enter and two changes: %v", got, b.Seen())
		}
	})
}

// When a node closes, all its messages are delivered, it is gone for its peers within 10 ms, and no peer dials it again, even if its
// beacons come late.
func TestGoodbye(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetLink(zretest.Link{Latency: time.Millisecond, Jitter: 3 * time.Millisecond, Reorder: 0.5})
		var others []*zretest.Watched
		for _, address := range []string{"10.0.0.2", "10.0.0.3", "10.0.0.4"} {
			others = append(others, zretest.Start(t, lan.Host(address)))
		}
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"), zre.WithBeaconInterval(10*time.Millisecond))
		advance(10 * time.Second)
		for i := range 100 {
			for _, o := range others {
				if err := a.Whisper(t.Context(), o.UUID(), zretest.Number(uint64(i))); err != nil {
					t.Fatal(err)
				}
			}
		}
		began := time.Now()
		go a.Close() // its last farewells take longer
		for _, o := range others {
			o.Wait("the exit of a", func(e zre.Event) bool { _, ok := e.(zre.Exit); return ok && e.From().Name == "a" })
			if took := time.Since(began); took > 10*time.Millisecond {
				t.Errorf("a was gone after %v", took)
			}
		}
		advance(5 * time.Second)
		for _, o := range others {
			whispers, exits := 0, 0
			for _, e := range o.Seen() {
				switch e := e.(type) {
				case zre.Whisper:
					whispers++
				case zre.Exit:
					if exits++; e.Reason != zre.ReasonLeft {
						t.Errorf("the peer exits: %v", e.Reason)
					}
				}
			}
			if whispers != 100 || exits != 1 {
				t.Errorf("%d whispers and %d exits, want 100 and 1", whispers, exits)
			}
		}
	})
}

// A killed process is gone for its peers within 100 ms.
func TestKillIsSeenAtOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"))
		host := lan.Host("10.0.0.2")
		zretest.Start(t, host, zre.WithName("b"))
		zretest.Next[zre.Enter](a)
		advance(20 * time.Second)
		began := time.Now()
		host.Kill()
		if e := zretest.Next[zre.Exit](a); e.Reason != zre.ReasonCrashed {
			t.Errorf("the peer exits: %v", e.Reason)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("the exit came after %v", took)
		}
	})
}

// In a group with a frozen member, shouts wait for the send timeout once, and then are not delayed.
func TestShoutsBesideFrozenMember(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithSendTimeout(2*time.Second),
			zre.WithLimits(zre.Limits{QueueMessages: 50}))
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		frozen := lan.Host("10.0.0.3")
		c := zretest.Start(t, frozen, zre.WithName("c"))
		for _, n := range []*zretest.Watched{a, b, c} {
			if err := n.Join("G"); err != nil {
				t.Fatal(err)
			}
		}
		advance(time.Second)
		frozen.Freeze()
		slow, longest := 0, time.Duration(0)
		for i := range 500 {
			began := time.Now()
			err := a.Shout(t.Context(), "G", zretest.Number(uint64(i)), make([]byte, 10_000))
			took := time.Since(began)
			longest = max(longest, took)
			if took > 100*time.Millisecond {
				slow++
			} else if err != nil {
				t.Fatal(err)
			}
			if p, ok := a.Peer(c.UUID()); ok && p.QueuedMessages > 50 {
				t.Fatalf("%d messages wait", p.QueuedMessages)
			}
		}
		if slow != 1 || longest > 2100*time.Millisecond {
			t.Errorf("%d shouts were slow, the longest took %v", slow, longest)
		}
		b.Wait("the last shout", func(e zre.Event) bool {
			s, ok := e.(zre.Shout)
			if !ok {
				return false
			}
			n, _ := zretest.ParseNumber(s.Frames[0])
			return n == 499
		})
		frozen.Thaw()
		advance(time.Minute)
	})
}

// With the automatic state a node is RECEIVING while messages arrive, PROCESSING while its application lags, and finally IDLE.
func TestAutoState(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"))
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"), zre.WithAutoState())
		zretest.Next[zre.Enter](a)
		advance(time.Second)
		feed := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); advance(10 * time.Millisecond) {
				if err := a.Whisper(t.Context(), b.UUID(), []byte("work")); err != nil {
					t.Fatal(err)
				}
			}
		}
		feed(2 * time.Second)
		b.Pause()
		feed(2 * time.Second)
		b.Resume()
		advance(2 * time.Second)
		if err := b.SetState(zre.StateError); err != nil {
			t.Fatal(err)
		}
		feed(time.Second)
		if err := b.SetState(zre.StateIdle); err != nil {
			t.Fatal(err)
		}
		advance(time.Second)
		var got []zre.State
		for _, e := range a.Seen() {
			if s, ok := e.(zre.StateChange); ok {
				got = append(got, s.State)
			}
		}
		want := []zre.State{zre.StateReceiving, zre.StateProcessing, zre.StateIdle, zre.StateError, zre.StateReceiving, zre.StateIdle}
		expectEqual(t, "states", got, want)
	})
}

// Work goes to idle members, and to none if all are busy.
func TestChoose(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		broker := zretest.Start(t, lan.Host("10.0.0.1"))
		workers := make(map[string]*zretest.Watched)
		for i, name := range []string{"a", "b", "c"} {
			w := zretest.Start(t, lan.Host("10.0.0."+string(rune('2'+i))), zre.WithName(name))
			if err := w.Join("WORK"); err != nil {
				t.Fatal(err)
			}
			workers[name] = w
		}
		set := func(name string, s zre.State) {
			if err := workers[name].SetState(s); err != nil {
				t.Fatal(err)
			}
			advance(100 * time.Millisecond)
		}
		chosen := func(what, want string, states ...zre.State) {
			names := make(map[string]bool)
			for range 100 {
				if p, ok := broker.Choose("WORK", states...); ok {
					names[p.Name] = true
				}
			}
			list := ""
			for _, name := range []string{"a", "b", "c"} {
				if names[name] {
					list += name
				}
			}
			if list != want {
				t.Errorf("%s: %q chosen, want %q", what, list, want)
			}
		}
		advance(time.Second)
		chosen("all idle", "abc")
		set("a", zre.StateProcessing)
		chosen("a is busy", "bc")
		set("b", zre.StateReceiving)
		chosen("b receives", "c")
		set("c", zre.StateError)
		chosen("b is all that is left", "b")
		set("b", zre.StateInit)
		chosen("nobody", "")
		chosen("busy ones, if asked for", "c", zre.StateError, zre.StateProcessing)
		if _, ok := broker.Choose("NOBODY"); ok {
			t.Error("a member of an empty group")
		}
	})
}

// A slow peer that continues to read is not dropped, even if it needs longer than the send timeout for a large part of its queue.
func TestSlowIsNotDead(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithSendTimeout(2*time.Second), zre.WithLimits(zre.Limits{QueueMessages: 1_000}))
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		zretest.Next[zre.Enter](a)
		advance(time.Second)
		lan.SetLink(zretest.Link{Latency: time.Millisecond, Bandwidth: 200_000})
		const count = 4_000
		for i := range count {
			if err := a.Whisper(t.Context(), b.UUID(), zretest.Number(uint64(i)), make([]byte, 1_000)); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		b.Wait("the last whisper", func(e zre.Event) bool {
			w, ok := e.(zre.Whisper)
			if !ok {
				return false
			}
			n, _ := zretest.ParseNumber(w.Frames[0])
			return n == count-1
		})
	})
}
