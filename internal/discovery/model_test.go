package discovery

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// Whatever happens, in whatever order: no candidate is forgotten, and the indexes agree with each other.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, func(w *world) {
				m := &model{world: w, rnd: rand.New(rand.NewPCG(seed, 1))}
				for range 8 {
					m.places = append(m.places, address(len(m.places)), netip.AddrPortFrom(netip.AddrFrom16([16]byte{0xfd, 15: byte(len(m.places))}), 1))
				}
				for range 200 {
					w.do(m.step)
					w.do(m.check)
					w.pass(time.Duration(m.rnd.ExpFloat64() * float64(time.Second)))
					w.do(m.check)
				}
				w.do(func() {
					for key := range w.sources {
						w.RemoveSource(key)
					}
				})
				w.pass(time.Minute)
				if left := len(w.sources) + len(w.candidates) + len(w.met) + len(w.Seeker.greeted) + w.probes + w.Seeker.hosts; left != 0 || w.next != nil {
					t.Errorf("the Seeker still has something: %+v", w.Seeker)
				}
			})
		})
	}
}

type model struct {
	*world
	rnd    *rand.Rand
	places []netip.AddrPort
}

func (m *model) place() netip.AddrPort { return m.places[m.rnd.IntN(len(m.places))] }

func (m *model) some() (list []netip.AddrPort) {
	for range m.rnd.IntN(5) {
		list = append(list, m.place())
	}
	return list
}

func (m *model) id() uuid.UUID { return uuid.UUID{byte(1 + m.rnd.IntN(6))} }

func (m *model) source() Source {
	return []Source{domain, gossiped(m.id()), static("tcp://h:1"), static("tcp://g:1")}[m.rnd.IntN(4)]
}

// step makes something happen.
func (m *model) step() {
	switch key := m.source(); m.rnd.IntN(12) {
	case 0:
		if key.Kind != Configured {
			m.SetSource(key, m.some())
		}
	case 1:
		if key.Kind != SRV {
			m.AddEndpoint(key, "tcp://"+[]string{"h", "g"}[m.rnd.IntN(2)]+":1", nil)
		}
	case 2:
		m.hosts["h"] = addrs(m.some()...)
	case 3:
		m.hosts["g"] = addrs(m.some()...)
	case 4:
		m.RemoveSource(key)
	case 5:
		m.routers[m.place()] = router{delay: time.Duration(m.rnd.IntN(1_000)) * time.Millisecond}
	case 6:
		m.routers[m.place()] = router{id: m.id()}
	case 7:
		delete(m.routers, m.place())
	case 8:
		m.sessionEnded(m.id(), m.rnd.IntN(2) == 0)
	case 9:
		if len(m.greeted) > 0 {
			m.answers(m.id())
		}
	case 10:
		if len(m.greeted) > 0 {
			if id := m.id(); m.rnd.IntN(2) == 0 && m.hasSession(id) {
				m.Presume(m.greeted[0], id)
			}
			m.hangsUp()
		}
	case 11:
		m.full, m.own = m.rnd.IntN(4) == 0, m.place()
		m.Retry()
	}
}

// check compares what a Seeker holds in several places.
func (m *model) check() {
	count := make(map[stage]int)
	for at, c := range m.candidates {
		count[c.stage]++
		waits := c.queue != nil
		switch {
		case c.at != at || c.stage == removed || len(c.sources) == 0:
			m.t.Errorf("%v is %v, in stage %d, with %d sources", at, c.at, c.stage, len(c.sources))
		case waits != (c.stage == queued || c.stage == waiting) || waits && (*c.queue)[c.index] != c || waits && (c.queue == &m.Seeker.waiting) != (c.stage == waiting):
			m.t.Errorf("%v is in stage %d, in a queue: %t", at, c.stage, waits)
		case (c.stage == greeting) != slices.Contains(m.greeted, c), (c.stage == greeting) != slices.Contains(m.Seeker.greeted, c):
			m.t.Errorf("%v is in stage %d; in the list of those sent HELLO: %t, %t", at, c.stage, slices.Contains(m.greeted, c), slices.Contains(m.Seeker.greeted, c))
		case c.stage == resting && !m.hasSession(c.peer) && !m.isBeside(c):
			m.t.Errorf("%v is not among the candidates", at)
		case c.peer != uuid.Nil && m.met[c.peer][c.metIndex] != c:
			m.t.Errorf("%v is not in the list of its peer", at)
		}
		for _, src := range c.sources {
			if src.isHost && slices.Contains(src.met, c) != c.isMet {
				m.t.Errorf("%v: a peer was met there: %t, as its host name has it: %t", at, c.isMet, !c.isMet)
			}
		}
	}
	for _, src := range m.sources {
		for _, c := range src.met {
			if !slices.Contains(c.sources, src) {
				m.t.Errorf("the source %v has the candidate %v, which does not have that source", src, c.at)
			}
		}
	}
	if m.timerDue.IsZero() && m.probes < maxProbes && count[queued] > 0 {
		m.t.Errorf("%d wait, and the timer is not set", count[queued])
	}
	if m.timerDue.IsZero() && m.next == nil && count[waiting] > 0 {
		m.t.Errorf("%d wait to be sent HELLO, and the timer is not set", count[waiting])
	}
	if m.next != nil && m.next.stage != probing && m.next.stage != removed {
		m.t.Errorf("the next one to be sent HELLO is in stage %d", m.next.stage)
	}
}

// isBeside tells whether a candidate waits for the outcome of the other family's.
func (m *model) isBeside(c *Candidate) bool {
	return slices.ContainsFunc(m.Seeker.greeted, func(o *Candidate) bool { return slices.Contains(o.dependents, c) })
}
