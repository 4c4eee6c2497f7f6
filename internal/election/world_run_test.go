package election

import (
	"bytes"
	"flag"
	"fmt"
	"testing"
	"time"
)

var runs = flag.Int("election.runs", 1000, "seeds of TestAgreement, and ten times those of TestWithZyre")

const agreement = 3 * time.Second

// TestAgreement: whatever happens, 3 seconds after they learn of the last change, all our members of a group that can reach each other name
// the same leader: the lowest contestant.
func TestAgreement(t *testing.T) {
	same, foreign := 0, 0
	for seed := range uint64(*runs) {
		w := newWorld(seed)
		if msg := w.story(); msg != "" {
			w := newWorld(seed)
			w.log = t.Logf
			t.Fatalf("seed %d: %s", seed, w.story())
		}
		with, all := w.zyres()
		same += with
		foreign += all
	}
	t.Logf("C zyre's nodes name our leader in the end: %d of %d", same, foreign)
}

// story makes nodes, and lets things happen to them. It returns what went wrong.
func (w *world) story() string {
	kinds := []kind{ours, ours, ours, zyre, silent}
	if w.random.IntN(3) == 0 {
		kinds = []kind{ours}
	}
	for range 2 + w.random.IntN(7) {
		w.add(kinds[w.random.IntN(len(kinds))], w.random.IntN(3) > 0, w.random.IntN(4) > 0)
		w.run(w.upTo(300 * time.Millisecond))
	}
	for range w.random.IntN(20) {
		w.mishap()
		if msg := w.watch(w.upTo(time.Second << w.random.IntN(4))); msg != "" {
			return msg
		}
	}
	w.merge()
	return w.watch(15 * time.Second)
}

// mishap makes one thing happen.
func (w *world) mishap() {
	n := w.nodes[w.random.IntN(len(w.nodes))]
	switch w.random.IntN(8) {
	case 0:
		if n.alive {
			w.log("%v crash %x", w.now.Format("05.000"), n.id[:2])
			n.crash()
		}
	case 1, 2:
		switch {
		case !n.alive:
			w.log("%v start %x", w.now.Format("05.000"), n.id[:2])
			n.start(w.random.IntN(2) == 0)
		case n.joined:
			w.log("%v leave %x", w.now.Format("05.000"), n.id[:2])
			n.leave()
		default:
			w.log("%v join %x", w.now.Format("05.000"), n.id[:2])
			n.join()
		}
	case 3:
		w.log("%v part", w.now.Format("05.000"))
		w.part()
	case 4:
		w.log("%v merge", w.now.Format("05.000"))
		w.merge()
	case 5:
		if n.contests = true; n.alive {
			if n.zyre.contests = true; n.ours != nil {
				n.changed()
				n.act(n.ours.Contest(w.now))
			}
		}
	case 6:
		w.log("%v break", w.now.Format("05.000"))
		other := w.nodes[w.random.IntN(len(w.nodes))]
		n.lose(other) // only one end: the other learns of it by the next HELLO
	default:
		if len(w.nodes) < 12 {
			kinds := []kind{ours, zyre}
			w.add(kinds[w.random.IntN(2)], w.random.IntN(2) == 0, true)
		}
	}
}

// watch runs, and checks again and again whether those agree that should.
func (w *world) watch(d time.Duration) string {
	for end := w.now.Add(d); w.now.Before(end); {
		w.run(min(100*time.Millisecond, end.Sub(w.now)))
		if w.now.Sub(w.quiet) < agreement {
			continue
		}
		for side := range 2 {
			if msg := w.agree(side); msg != "" {
				return msg
			}
		}
	}
	return ""
}

// agree compares the leaders that our members on one side name.
func (w *world) agree(side int) string {
	var best, first ID
	var has, some bool
	var members []*node
	for _, n := range w.nodes {
		if n.alive && n.side == side && n.kind == ours && n.ours != nil {
			members = append(members, n)
		}
	}
	lower := func(id ID) {
		if !has || bytes.Compare(id[:], best[:]) < 0 {
			best, has = id, true
		}
	}
	for _, n := range members {
		if n.contests {
			lower(n.id)
		}
		for id, m := range n.ours.members { // C zyre's: whether they contest is not known before they say so
			if m.contests && !m.ours {
				lower(id)
			}
		}
	}
	for i, n := range members {
		leader, ok := n.ours.Leader()
		if ok != has || leader != best {
			return fmt.Sprintf("%v: %x names %x (%v), the lowest contestant is %x (%v)", w.now.Format("05.000"), n.id[:2], leader[:2], ok, best[:2], has)
		}
		if i == 0 {
			first, some = leader, ok
		} else if leader != first || ok != some {
			return fmt.Sprintf("%x and %x name different leaders", members[0].id[:2], n.id[:2])
		}
	}
	return ""
}

// zyres counts C zyre's members, and those that name the same leader as ours.
func (w *world) zyres() (same, all int) {
	for _, n := range w.nodes {
		if n.kind != ours || n.ours == nil || !n.alive {
			continue
		}
		leader, ok := n.ours.Leader()
		for _, z := range w.nodes {
			if z.kind == zyre && z.alive && z.joined && ok {
				if all++; z.zyre.hasReported && z.zyre.reported == leader {
					same++
				}
			}
		}
		return same, all
	}
	return 0, 0
}

// TestWithZyre runs three C zyre nodes that contest, with nodes of ours and without. Their own elections hang in many runs, and in fewer
// with ours among them.
func TestWithZyre(t *testing.T) {
	seeds := *runs / 10
	for _, story := range []string{"all start", "the leader crashes", "another one starts"} {
		alone := 0
		for _, test := range []struct {
			ours     int
			contests bool
		}{{0, false}, {1, false}, {1, true}, {3, false}, {3, true}} {
			right := 0
			for seed := range uint64(seeds) {
				if electsTheLowest(seed, story, test.ours, test.contests) {
					right++
				}
			}
			t.Logf("%s, %d of ours (contest: %v): all of C zyre's name the lowest contestant in %d of %d runs", story, test.ours, test.contests, right, seeds)
			if test.ours == 0 {
				alone = right
			} else if right < alone {
				t.Errorf("%s: %d runs end well with %d of ours, %d without", story, right, test.ours, alone)
			}
		}
	}
}

func electsTheLowest(seed uint64, story string, count int, contests bool) bool {
	w := newWorld(seed)
	for range count {
		w.add(ours, contests, true)
		w.run(w.upTo(300 * time.Millisecond))
	}
	for range 3 {
		w.add(zyre, true, true)
		w.run(w.upTo(300 * time.Millisecond))
	}
	if seed%2 == 0 {
		w.add(zyre, false, true)
	}
	w.run(6 * time.Second)
	switch story {
	case "the leader crashes":
		w.lowest().crash()
	case "another one starts":
		w.add(zyre, true, true)
	}
	w.run(10 * time.Second)
	want := w.lowest().id
	for _, n := range w.nodes {
		if n.alive && n.kind == zyre && (!n.zyre.hasReported || n.zyre.reported != want) {
			return false
		}
	}
	return true
}

// lowest returns the contestant with the lowest UUID.
func (w *world) lowest() (best *node) {
	for _, n := range w.nodes {
		if n.alive && n.contests && (best == nil || bytes.Compare(n.id[:], best.id[:]) < 0) {
			best = n
		}
	}
	return best
}
