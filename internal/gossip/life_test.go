package gossip

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestSilentClient(t *testing.T) {
	inLab(t, func(l lab) {
		h, _ := l.hub("hub:1", Config{})
		r := l.raw("hub:1")
		r.sendAll(hello)
		elapse(24 * time.Hour) // czmq's client never sends PING
		publish(l, h, "a", "1")
		r.expect(pub("a", "1", 0))
	})
}

func TestTTL(t *testing.T) {
	inLab(t, func(l lab) {
		h, _ := l.hub("hub:1", Config{})
		r, other := l.raw("hub:1"), l.raw("hub:1")
		other.sendAll(hello)
		r.sendAll(hello, pub("a", "1", 10*time.Second), pub("b", "1", 20*time.Second), pub("c", "1", 0))
		other.expect(pub("a", "1", 10*time.Second), pub("b", "1", 20*time.Second), pub("c", "1", 0))
		elapse(4 * time.Second)
		other.sendAll(hello)
		other.expect(pub("a", "1", 6*time.Second), pub("b", "1", 16*time.Second), pub("c", "1", 0))

		r.sendAll(pub("a", "1", 10*time.Second))
		other.expect() // more than half was left
		elapse(2 * time.Second)
		r.sendAll(pub("a", "1", 10*time.Second))
		other.expect(pub("a", "1", 10*time.Second))
		elapse(10*time.Second - 1)
		if h.Len() != 3 {
			t.Errorf("%d tuples before the end of any", h.Len())
		}
		elapse(1)
		if _, found := h.table.lookup("a"); found || h.Len() != 2 {
			t.Errorf("%d tuples after the end of one, it is there: %v", h.Len(), found)
		}
		elapse(4 * time.Second)
		if _, found := h.table.lookup("c"); !found || h.Len() != 1 {
			t.Errorf("%d tuples after the end of two", h.Len())
		}
		r.sendAll(pub("c", "1", time.Second))
		other.expect(pub("c", "1", time.Second))
		r.sendAll(pub("c", "1", 0))
		other.expect(pub("c", "1", 0))
		elapse(time.Hour)
		if h.Len() != 1 {
			t.Error("a tuple that is valid for ever again is gone")
		}
	})
}

func TestLinger(t *testing.T) {
	inLab(t, func(l lab) {
		h, _ := l.hub("hub:1", Config{Linger: 10 * time.Second})
		other := l.raw("hub:1")
		other.sendAll(hello)
		r := l.raw("hub:1")
		r.sendAll(hello, pub("stays", "1", 0), pub("goes", "1", 0), pub("forgotten", "1", 0))
		other.expect(pub("stays", "1", 0), pub("goes", "1", 0), pub("forgotten", "1", 0))
		h.Forget("stays")
		if h.Len() != 3 {
			t.Error("a tuple was forgotten whose client is connected")
		}
		r.close()
		if got := other.got(); len(got) != 3 || got[0].TTL != 10*time.Second {
			t.Errorf("others did not get the ends of three tuples: %+v", got)
		}
		h.Forget("forgotten")
		if h.Len() != 2 {
			t.Error("Forget did nothing")
		}
		elapse(5 * time.Second)
		again := l.raw("hub:1")
		again.sendAll(hello, pub("stays", "1", 0))
		other.expect(pub("stays", "1", 0))
		elapse(5 * time.Second)
		if _, found := h.table.lookup("stays"); !found || h.Len() != 1 {
			t.Errorf("%d tuples", h.Len())
		}
		elapse(time.Hour)
		if h.Len() != 1 {
			t.Error("a tuple ended whose client is connected")
		}
	})
}

// TestLingerAbove removes the upstream hub, whose tuples a Hub keeps for a while.
func TestLingerAbove(t *testing.T) {
	inLab(t, func(l lab) {
		above, stop := l.hub("hub:1", Config{})
		h, _ := l.hub("hub:2", Config{Linger: 10 * time.Second})
		if err := h.Connect("hub:1"); err != nil {
			t.Fatal(err)
		}
		publish(l, above, "a", "1")
		elapse(time.Minute)
		stop()
		elapse(9 * time.Second)
		if h.Len() != 1 {
			t.Errorf("%d tuples soon after", h.Len())
		}
		elapse(time.Second)
		if h.Len() != 0 {
			t.Errorf("%d tuples later", h.Len())
		}
	})
}

