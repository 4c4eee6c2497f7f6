package discovery

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

var (
	one, two = uuid.UUID{1}, uuid.UUID{2}
	a, b, c6 = at("10.0.0.1:1"), at("10.0.0.2:1"), at("[fd00::1]:1")
)

// What becomes of candidates, step by step, and what a Seeker makes the sessions do.
func TestSeeker(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(w *world)
	}{
		{"a node of ours is met, and again when it is gone", func(w *world) {
			w.routers[a] = router{id: one}
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Minute)
			w.expectRecorded("meet 1 at 10.0.0.1:1")
			w.do(func() { w.sessionEnded(one, true) })
			w.pass(time.Minute)
			w.expectRecorded("meet 1 at 10.0.0.1:1")
		}},
		{"another's is said HELLO once, and stays", func(w *world) {
			w.routers[a] = router{}
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Second)
			w.do(func() { w.answers(one) })
			w.pass(time.Hour)
			w.expectRecorded("greet 10.0.0.1:1")
			w.do(func() { w.sessionEnded(one, true) })
			w.pass(time.Second)
			w.expectRecorded("greet 10.0.0.1:1")
		}},
		{"what is wrong is reported until it is right", func(w *world) {
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Minute)
			w.expectRecorded("10.0.0.1:1: refused")
			w.do(func() { w.routers[a] = router{id: one} })
			w.pass(time.Minute)
			w.expectRecorded("solved 10.0.0.1:1", "meet 1 at 10.0.0.1:1")
		}},
		{"one that hangs up is said HELLO again, and solved by its answer", func(w *world) {
			w.routers[a] = router{}
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Second)
			w.do(w.hangsUp)
			w.pass(time.Second)
			w.do(func() { w.answers(one) })
			w.expectRecorded("greet 10.0.0.1:1", "10.0.0.1:1: refused", "greet 10.0.0.1:1", "solved 10.0.0.1:1")
		}},
		{"our own address is not tried", func(w *world) {
			w.own = a
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Hour)
			w.expectRecorded()
			w.do(func() { w.own, w.routers[a] = b, router{id: one} })
			w.pass(time.Hour)
			w.expectRecorded("meet 1 at 10.0.0.1:1")
		}},
		{"we answer by another address", func(w *world) {
			w.routers[a] = router{id: uuid.UUID{255}}
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Hour)
			w.expectRecorded()
		}},
		{"there is no room for a while", func(w *world) {
			w.full, w.routers[a], w.routers[b] = true, router{id: one}, router{delay: 2 * time.Millisecond}
			w.do(func() { w.SetSource(domain, list(a, b)) })
			w.pass(time.Minute)
			w.expectRecorded()
			w.do(func() { w.full = false })
			w.pass(time.Minute)
			w.expectRecorded("meet 1 at 10.0.0.1:1", "greet 10.0.0.2:1")
		}},
		{"a session leads there", func(w *world) {
			w.do(func() {
				w.sessions[one], w.at[a] = true, one
				w.SetSource(domain, list(a))
			})
			w.pass(time.Minute)
			w.expectRecorded()
			w.do(func() { w.sessionEnded(one, false) })
			w.pass(time.Minute)
			w.expectRecorded("10.0.0.1:1: refused")
		}},
		{"a session with the peer that gossip names leads elsewhere", func(w *world) {
			w.do(func() {
				w.sessions[one] = true
				w.SetSource(gossiped(one), list(a))
			})
			w.pass(time.Minute)
			w.expectRecorded()
			w.do(func() { w.sessionEnded(one, false) })
			w.pass(time.Minute)
			w.expectRecorded("10.0.0.1:1: refused")
		}},
		{"no source names it any longer", func(w *world) {
			w.routers[a] = router{}
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Minute)
			w.do(func() { w.SetSource(domain, nil) })
			w.pass(time.Minute)
			w.expectRecorded("greet 10.0.0.1:1", "removed 10.0.0.1:1", "end 10.0.0.1:1")
			if len(w.candidates)+len(w.sources)+len(w.met)+len(w.Seeker.greeted) > 0 {
				w.t.Errorf("left: candidates %v, sources %v, peers %v, sent HELLO %v", w.candidates, w.sources, w.met, w.Seeker.greeted)
			}
		}},
		{"another source names it still", func(w *world) {
			w.routers[a] = router{}
			w.do(func() { w.SetSource(domain, list(a)); w.SetSource(gossiped(two), list(a)) })
			w.pass(time.Second)
			w.do(func() { w.RemoveSource(domain) })
			w.pass(time.Minute)
			w.expectRecorded("greet 10.0.0.1:1")
			if w.tries != 1 {
				w.t.Errorf("%d attempts", w.tries)
			}
		}},
		{"removed while it is probed", func(w *world) {
			w.routers[a] = router{id: one, delay: time.Second}
			w.do(func() { w.SetSource(domain, list(a)) })
			w.do(func() { w.SetSource(domain, nil) })
			w.pass(time.Minute)
			w.expectRecorded("removed 10.0.0.1:1")
			if w.probes != 0 {
				w.t.Errorf("%d probes", w.probes)
			}
		}},
		{"two without identity: the second waits for the answer of the first", func(w *world) {
			w.routers[a], w.routers[b] = router{}, router{delay: 2 * time.Millisecond}
			w.do(func() { w.SetSource(domain, list(a, b)) })
			w.pass(time.Second)
			w.expectRecorded("greet 10.0.0.1:1")
			w.do(func() { w.answers(one) })
			w.pass(100 * time.Millisecond)
			w.expectRecorded("greet 10.0.0.2:1")
		}},
		{"two without identity: the first is mute", func(w *world) {
			w.routers[a], w.routers[b] = router{}, router{delay: 2 * time.Millisecond}
			w.do(func() { w.SetSource(domain, list(a, b)) })
			w.pass(AnswerTime - 100*time.Millisecond)
			w.expectRecorded("greet 10.0.0.1:1")
			w.pass(200 * time.Millisecond)
			w.expectRecorded("greet 10.0.0.2:1")
		}},
		{"two without identity: they are one peer", func(w *world) {
			w.routers[a], w.routers[b] = router{}, router{delay: 2 * time.Millisecond}
			w.do(func() { w.SetSource(domain, list(a, b)) })
			w.pass(time.Second)
			w.do(func() { w.answers(one); w.at[b] = one })
			w.pass(time.Minute)
			w.expectRecorded("greet 10.0.0.1:1")
		}},
		{"two without identity: the first is removed", func(w *world) {
			w.routers[a], w.routers[b] = router{}, router{delay: 2 * time.Millisecond}
			w.do(func() { w.SetSource(domain, list(a, b)) })
			w.pass(time.Second)
			w.do(func() { w.SetSource(domain, list(b)) })
			w.pass(100 * time.Millisecond)
			w.expectRecorded("greet 10.0.0.1:1", "removed 10.0.0.1:1", "end 10.0.0.1:1", "greet 10.0.0.2:1")
		}},
		{"three without identity: the second is dead when its turn comes", func(w *world) {
			w.routers[a], w.routers[b], w.routers[c6] = router{}, router{delay: 2 * time.Millisecond}, router{delay: 3 * time.Millisecond}
			w.do(func() { w.SetSource(domain, list(a, b, c6)) })
			w.pass(time.Second)
			w.do(func() { delete(w.routers, b); w.answers(one) })
			w.pass(10 * time.Millisecond)
			w.expectRecorded("greet 10.0.0.1:1", "10.0.0.2:1: refused", "greet [fd00::1]:1")
		}},
		{"gossip tells whose it is, so it does not wait", func(w *world) {
			w.routers[a], w.routers[b] = router{}, router{delay: 2 * time.Millisecond}
			w.do(func() { w.SetSource(gossiped(one), list(a)); w.SetSource(gossiped(two), list(b)) })
			w.pass(100 * time.Millisecond)
			w.expectRecorded("greet 10.0.0.1:1", "greet 10.0.0.2:1")
		}},
		{"the peer is presumed to be another address's", func(w *world) {
			w.routers[a] = router{}
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Second)
			w.do(func() { w.sessions[one] = true; w.Presume(w.greeted[0], one); w.hangsUp() })
			w.pass(time.Hour)
			w.expectRecorded("greet 10.0.0.1:1")
			w.do(func() { w.sessionEnded(one, true) })
			w.pass(time.Second)
			w.expectRecorded("greet 10.0.0.1:1")
		}},
		{"the peer has another UUID than was believed", func(w *world) {
			w.routers[a] = router{id: one}
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Second)
			w.do(func() {
				delete(w.sessions, one)
				w.sessions[two], w.at[a] = true, two
				w.Renamed(one, two)
			})
			w.pass(time.Second)
			w.do(func() { w.sessionEnded(two, true) })
			w.pass(time.Second)
			w.expectRecorded("meet 1 at 10.0.0.1:1", "meet 1 at 10.0.0.1:1")
		}},
		{"two addresses of one peer: one is named no longer", func(w *world) {
			w.routers[a], w.routers[b] = router{id: one}, router{id: one, delay: 2 * time.Millisecond}
			w.do(func() { w.SetSource(domain, list(a, b)) })
			w.pass(time.Second)
			w.do(func() { w.SetSource(domain, list(b)) })
			w.do(func() { w.sessionEnded(one, true) })
			w.pass(time.Second)
			w.expectRecorded("meet 1 at 10.0.0.1:1", "meet 1 at 10.0.0.2:1", "removed 10.0.0.1:1", "meet 1 at 10.0.0.2:1")
			w.do(func() { w.SetSource(domain, nil) })
			if len(w.met) > 0 {
				w.t.Errorf("left: %v", w.met)
			}
		}},
		{"another session with the peer is over while its address is tried again", func(w *world) {
			w.routers[a] = router{id: one, delay: time.Second}
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(2 * time.Second)
			w.do(func() { w.sessionEnded(one, true) })
			w.pass(500 * time.Millisecond)
			w.do(func() { w.sessionEnded(one, true) })
			w.pass(time.Minute)
			w.expectRecorded("meet 1 at 10.0.0.1:1", "meet 1 at 10.0.0.1:1")
			if w.tries != 2 {
				w.t.Errorf("%d attempts", w.tries)
			}
		}},
		{"another session with the peer is over while its address waits to be tried again", func(w *world) {
			w.routers[a] = router{id: one}
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Second)
			w.do(func() { w.sessionEnded(one, true) })
			w.pass(40 * time.Millisecond)
			w.do(func() { w.sessionEnded(one, true) })
			w.pass(40 * time.Millisecond)
			w.expectRecorded("meet 1 at 10.0.0.1:1")
			w.pass(20 * time.Millisecond)
			w.expectRecorded("meet 1 at 10.0.0.1:1")
		}},
		{"we moved", func(w *world) {
			w.do(func() { w.SetSource(domain, list(a)) })
			w.pass(time.Hour)
			w.do(func() { w.routers[a] = router{id: one}; w.Retry() })
			w.pass(10 * time.Millisecond)
			w.expectRecorded("10.0.0.1:1: refused", "solved 10.0.0.1:1", "meet 1 at 10.0.0.1:1")
		}},
		{"the node stops", func(w *world) {
			w.do(func() { w.SetSource(domain, list(a)); w.SetSource(static("x"), list(b)); w.Stop() })
			w.do(func() { w.SetSource(domain, nil); w.RemoveSource(static("x")); w.sessionEnded(one, true) })
			w.pass(time.Hour)
			w.expectRecorded()
		}},
	} {
		t.Run(test.name, func(t *testing.T) { inWorld(t, test.do) })
	}
}

