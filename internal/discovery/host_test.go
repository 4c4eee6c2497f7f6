package discovery

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// addrs returns the addresses of hosts in tests.
func addrs(list ...netip.AddrPort) (all []netip.Addr) {
	for _, at := range list {
		all = append(all, at.Addr())
	}
	return all
}

// What becomes of the addresses of host names.
func TestHosts(t *testing.T) {
	host := static("tcp://h:1")
	add := func(w *world) { w.AddEndpoint(host, "tcp://h:1", nil) }
	for _, test := range []struct {
		name string
		do   func(w *world)
	}{
		{"an address needs no look-up", func(w *world) {
			w.routers[a] = router{id: one}
			w.do(func() { w.AddEndpoint(static("x"), "tcp://10.0.0.1:1", nil) })
			w.pass(time.Minute)
			w.expectRecorded("meet 1 at 10.0.0.1:1")
			if w.looked != 0 {
				w.t.Errorf("%d look-ups", w.looked)
			}
		}},
		{"a name leads elsewhere", func(w *world) {
			w.routers[a], w.routers[b] = router{id: one}, router{id: two}
			w.hosts["h"] = addrs(a)
			w.do(func() { add(w) })
			w.pass(time.Minute)
			w.do(func() { w.hosts["h"] = addrs(b) })
			w.pass(hostFresh + time.Second)
			w.expectRecorded("meet 1 at 10.0.0.1:1", "removed 10.0.0.1:1", "meet 2 at 10.0.0.2:1")
			if met := w.sources[host].met; len(met) != 1 || met[0].At() != b {
				w.t.Errorf("%d addresses met", len(met))
			}
		}},
		{"a name is unknown for a while", func(w *world) {
			w.routers[a] = router{id: one}
			w.do(func() { add(w) })
			w.pass(time.Minute)
			w.do(func() { w.hosts["h"] = addrs(a) })
			w.pass(hostRetry + time.Second)
			w.expectRecorded("trouble with tcp://h:1", "solved tcp://h:1", "meet 1 at 10.0.0.1:1")
		}},
		{"what was is kept while the name is unknown", func(w *world) {
			w.routers[a], w.hosts["h"] = router{id: one}, addrs(a)
			w.do(func() { add(w) })
			w.pass(time.Second)
			w.do(func() { delete(w.hosts, "h") })
			w.pass(time.Minute)
			w.do(func() { w.sessionEnded(one, true) })
			w.pass(time.Second)
			w.expectRecorded("meet 1 at 10.0.0.1:1", "trouble with tcp://h:1", "meet 1 at 10.0.0.1:1")
		}},
		{"the peer is gone: looked up again soon, and not at once", func(w *world) {
			w.routers[a], w.hosts["h"] = router{id: one}, addrs(a)
			w.do(func() { add(w) })
			w.pass(10 * time.Second)
			before := w.looked
			w.do(func() { delete(w.routers, a); w.sessionEnded(one, true) })
			w.pass(10 * time.Second)
			if n := w.looked - before; n < 2 || n > 11 {
				w.t.Errorf("%d look-ups in 10 s", n)
			}
		}},
		{"a source that is removed looks up nothing", func(w *world) {
			w.hosts["h"] = addrs(a)
			w.do(func() { add(w) })
			w.do(func() { w.RemoveSource(host) })
			before := w.looked
			w.pass(time.Hour)
			if w.looked != before || len(w.sources)+len(w.candidates) > 0 {
				w.t.Errorf("%d look-ups; left: %v, %v", w.looked-before, w.sources, w.candidates)
			}
		}},
		{"addresses that are not usable are left out", func(w *world) {
			w.routers[a], w.routers[b], w.hosts["h"] = router{id: one}, router{id: two}, addrs(a, b)
			w.do(func() {
				w.AddEndpoint(gossiped(two), "tcp://h:1", func(at netip.AddrPort) bool { return at == b })
				w.AddEndpoint(gossiped(one), "tcp://10.0.0.1:1", func(netip.AddrPort) bool { return false })
			})
			w.pass(time.Minute)
			w.expectRecorded("meet 2 at 10.0.0.2:1")
			if w.IsGossiped(one) || !w.IsGossiped(two) {
				w.t.Error("gossip names the first, or not the second")
			}
		}},
		{"an endpoint takes the place of a name", func(w *world) {
			w.routers[a], w.routers[b], w.hosts["h"] = router{id: one}, router{id: one}, addrs(a)
			w.do(func() { w.AddEndpoint(gossiped(one), "tcp://h:1", nil) })
			w.do(func() { w.AddEndpoint(gossiped(one), "tcp://10.0.0.2:1", nil) })
			w.pass(time.Minute)
			if len(w.candidates) != 1 || w.candidates[Place{AddrPort: b}] == nil || w.Seeker.hosts != 0 {
				w.t.Errorf("candidates %v, %d host names", w.candidates, w.Seeker.hosts)
			}
		}},
		{"both families: the other rests while the first is said HELLO", func(w *world) {
			w.routers[a], w.routers[c6], w.hosts["h"] = router{}, router{}, addrs(c6, a)
			w.routers[c6] = router{delay: 2 * time.Millisecond}
			w.do(func() { add(w) })
			w.pass(time.Second)
			w.do(func() { w.answers(one) })
			w.pass(time.Minute)
			w.expectRecorded("greet 10.0.0.1:1")
			w.do(func() { w.sessionEnded(one, true) })
			w.pass(time.Second)
			if len(w.recorded) != 1 {
				w.t.Errorf("recorded %q", w.recorded)
			}
		}},
		{"one family: two peers", func(w *world) {
			w.routers[a], w.routers[b], w.hosts["h"] = router{}, router{delay: 2 * time.Millisecond}, addrs(a, b)
			w.do(func() { add(w) })
			w.pass(time.Second)
			w.do(func() { w.answers(one) })
			w.pass(time.Second)
			w.expectRecorded("greet 10.0.0.1:1", "greet 10.0.0.2:1")
		}},
		{"the node stops before the name is looked up", func(w *world) {
			w.hosts["h"] = addrs(a)
			w.do(func() { add(w); w.Stop() })
			w.pass(time.Minute)
			if w.looked == 0 || len(w.candidates) > 0 {
				w.t.Errorf("%d look-ups, candidates %v", w.looked, w.candidates)
			}
		}},
		{"both families: the peer comes back by the other", func(w *world) {
			w.routers[a], w.routers[c6], w.hosts["h"] = router{}, router{delay: 2 * time.Millisecond}, addrs(a, c6)
			w.do(func() { add(w) })
			w.pass(time.Second)
			w.do(func() { w.answers(one) })
			w.pass(time.Minute)
			w.do(func() { delete(w.routers, a); w.sessionEnded(one, true) })
			w.pass(time.Second)
			w.expectRecorded("greet 10.0.0.1:1", "10.0.0.1:1: refused", "greet [fd00::1]:1", "solved 10.0.0.1:1")
		}},
		{"both families: the other is tried when the first hangs up", func(w *world) {
			w.routers[a], w.routers[c6], w.hosts["h"] = router{}, router{delay: 2 * time.Millisecond}, addrs(a, c6)
			w.do(func() { add(w) })
			w.pass(time.Second)
			w.do(func() { delete(w.routers, a); w.hangsUp() })
			w.pass(time.Second)
			w.expectRecorded("greet 10.0.0.1:1", "10.0.0.1:1: refused", "greet [fd00::1]:1", "solved 10.0.0.1:1")
		}},
		{"both families of a node of ours", func(w *world) {
			w.routers[a], w.routers[c6], w.hosts["h"] = router{id: one}, router{id: one, delay: 2 * time.Millisecond}, addrs(a, c6)
			w.do(func() { add(w) })
			w.pass(time.Minute)
			w.expectRecorded("meet 1 at 10.0.0.1:1", "meet 1 at [fd00::1]:1")
		}},
	} {
		t.Run(test.name, func(t *testing.T) { inWorld(t, test.do) })
	}
}