// TestRestartBeforeTheEnd has a node return with the same tuple while its old connection, on which it said goodbye, is open.
func TestRestartBeforeTheEnd(t *testing.T) {
	inLab(t, func(l lab) {
		h, _ := l.hub("hub:1", Config{})
		older, newer := l.raw("hub:1"), l.raw("hub:1")
		older.sendAll(hello, pub("a", "1", farewellTTL))
		newer.sendAll(hello)
		newer.got()
		newer.sendAll(pub("a", "1", 10*time.Second)) // this may have come a long way
		synctest.Wait()
		if got, _ := h.table.lookup("a"); got.TTL > farewellTTL {
			t.Errorf("the TTL of another origin replaced it: %+v", got)
		}
		newer.sendAll(pub("a", "1", 0))
		synctest.Wait()
		older.close()
		elapse(time.Hour)
		if h.Len() != 1 {
			t.Error("the tuple is gone")
		}
	})
}

// TestHubs connects hubs in a ring, one of them to itself as well, and has nodes come and go.
func TestHubs(t *testing.T) {
	inLab(t, func(l lab) {
		var hubs []*Hub
		var logs [3]learned
		for i := range 3 {
			h, _ := l.hub(fmt.Sprintf("hub:%d", i), logs[i].config())
			hubs = append(hubs, h)
		}
		for i, h := range hubs {
			if err := h.Connect(fmt.Sprintf("hub:%d", (i+1)%3)); err != nil {
				t.Fatal(err)
			}
		}
		if err := hubs[0].Connect("hub:0"); err != nil {
			t.Fatal(err)
		}
		if err := hubs[0].Connect("hub:0"); err != nil {
			t.Fatal(err)
		}
		know := func(when string, want int) {
			t.Helper()
			for i, h := range hubs {
				if h.Len() != want {
					t.Errorf("%s: hub %d has %d tuples, want %d", when, i, h.Len(), want)
				}
			}
		}
		c := l.client("hub:0", Config{})
		publish(l, c, "node", "1")
		publish(l, hubs[1], "hub", "1")
		if err := c.Publish(Tuple{Key: "ttl", Value: "1", TTL: 20 * time.Second}); err != nil {
			t.Fatal(err)
		}
		elapse(time.Second)
		know("in the beginning", 3)
		elapse(10 * time.Minute)
		know("after a while", 3)
		before := changes(hubs)
		elapse(time.Minute)
		// The tuple with a TTL is renewed about every 13.3 s, at three hubs; nothing may circulate.
		if n := changes(hubs) - before; n == 0 || n > 20 {
			t.Errorf("%d changes in a quiet minute", n)
		}
		_ = c.Close()
		elapse(3 * farewellTTL)
		know("after a farewell", 1)
		if n := logs[2].size(); n != 3 {
			t.Errorf("hub 2 reported %d tuples", n)
		}

		r := l.raw("hub:0")
		r.sendAll(hello, pub("crashed", "1", 0))
		elapse(time.Second)
		know("before a crash", 2)
		r.close()
		elapse(2 * time.Minute)
		know("after a crash", 1)
	})
}

// changes counts what the hubs ever had to pass on.
func changes(hubs []*Hub) (n uint64) {
	for _, h := range hubs {
		h.table.mu.Lock()
		n += h.table.version
		h.table.mu.Unlock()
	}
	return n
}

func TestUnpublish(t *testing.T) {
	inLab(t, func(l lab) {
		h, _ := l.hub("hub:1", Config{})
		c := l.client("hub:1", Config{})
		publish(l, c, "a", "1")
		publish(l, h, "b", "1")
		r := l.raw("hub:1")
		r.sendAll(hello)
		elapse(time.Second)
		r.got()
		h.Unpublish("b")
		c.Unpublish("a")
		c.Unpublish("unknown")
		elapse(100 * time.Millisecond)
		for _, m := range r.got() {
			if m.TTL == 0 || m.TTL > farewellTTL {
				t.Errorf("%+v", m)
			}
		}
		publish(l, c, "a", "1") // after all
		elapse(2 * farewellTTL)
		if _, found := h.table.lookup("a"); !found || h.Len() != 1 {
			t.Errorf("%d tuples", h.Len())
		}
	})
}
