package zretest_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// counts counts the events of each type that a node has seen of others, and Exits by their reasons.
func counts(w *zretest.Watched) map[string]int {
	all := make(map[string]int)
	for _, event := range w.Seen() {
		if _, ok := event.(zre.Problem); ok {
			continue // an event of this node
		}
		name := fmt.Sprintf("%T", event)
		if e, ok := event.(zre.Exit); ok {
			name += " " + e.Reason.String()
		}
		all[name]++
	}
	return all
}

// expectCounts compares what a node has seen with want: event types and their counts.
func expectCounts(t *testing.T, w *zretest.Watched, want map[string]int) {
	t.Helper()
	if got := counts(w); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s saw %v, want %v", w.Name(), got, want)
	}
}

// Peers that beacons do not reach are met by their endpoints, named by one side or both, by address or host name, once each, and stay.
func TestStaticPeers(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetRouting(true)
		lan.SetHostName("a.example", "10.0.1.1")
		a := zretest.Start(t, lan.Host("10.0.1.1"), zre.WithName("a"), zre.WithListen("tcp://*:5671"), zre.WithPeers("tcp://10.0.2.1:5671", "tcp://10.0.1.1:5671"))
		b := zretest.Start(t, lan.Host("10.0.2.1"), zre.WithName("b"), zre.WithListen("tcp://*:5671"), zre.WithPeers("tcp://10.0.1.1:5671"))
		c := zretest.Start(t, lan.Host("10.0.3.1"), zre.WithName("c"), zre.WithPeers("tcp://a.example:5671"))
		advance(5 * time.Minute)
		expectCounts(t, a, map[string]int{"zre.Enter": 2})
		expectCounts(t, b, map[string]int{"zre.Enter": 1})
		expectCounts(t, c, map[string]int{"zre.Enter": 1})
		if err := a.Whisper(t.Context(), c.UUID(), []byte("over the router")); err != nil {
			t.Error(err)
		}
		zretest.Next[zre.Whisper](c)
	})
}

// Any node at an endpoint is met: one that comes later, and the successor of one that left. A host name leads to its current address.
func TestStaticPeerRestarts(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetRouting(true)
		lan.SetHostName("service", "10.0.1.1")
		a := zretest.Start(t, lan.Host("10.0.2.1"), zre.WithName("a"), zre.WithPeers("tcp://service:5671"))
		advance(time.Hour)
		host := lan.Host("10.0.1.1")
		for i, name := range []string{"first", "second", "third"} {
			process := host.Process()
			node := zretest.Start(t, process, zre.WithName(name), zre.WithListen("tcp://*:5671"))
			if e := zretest.Next[zre.Enter](a); e.Peer.Name != name {
				t.Fatalf("%s entered", e.Peer.Name)
			}
			if i%2 == 0 {
				process.Kill()
			} else {
				node.Close()
			}
			if e := zretest.Next[zre.Exit](a); (e.Reason == zre.ReasonLeft) != (i%2 != 0) {
				t.Errorf("%s: %v", name, e.Reason)
			}
		}
		zretest.Start(t, lan.Host("10.0.3.1"), zre.WithName("moved"), zre.WithListen("tcp://*:5671"))
		lan.SetHostName("service", "10.0.3.1")
		began := time.Now()
		if e := zretest.Next[zre.Enter](a); e.Peer.Name != "moved" || time.Since(began) > 40*time.Second {
			t.Errorf("%s entered after %v", e.Peer.Name, time.Since(began))
		}
		lan.SetHostName("service") // says where to look, not which node is there
		advance(10 * time.Minute)
		if _, here := a.Peer(a.Peers()[0].UUID); !here || len(a.Peers()) != 1 {
			t.Errorf("a sees %d peers", len(a.Peers()))
		}
	})
}