// Endpoints from gossip that cannot be used are errors, and bounds hold.
func TestHostErrors(t *testing.T) {
	inWorld(t, func(w *world) {
		w.do(func() {
			if err := w.AddEndpoint(gossiped(one), "udp://h:1", nil); err == nil {
				t.Error("AddEndpoint of an invalid endpoint: no error")
			}
			for i := range maxGossipHosts {
				if err := w.AddEndpoint(gossiped(uuid.UUID{2, byte(i)}), "tcp://h:1", nil); err != nil {
					t.Error(err)
				}
			}
			if err := w.AddEndpoint(gossiped(one), "tcp://h:1", nil); err == nil {
				t.Error("there is room for one more")
			}
			if err := w.AddEndpoint(static("tcp://h:1"), "tcp://h:1", nil); err != nil {
				t.Error(err)
			}
			w.RemoveSource(gossiped(uuid.UUID{2}))
			if err := w.AddEndpoint(gossiped(one), "tcp://h:1", nil); err != nil {
				t.Error(err)
			}
		})
	})
}

// IPv4 addresses come first, and otherwise keep their order.
func TestResolve(t *testing.T) {
	inWorld(t, func(w *world) {
		first6 := at("[fd00::7]:1")
		w.hosts["h"] = addrs(first6, b, c6, a)
		got, err := w.resolve(w.t.Context(), "h", 1)
		if want := list(b, a, first6, c6); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, want %v (%v)", got, want, err)
		}
	})
}

// An unknown host name from gossip is logged when it begins, and not for each look-up.
func TestHostLog(t *testing.T) {
	inWorld(t, func(w *world) {
		w.do(func() { w.AddEndpoint(gossiped(one), "tcp://h:1", nil) })
		for i := range 2 {
			w.pass(time.Minute)
			if got := strings.Count(w.log.String(), "host name not resolved"); got != i+1 {
				t.Errorf("logged %d times, want %d", got, i+1)
			}
			w.do(func() { w.hosts["h"] = addrs(a) })
			w.pass(time.Minute)
			w.do(func() { delete(w.hosts, "h") })
		}
	})
}
