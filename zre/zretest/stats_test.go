package zretest_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// What one node sends on each transport equals what the others count as received. The counts remain when the sessions are over.
func TestStats(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		here := lan.Host("10.0.0.1")
		a := zretest.Start(t, here, zre.WithName("a"))
		others := map[string]*zretest.Watched{
			"inproc": zretest.Start(t, here, zre.WithName("inproc")),
			"ipc":    zretest.Start(t, here.Process(), zre.WithName("ipc")),
			"tcp":    zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("tcp")),
		}
		for _, o := range others {
			if err := o.Join("G"); err != nil {
				t.Fatal(err)
			}
		}
		advance(time.Second)
		for _, o := range others {
			for range 3 {
				if err := a.Whisper(t.Context(), o.UUID(), []byte("12345"), []byte("67")); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 2 {
			if err := a.Shout(t.Context(), "G", []byte("1234")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Ping(t.Context(), others["tcp"].UUID()); err != nil {
			t.Fatal(err)
		}
		advance(time.Second)

		each := zre.Traffic{Whispers: 3, Shouts: 2, Bytes: 3*7 + 2*4}
		all := zre.Traffic{Whispers: 9, Shouts: 6, Bytes: 3 * each.Bytes}
		st := a.Stats()
		for name, o := range others {
			if got, want := st.Transports[name], (zre.TransportStats{Peers: 1, Sent: each}); got != want {
				t.Errorf("%s: sent %+v, want %+v", name, got, want)
			}
			theirs := o.Stats()
			if theirs.Received != each || theirs.Transports[name].Received != each {
				t.Errorf("%s: received %+v, want %+v", name, theirs.Received, each)
			}
			p, ok := o.PeerStats(a.UUID())
			if !ok || p.Received != each || p.SessionState != "ready" || p.Sent != (zre.Traffic{}) {
				t.Errorf("%s: figures of the peer %+v, %v", name, p, ok)
			}
		}
		if p, ok := a.PeerStats(others["tcp"].UUID()); !ok || p.RTT != 2*time.Millisecond || p.Sent != each || p.Since.IsZero() {
			t.Errorf("figures of the peer by tcp: %+v, %v", p, ok)
		}
		if st.Sent != all || st.Peers != 3 || st.Enters != 3 || st.Sessions["ready"] != 3 || st.Dials < 3 || st.DialsFailed != 0 {
			t.Errorf("figures: %+v", st)
		}
		if st.Accepted == 0 || st.BeaconsSent == 0 || st.BeaconsHeard == 0 || st.Started.IsZero() || st.Limits.Events != 1024 {
			t.Errorf("figures: %+v", st)
		}

		for _, o := range others {
			o.Close()
		}
		advance(3 * time.Second)
		if _, ok := a.PeerStats(others["tcp"].UUID()); ok {
			t.Error("figures of a peer that left")
		}
		st = a.Stats()
		if st.Sent != all || st.Peers != 0 || st.Exits[zre.ReasonLeft] != 3 || st.Lost != 0 || st.Sessions["ready"] != 0 {
			t.Errorf("figures after they left: %+v", st)
		}
		a.Close()
		if after := a.Stats(); after.Sent != all || after.Enters != 3 {
			t.Errorf("figures after Close: %+v", after)
		}
	})
}

// Waiting messages are counted where they wait. Messages that are lost are counted once.
func TestStatsOfSlowPeer(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"))
		far := lan.Host("10.0.0.2")
		b := zretest.Start(t, far, zre.WithName("b"), zre.WithLimits(zre.Limits{Events: 10}))
		zretest.Next[zre.Enter](a)
		zretest.Next[zre.Enter](b)
		b.Pause()
		advance(time.Second)
		const count, size = 1000, 10_000
		for range count {
			if err := a.Whisper(t.Context(), b.UUID(), make([]byte, size)); err != nil {
				t.Fatal(err)
			}
		}
		advance(time.Second)
		st, theirs := a.Stats(), b.Stats()
		if st.Sent.Whispers != count || st.QueuedMessages == 0 || st.QueuedBytes < size || st.QueueMemory == 0 {
			t.Errorf("figures of the sender: %+v", st)
		}
		if theirs.WaitingEvents < 10 || theirs.WaitingBytes < 10*size {
			t.Errorf("figures of the receiver: %+v", theirs)
		}
		far.Kill()
		advance(5 * time.Second)
		st = a.Stats()
		if st.Exits[zre.ReasonCrashed] != 1 || st.Lost == 0 || st.Lost > count || st.QueuedMessages != 0 || st.QueueMemory != 0 {
			t.Errorf("figures after the receiver's end: %+v", st)
		}
		lost := st.Lost
		advance(5 * time.Second)
		if got := a.Stats().Lost; got != lost {
			t.Errorf("%d messages lost, then %d", lost, got)
		}
		if st.DialsFailed == 0 {
			t.Errorf("no dial failed: %+v", st)
		}
	})
}