// Beacons and endpoints may announce the same peer: it is one peer, and no session breaks.
func TestAllSourcesAtOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		var nodes []*zretest.Watched
		for i := range 6 {
			options := []zre.Option{zre.WithName(fmt.Sprint(i)), zre.WithListen("tcp://*:5671"), zre.WithGossipConnect("tcp://10.0.0.1:5672", "tcp://10.0.0.2:5672")}
			for j := range 6 {
				options = append(options, zre.WithPeers(fmt.Sprintf("tcp://10.0.0.%d:5671", j+1)))
			}
			if i < 2 {
				options = append(options, zre.WithGossipBind("tcp://*:5672"))
			}
			nodes = append(nodes, zretest.Start(t, lan.Host(fmt.Sprintf("10.0.0.%d", i+1)), options...))
		}
		advance(2 * time.Minute)
		for _, w := range nodes {
			expectCounts(t, w, map[string]int{"zre.Enter": 5})
		}
	})
}

// Gossip alone makes a mesh of nodes in different subnets. A node that leaves or is killed is gone at once. The hub may restart.
func TestGossip(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetRouting(true)
		lan.SetHostName("hub.example", "10.0.0.1")
		hubHost := lan.Host("10.0.0.1")
		process := hubHost.Process()
		hub := zretest.Start(t, process, zre.WithName("hub"), zre.WithGossipBind("tcp://*:5672"))
		hosts := make([]*zretest.Host, 4)
		nodes := make([]*zretest.Watched, 4)
		for i := range nodes {
			hosts[i] = lan.Host(fmt.Sprintf("10.0.%d.1", i+1))
			nodes[i] = zretest.Start(t, hosts[i], zre.WithName(fmt.Sprint(i)), zre.WithGossipConnect("tcp://hub.example:5672"))
		}
		advance(time.Minute)
		expectCounts(t, hub, map[string]int{"zre.Enter": 4})
		for _, w := range nodes {
			expectCounts(t, w, map[string]int{"zre.Enter": 4})
		}

		nodes[3].Close()
		hosts[2].Kill()
		advance(200 * time.Millisecond)
		want := map[string]int{"zre.Enter": 4, "zre.Exit left": 1, "zre.Exit crashed": 1}
		for _, w := range []*zretest.Watched{hub, nodes[0], nodes[1]} {
			expectCounts(t, w, want)
		}

		process.Kill()
		advance(10 * time.Second)
		again := zretest.Start(t, hubHost.Process(), zre.WithName("hub again"), zre.WithGossipBind("tcp://*:5672"))
		late := zretest.Start(t, lan.Host("10.0.9.1"), zre.WithName("late"), zre.WithGossipConnect("tcp://hub.example:5672"))
		advance(2 * time.Minute)
		for _, w := range []*zretest.Watched{again, late} {
			expectCounts(t, w, map[string]int{"zre.Enter": 3})
		}
		for _, w := range nodes[:2] {
			expectCounts(t, w, map[string]int{"zre.Enter": 6, "zre.Exit left": 1, "zre.Exit crashed": 2})
			if got := len(w.Peers()); got != 3 {
				t.Errorf("%s knows %d peers", w.Name(), got)
			}
		}
	})
}

// A session belongs to a UUID: a node found at several of its addresses is one peer.
func TestSeveralAddressesOfOnePeer(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetRouting(true)
		id := uuid.New()
		b := zretest.Start(t, lan.Host("10.0.1.1", "10.0.2.1", "10.0.3.1"), zre.WithUUID(id), zre.WithListen("tcp://*:5671"))
		a := zretest.Start(t, lan.Host("10.0.9.1"), zre.WithPeers("tcp://10.0.1.1:5671", "tcp://10.0.2.1:5671", "tcp://10.0.3.1:5671"))
		advance(time.Minute)
		expectCounts(t, a, map[string]int{"zre.Enter": 1})
		expectCounts(t, b, map[string]int{"zre.Enter": 1})
		if !slices.ContainsFunc(a.Peers(), func(p *zre.Peer) bool { return p.UUID == id }) {
			t.Errorf("a sees the peers %v", a.Peers())
		}
	})
}