func list(addrs ...netip.AddrPort) []netip.AddrPort { return addrs }

// A source may name as many addresses as there is room for, and replace them by others.
func TestBounds(t *testing.T) {
	inWorld(t, func(w *world) {
		some := func(first, count int) (list []netip.AddrPort) {
			for i := range count {
				list = append(list, address(first+i))
			}
			return list
		}
		for _, test := range []struct {
			list []netip.AddrPort
			want int
		}{
			{some(0, 5_000), 5_000}, {some(0, 6_000), 5_000}, {some(3_000, 5_000), 5_000}, {some(7_000, 10), 10},
			{slices.Concat(some(1, 5), some(1, 5)), 5}, {nil, 0},
		} {
			w.do(func() { w.SetSource(domain, test.list) })
			if len(w.candidates) != test.want {
				t.Errorf("%d candidates of %d addresses, want %d", len(w.candidates), len(test.list), test.want)
			}
		}
	})
}

// An address that gossip names for many peers keeps the newest sources, and the application's.
func TestMaxSources(t *testing.T) {
	inWorld(t, func(w *world) {
		w.do(func() {
			w.SetSource(static("x"), list(a))
			for i := range 3 * maxSources {
				w.SetSource(gossiped(uuid.UUID{2, byte(i)}), list(a))
			}
		})
		c := w.candidates[Place{AddrPort: a}]
		if newest := (uuid.UUID{2, 3*maxSources - 1}); len(c.sources) != maxSources || !c.IsFrom(Configured) || !c.IsGossiped(newest) || c.IsGossiped(uuid.UUID{2}) {
			t.Errorf("%d sources: %s", len(c.sources), c.Sources())
		}
		w.do(func() {
			w.RemoveSource(static("x"))
			for i := range 3 * maxSources {
				w.RemoveSource(gossiped(uuid.UUID{2, byte(i)}))
			}
		})
		if len(w.candidates)+len(w.sources) > 0 {
			t.Errorf("left: %v, %v", w.candidates, w.sources)
		}
		w.do(func() {
			for i := range maxSources + 1 {
				w.SetSource(gossiped(uuid.UUID{2, byte(i)}), list(b))
			}
		})
		if c := w.candidates[Place{AddrPort: b}]; len(c.sources) != maxSources || c.IsGossiped(uuid.UUID{2}) {
			t.Errorf("gossip alone: %d sources: %s", len(c.sources), c.Sources())
		}
	})
}

