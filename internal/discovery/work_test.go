package discovery

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
)

func dead(count int) (list []netip.AddrPort) {
	for i := range count {
		list = append(list, address(i))
	}
	return list
}

// Many addresses that lead nowhere cost a bounded number of attempts, each with a few turns of the control loop and questions to the
// sessions; none if nothing is due. They do not delay the application's own.
func TestWork(t *testing.T) {
	const count, minutes = 1_000, 3
	for _, test := range []struct {
		name     string
		silence  time.Duration // of an attempt
		most     int           // attempts
		greatest time.Duration // until a peer at one of the application's addresses is met
	}{
		{"they refuse", time.Millisecond, count * (hearsayAttempts + minutes*60/25), 2 * time.Second},
		{"they are silent", 3 * time.Second, (minutes*60/3 + 1) * maxProbes, 3100 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.silence = test.silence
				w.do(func() { w.SetSource(domain, dead(count)) })
				w.pass(minutes * time.Minute)
				if w.tries > test.most || w.tries < test.most/4 {
					t.Errorf("%d attempts in %d minutes, want %d at most", w.tries, minutes, test.most)
				}
				if w.most > maxProbes {
					t.Errorf("%d attempts at one time", w.most)
				}
				if w.turns > 5*w.tries {
					t.Errorf("%d turns of the control loop for %d attempts", w.turns, w.tries)
				}
				if w.asked > 5*w.tries {
					t.Errorf("%d questions to the sessions for %d attempts", w.asked, w.tries)
				}
				w.recorded = nil
				w.do(func() { w.routers[a] = router{id: one}; w.SetSource(static("x"), list(a)) })
				w.pass(test.greatest)
				w.expectRecorded("meet 1 at 10.0.0.1:1")
			})
		})
	}
}

// The end of a session affects only the candidates where its peer was met; a source that names the same again changes nothing.
func TestWorkOfEvents(t *testing.T) {
	inWorld(t, func(w *world) {
		all := dead(1_000)
		for i, at := range all {
			w.routers[at] = router{id: uuid.UUID{1, byte(i >> 8), byte(i)}}
		}
		w.do(func() { w.SetSource(domain, all) })
		w.pass(time.Minute)
		if len(w.sessions) != len(all) {
			t.Fatalf("%d sessions", len(w.sessions))
		}
		w.do(func() {
			before, asked := w.order, w.asked
			w.sessionEnded(uuid.UUID{1, 0, 7}, true)
			if w.order != before+1 || w.asked != asked {
				t.Errorf("the end of a session: %d candidates scheduled, %d questions", w.order-before, w.asked-asked)
			}
		})
		w.pass(time.Minute)
		w.do(func() {
			before, asked := w.order, w.asked
			w.SetSource(domain, all)
			if w.order != before || w.asked != asked {
				t.Errorf("the same again: %d candidates scheduled, %d questions", w.order-before, w.asked-asked)
			}
		})
		turns := w.turns
		w.pass(time.Hour)
		if w.turns != turns {
			t.Errorf("%d turns of the control loop while nothing is to do", w.turns-turns)
		}
	})
}

// Peers without identity are asked one at a time, and each is asked a few times at most.
func TestWorkOfIntroductions(t *testing.T) {
	inWorld(t, func(w *world) {
		const count = 1_000
		all := dead(count)
		for _, at := range all {
			w.routers[at] = router{}
		}
		w.do(func() { w.SetSource(domain, all) })
		for i := range count {
			w.pass(100 * time.Millisecond)
			if len(w.greeted) != 1 {
				t.Fatalf("%d peers are sent HELLO at a time, after %d", len(w.greeted), i)
			}
			w.do(func() { w.answers(uuid.UUID{1, byte(i >> 8), byte(i)}) })
		}
		w.pass(time.Minute)
		if len(w.sessions) != count || w.tries > 2*count {
			t.Errorf("%d sessions after %d attempts", len(w.sessions), w.tries)
		}
	})
}