// Messages that are never read are counted only as discarded.
func TestStatsWithDiscard(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"))
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"), zre.WithSendOnly())
		zretest.Next[zre.Enter](a)
		for range 5 {
			if err := a.Whisper(t.Context(), b.UUID(), []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		advance(time.Second)
		if st := b.Stats(); st.Discarded != 5 || st.Received != (zre.Traffic{}) {
			t.Errorf("figures: %+v", st)
		}
	})
}

// A node that was never started has all keys and no counts.
func TestStatsBeforeStart(t *testing.T) {
	node, err := zre.NewNode()
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	st := node.Stats()
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		if got, ok := st.Transports[transport]; !ok || got != (zre.TransportStats{}) {
			t.Errorf("%s: %+v, %v", transport, got, ok)
		}
	}
	if len(st.Exits) != int(zre.ReasonRefused) || len(st.Sessions) != 8 || !st.Started.IsZero() || st.Limits.Events == 0 {
		t.Errorf("figures: %+v", st)
	}
	for reason := range maps.Keys(st.Exits) {
		if reason.String() == "unknown" {
			t.Errorf("a figure has the reason %d", reason)
		}
	}
}

// Requests and replies count as whispers of both nodes, and are also counted separately.
func TestStatsOfRequests(t *testing.T) {
	inPairs(t, func(t *testing.T, _ *zretest.LAN, here, there *zretest.Host) {
		a, b := zretest.Start(t, here), newNode(t, there)
		answerRequests(t, b, func(r zre.Request) {
			switch r.Name() {
			case "echo":
				echo(r)
			case "fail":
				_ = r.ReplyError(t.Context(), "no")
			}
		})
		waitForPeer(t, a.Node, b.UUID())
		if _, err := a.Request(t.Context(), b.UUID(), []byte("echo")); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Request(t.Context(), b.UUID(), []byte("fail")); err == nil {
			t.Error("the call returned no error")
		}
		pending, err := a.StartRequest(t.Context(), b.UUID(), []byte("wait"))
		if err != nil {
			t.Fatal(err)
		}
		late, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.Request(late, b.UUID(), []byte("echo")); err == nil {
			t.Error("the call returned no error")
		}
		advance(time.Second)
		const head = 14
		st, theirs := a.Stats(), b.Stats()
		sent := zre.Traffic{Whispers: 3, Bytes: 3 * (head + 4)}
		received := zre.Traffic{Whispers: 2, Bytes: head + 4 + head + 1 + 2}
		if st.Sent != sent || theirs.Received != sent || st.Received != received || theirs.Sent != received {
			t.Errorf("sent %+v, %+v arrived; received %+v of %+v", st.Sent, theirs.Received, st.Received, theirs.Sent)
		}
		if of, ok := a.PeerStats(b.UUID()); !ok || of.Received != received {
			t.Errorf("of the peer %+v", of)
		}
		if st.Requests != 3 || st.Replies != 2 || st.WaitingRequests != 1 || st.StrayReplies != 0 || theirs.Requests != 0 || theirs.WaitingRequests != 0 {
			t.Errorf("%d requests, %d replies, %d wait, %d stray", st.Requests, st.Replies, st.WaitingRequests, st.StrayReplies)
		}
		pending.Cancel()
		if st := a.Stats(); st.WaitingRequests != 0 {
			t.Errorf("%d requests still wait", st.WaitingRequests)
		}
	})
}