// If the application names an address the pauses are those of Config; if only hearsay does, they are longer after a while.
func TestPauses(t *testing.T) {
	for _, test := range []struct {
		source   Source
		failures int
		want     time.Duration
	}{
		{domain, 1, 50 * time.Millisecond},
		{domain, hearsayAttempts, 5 * time.Second},
		{domain, hearsayAttempts + 1, 5*time.Second + hearsayPause},
		{gossiped(one), hearsayAttempts + 1, 5*time.Second + hearsayPause},
		{static("x"), hearsayAttempts + 1, 5 * time.Second},
	} {
		t.Run(fmt.Sprint(test.source, test.failures), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.do(func() { w.SetSource(test.source, list(a)) })
				w.pass(10 * time.Millisecond)
				w.do(func() {
					c := w.candidates[Place{AddrPort: a}]
					c.attempts = test.failures - 1
					w.failed(c, errRefused)
					if got := time.Until(c.due); got != test.want {
						t.Errorf("tried after %v, want %v", got, test.want)
					}
					if got := w.Failures(a); got != test.failures {
						t.Errorf("%d failures, want %d", got, test.failures)
					}
				})
			})
		})
	}
}

func address(i int) netip.AddrPort { return at(fmt.Sprintf("10.2.%d.%d:1", i>>8, i&255)) }
