package netmap_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/netmap"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A collector sees nodes, their locations, groups and states, and the message rates between two other nodes that share their stats.
func TestCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		here := lan.Host("10.0.0.1")
		a := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("a"), zre.WithSharedStats(), zre.WithHeader("role", "camera"))
		far := lan.Host("10.0.0.3")
		b := zretest.Start(t, far, zre.WithName("b"), zre.WithSharedStats())
		near := zretest.Start(t, here.Process(), zre.WithName("near"))
		f := zretest.NewForeign(t, lan.Host("10.0.0.4"), zretest.Pyre)
		if err := b.Join("G"); err != nil {
			t.Fatal(err)
		}
		node, err := zre.NewNode(zre.WithName("map"), zre.WithNetwork(here))
		if err != nil {
			t.Fatal(err)
		}
		defer node.Close()
		if err := node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		c := netmap.NewCollector(node)
		go func() { c.Run(ctx); close(ended) }()
		defer func() { stop(); <-ended }()
		go func() {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for range 150 {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				_ = a.Whisper(ctx, b.UUID(), make([]byte, 1000)) // b is killed meanwhile
			}
		}()
		time.Sleep(6 * time.Second) // fake time

		s := c.Latest()
		found := make(map[string]netmap.Node)
		for _, n := range s.Nodes {
			found[n.Name] = n
		}
		if len(s.Nodes) != 5 || s.Self != node.UUID().String() || !found["map"].Self {
			t.Fatalf("%d nodes: %+v", len(s.Nodes), s.Nodes)
		}
		for name, host := range map[string]string{"map": "10.0.0.1", "near": "10.0.0.1", "a": "10.0.0.2", "b": "10.0.0.3", f.Name(): "10.0.0.4"} {
			if n := found[name]; n.Host != host || n.Presence != netmap.Present {
				t.Errorf("%s: %+v", name, n)
			}
		}
		if n := found[f.Name()]; n.State != "" || n.Rates != nil {
			t.Errorf("a foreign node: %+v", n)
		}
		if found["a"].Headers["role"] != "camera" || found["b"].Groups[0] != "G" || found["a"].State != "idle" {
			t.Errorf("%+v", found)
		}
		if r := found["a"].Rates; r == nil || math.Abs(r.Sent-10) > 1.5 || math.Abs(r.SentBytes-10_000) > 1500 || r.Peers != 4 {
			t.Errorf("figures of a: %+v", r)
		}
		busy := 0
		for _, l := range s.Links {
			if l.Rate() > 0 {
				busy++
				sent, back := l.Forward, l.Back
				if l.To == a.UUID().String() {
					sent, back = back, sent
				}
				if math.Abs(sent-10) > 1.5 || back != 0 {
					t.Errorf("link %+v", l)
				}
			}
		}
		if busy != 1 {
			t.Errorf("%d links with messages, want 1: %+v", busy, s.Links)
		}

		far.Freeze()
		time.Sleep(8 * time.Second) // fake time
		for _, n := range c.Latest().Nodes {
			if n.Name == "b" && n.Presence == netmap.Present {
				t.Errorf("a node that is not heard: %+v", n)
			}
		}
		far.Thaw()
		time.Sleep(8 * time.Second) // fake time
		for _, n := range c.Latest().Nodes {
			if n.Presence != netmap.Present {
				t.Errorf("a node that is heard again: %+v", n)
			}
		}
		near.Close()
		time.Sleep(3 * time.Second) // fake time
		if n := len(c.Latest().Nodes); n != 4 {
			t.Errorf("%d nodes after one left", n)
		}
	})
}
