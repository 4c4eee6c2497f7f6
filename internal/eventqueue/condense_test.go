package eventqueue

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
)

// A view is what an application knows from the events.
type view struct {
	present map[uuid.UUID]bool
	groups  map[string]bool // of all peers: "UUID group"
	states  map[uuid.UUID]beacon.State
	leaders map[string]uuid.UUID // by group
	wrong   string               // the first event that the contract forbids
}

func newView() *view {
	return &view{present: make(map[uuid.UUID]bool), groups: make(map[string]bool), states: make(map[uuid.UUID]beacon.State),
		leaders: make(map[string]uuid.UUID)}
}

// hear takes an event.
func (v *view) hear(e *Event) {
	id := e.Peer.UUID
	group := id.String() + " " + e.Group
	if v.wrong == "" && (v.present[id] == (e.Kind == Enter) || e.Kind == Join && v.groups[group] || e.Kind == Leave && !v.groups[group]) {
		v.wrong = fmt.Sprintf("%d of %v in %q", e.Kind, id, e.Group)
	}
	switch e.Kind {
	case Enter:
		v.present[id] = true
	case Exit:
		delete(v.present, id)
		delete(v.states, id)
		maps.DeleteFunc(v.leaders, func(_ string, leader uuid.UUID) bool { return leader == id })
		maps.DeleteFunc(v.groups, func(g string, _ bool) bool { return g[:36] == id.String() })
	case Join:
		v.groups[group] = true
	case Leave:
		delete(v.groups, group)
	case State:
		v.states[id] = e.State
	case Leader:
		v.leaders[e.Group] = id
	}
}

// A crowd is a set of peers that come and go, join and leave.
type crowd struct {
	q       *Queue
	random  *rand.Rand
	truth   *view
	streams map[uuid.UUID]*Stream
	peers   []*Peer
}

func newCrowd(q *Queue, seed uint64, count int) *crowd {
	c := &crowd{q: q, random: rand.New(rand.NewPCG(seed, 0)), truth: newView(), streams: make(map[uuid.UUID]*Stream)}
	for i := range count {
		c.peers = append(c.peers, &Peer{UUID: uuid.UUID{15: byte(i + 1)}})
	}
	return c
}

// do has one peer do something.
func (c *crowd) do() {
	p := c.peers[c.random.IntN(len(c.peers))]
	e := Event{Peer: p, Group: string(rune('a' + c.random.IntN(3)))}
	switch {
	case !c.truth.present[p.UUID]:
		e.Kind = Enter
		c.streams[p.UUID] = new(Stream)
	case c.random.IntN(6) == 0:
		e.Kind = Exit
	case c.random.IntN(4) == 0:
		e.Kind, e.State = State, beacon.State(c.random.IntN(6))
	case c.random.IntN(4) == 0:
		e.Kind = []Kind{Evasive, Silent}[c.random.IntN(2)]
	case c.random.IntN(4) == 0:
		e.Kind = Leader
	case c.truth.groups[p.UUID.String()+" "+e.Group]:
		e.Kind = Leave
	default:
		e.Kind = Join
	}
	if e.Kind != Join && e.Kind != Leave && e.Kind != Leader {
		e.Group = ""
	}
	c.truth.hear(&e)
	c.q.Push(c.streams[p.UUID], e)
}

// An application that hears the condensed events ends up with the same view as one that hears all, and no event contradicts another.
func TestDropRedundant(t *testing.T) {
	for seed := range uint64(300) {
		q := NewWithoutMessages(Limits{1, 1})
		c, told := newCrowd(q, seed, 4), newView()
		take := func() {
			batch, _ := q.Take(nil, alreadyClosed)
			for i := range batch {
				if batch[i].Kind != ProblemChanged {
					told.hear(&batch[i])
				}
			}
		}
		for range 400 {
			c.do()
			switch c.random.IntN(40) {
			case 0, 1, 2:
				q.redundant = minRedundant
				if q.dropRedundant(); q.redundant != 0 {
					t.Fatal("no event was left out")
				}
			case 3:
				take()
			case 4:
				q.Announce(Event{Kind: ProblemChanged, Peer: &Peer{}, Problem: &Problem{Kind: ProblemFlapping}})
			}
		}
		q.redundant = minRedundant
		q.dropRedundant()
		// A peer may have the rest of a session and another one, with a state, evasive, silent, and three groups each. Each group has a
		// leader.
		if most := 4*2*(2+3+3) + 1 + 3; len(q.pending) > most {
			t.Errorf("seed %d: %d events are left, want %d at most", seed, len(q.pending), most)
		}
		take()
		if told.wrong != "" || !maps.Equal(told.present, c.truth.present) || !maps.Equal(told.groups, c.truth.groups) ||
			!maps.Equal(told.states, c.truth.states) {
			t.Fatalf("seed %d: the events lead to %v, want %v", seed, told, c.truth)
		}
		for group, leader := range c.truth.leaders {
			if told.leaders[group] != leader {
				t.Fatalf("seed %d: by the events %v leads %s, want %v", seed, told.leaders[group], group, leader)
			}
		}
	}
}

// Each problem is reported once, in its last state.
func TestDropRedundantProblems(t *testing.T) {
	q := NewWithoutMessages(Limits{1, 1})
	for range 10 {
		for _, about := range []string{"one", "two"} {
			for _, solved := range []bool{false, true} {
				q.Announce(Event{Kind: ProblemChanged, Peer: &Peer{}, Problem: &Problem{Kind: ProblemFlapping, About: about, Solved: solved}})
			}
		}
	}
	q.redundant = minRedundant
	q.dropRedundant()
	var got []string
	for _, e := range q.pending {
		got = append(got, fmt.Sprint(e.Problem.About, e.Problem.Solved))
	}
	if want := []string{"onetrue", "twotrue"}; !slices.Equal(got, want) {
		t.Errorf("%v are left, want %v", got, want)
	}
}

// Nothing accumulates for an application that never reads, however many peers come and go.
func TestNeverTaken(t *testing.T) {
	for _, test := range []struct {
		name  string
		queue func(Limits) *Queue
		waits bool
	}{{"without messages", NewWithoutMessages, false}, {"with messages", New, true}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := test.queue(Limits{1, 1})
				stop := make(chan struct{})
				close(stop)
				c, waited := newCrowd(q, 1, 50), 0
				for range 5 * membershipEvents {
					if !q.AwaitMembershipRoom(new(Stream), stop) {
						waited++
						if test.waits {
							return
						}
					}
					c.do()
				}
				if waited > 0 || test.waits || len(q.pending) > membershipEvents {
					t.Errorf("%d waited, %d events are pending", waited, len(q.pending))
				}
			})
		})
	}
}
