package zretest_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// foreignGap is how long it may take until a gap shows that a reset lost an ELECT of C zyre: until its next message, at the latest a PING.
const foreignGap = 7 * time.Second

// An electionNode is one of our nodes in a world of elections.
type electionNode struct {
	*zretest.Watched
	host     *zretest.Host
	id       uuid.UUID
	up       bool
	read     int // events
	view     []uuid.UUID
	changed  time.Time // time of the last event that may change its leader
	side     int
	joined   bool
	contests bool
}

// An electionTest is a set of nodes that elect a leader while faults happen.
type electionTest struct {
	t         *testing.T
	lan       *zretest.LAN
	r         *rand.Rand
	electors  []*electionNode
	foreign   []*zretest.Foreign
	count     int
	partedAt  time.Time // zero: all nodes reach each other
	quietFrom time.Time // the last change that is not an event of a node, plus the time it may take to arrive
	steps     []string
}

func (b *electionTest) logStep(format string, args ...any) {
	b.steps = append(b.steps, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
	b.delayQuiet(0)
}

func (b *electionTest) delayQuiet(d time.Duration) {
	if at := time.Now().Add(d); at.After(b.quietFrom) {
		b.quietFrom = at
	}
}

func (b *electionTest) id() (id uuid.UUID) {
	for i := range id {
		id[i] = byte(b.r.Uint32())
	}
	return id
}

func (b *electionTest) newHost() *zretest.Host {
	b.count++
	return b.lan.Host(fmt.Sprintf("10.0.0.%d/16", b.count))
}

func (b *electionTest) start(e *electionNode) {
	e.joined, e.contests = b.r.IntN(4) > 0, b.r.IntN(2) == 0
	e.joined = e.joined || e.contests
	options := []zre.Option{zre.WithUUID(e.id), zre.WithName(fmt.Sprintf("%x", e.id[:2]))}
	if e.contests {
		options = append(options, zre.WithContest(group))
	}
	b.logStep("start %x, in the group %v, contests %v", e.id[:2], e.joined, e.contests)
	e.Watched, e.up, e.read = zretest.Start(b.t, e.host, options...), true, 0
	if e.joined {
		b.failOn(e.Join(group))
	}
}

func (b *electionTest) failOn(err error) {
	if err != nil {
		b.t.Error(err)
	}
}

// randomStep makes one thing happen.
func (b *electionTest) randomStep() {
	e := b.electors[b.r.IntN(len(b.electors))]
	switch b.r.IntN(7) {
	case 0:
		b.togglePartition()
	case 1, 2:
		b.end(e)
	case 3:
		if e.up && !e.contests {
			b.logStep("contest %x", e.id[:2])
			e.joined, e.contests = true, true
			b.failOn(e.Contest(group))
		}
	case 4:
		if e.up && b.partedAt.IsZero() {
			b.logStep("reset %x", e.id[:2])
			e.host.ResetConnections()
			if len(b.foreign) > 0 {
				b.delayQuiet(foreignGap)
			}
		}
	default:
		switch {
		case !e.up:
			b.start(e)
		case e.joined:
			b.logStep("leave %x", e.id[:2])
			e.joined, e.contests = false, false
			b.failOn(e.Leave(group))
		default:
			b.logStep("join %x", e.id[:2])
			e.joined = true
			b.failOn(e.Join(group))
		}
	}
}

// end ends a node: politely, by killing its process, or by a power cut, which the others notice when it expires.
func (b *electionTest) end(e *electionNode) {
	if !e.up {
		return
	}
	how := b.r.IntN(3)
	b.logStep("end %x (%d)", e.id[:2], how)
	e.up = false
	switch how {
	case 1:
		e.host.Kill()
	case 2:
		e.host.Crash()
	}
	_ = e.Close() // messages may be lost
	switch how {
	case 1:
		e.host = e.host.Process()
	case 2:
		b.pause(40 * time.Second)
		e.host.Boot()
		e.host = e.host.Process()
	}
	if b.r.IntN(2) == 0 {
		e.id = b.id()
	}
}

// togglePartition partitions the network, or heals it.
func (b *electionTest) togglePartition() {
	if !b.partedAt.IsZero() {
		b.lan.Heal()
		b.logStep("heal")
		b.delayQuiet(min(2*time.Since(b.partedAt), time.Minute)) // TCP doubles its wait before each retransmission
		b.partedAt = time.Time{}
		return
	}
	var away []*zretest.Host
	for _, e := range b.electors {
		if e.side = b.r.IntN(2); e.side == 1 {
			away = append(away, e.host)
		}
	}
	if len(away) > 0 {
		b.logStep("part: %v", away)
		b.lan.Partition(away...)
		b.partedAt = time.Now()
	}
}

// pause lets time pass and checks again and again that the nodes that should agree do.
func (b *electionTest) pause(most time.Duration) {
	for end := time.Now().Add(time.Duration(b.r.Int64N(int64(most)))); time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond) // fake time
		for _, e := range b.electors {
			b.recordEvents(e)
		}
		for side := range 2 {
			b.check(side, false)
		}
	}
}

// check looks at the members on one side. If all have had the same view of it for a while, they name the same leader, the lowest contestant.
// At the end they must have the same view.
func (b *electionTest) check(side int, end bool) {
	var members []*electionNode
	var want uuid.UUID
	for _, e := range b.electors {
		if e.up && e.joined && (b.partedAt.IsZero() || e.side == side) {
			members = append(members, e)
			if e.contests && (want == uuid.Nil || bytes.Compare(e.id[:], want[:]) < 0) {
				want = e.id
			}
		}
	}
	settled := time.Since(b.quietFrom) >= agreement
	for _, e := range members {
		settled = settled && b.isSettled(e, members)
	}
	if !settled {
		if end {
			for _, e := range members {
				b.t.Logf("%x: %v since its last change, sees %d in the group", e.id[:2], time.Since(e.changed), len(e.PeersIn(group)))
			}
			b.t.Errorf("%d nodes do not settle; the steps:\n%s", len(members), strings.Join(b.steps, "\n"))
		}
		return
	}
	var first uuid.UUID
	for i, e := range members {
		var got uuid.UUID
		if p, ok := e.Leader(group); ok {
			got = p.UUID
		}
		lower := b.isForeign(got) && (want == uuid.Nil || bytes.Compare(got[:], want[:]) < 0)
		if i == 0 {
			first = got
		}
		if got != first || got != want && !lower {
			b.t.Fatalf("%s: %x names %x, %x names %x, the lowest of ours is %x; the steps:\n%s", time.Now().Format("04:05.000"),
				e.id[:2], got[:2], members[0].id[:2], first[:2], want[:2], strings.Join(b.steps, "\n"))
		}
	}
}

func (b *electionTest) isForeign(id uuid.UUID) bool {
	return slices.ContainsFunc(b.foreign, func(f *zretest.Foreign) bool { return f.UUID() == id })
}

// recordEvents records events of a node that may change its leader. Only C zyre itself tells whether it contests.
func (b *electionTest) recordEvents(e *electionNode) {
	if !e.up {
		return
	}
	var view []uuid.UUID // a broken session is not listed, and its Exit may come later
	for _, p := range e.PeersIn(group) {
		view = append(view, p.UUID)
	}
	slices.SortFunc(view, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	if !slices.Equal(view, e.view) {
		e.view, e.changed = view, time.Now()
	}
	seen := e.Seen()
	for _, event := range seen[e.read:] {
		switch event := event.(type) {
		case zre.Enter, zre.Exit, zre.Join, zre.Leave:
			e.changed = time.Now()
		case zre.Leader:
			if b.isForeign(event.Peer.UUID) {
				e.changed = time.Now()
			}
		}
	}
	e.read = len(seen)
}

// isSettled tells whether a node sees exactly these members among ours, none beyond the cut, and heard of no change for a while.
func (b *electionTest) isSettled(e *electionNode, members []*electionNode) bool {
	seen := e.PeersIn(group)
	ours := 0
	for _, p := range seen {
		switch {
		case !b.isForeign(p.UUID):
			ours++
		case !b.partedAt.IsZero() && e.side != 0:
			return false
		}
	}
	for _, m := range members {
		if m != e && !slices.ContainsFunc(seen, func(p *zre.Peer) bool { return p.UUID == m.id }) {
			return false
		}
	}
	return ours == len(members)-1 && time.Since(e.changed) >= agreement
}

// TestElections: three seconds after the last change that they can know of, all members of a group name the same leader: the lowest
// contestant among those that reach each other.
func TestElections(t *testing.T) {
	zretest.Run(t, 60, func(t *testing.T, lan *zretest.LAN) { newElectionTest(t, lan, false).run() })
}

// TestElectionsWithOthers adds models of other implementations to the group. C zyre nodes contest, or do not.
func TestElectionsWithOthers(t *testing.T) {
	zretest.Run(t, 60, func(t *testing.T, lan *zretest.LAN) { newElectionTest(t, lan, true).run() })
}

func newElectionTest(t *testing.T, lan *zretest.LAN, others bool) *electionTest {
	b := &electionTest{t: t, lan: lan, r: lan.Rand()}
	lan.SetLink(zretest.Link{Latency: time.Duration(b.r.Int64N(int64(100 * time.Millisecond)))})
	if others {
		kinds := []zretest.Implementation{zretest.Zyre}
		mayContest := b.r.IntN(3) > 0 // then C zyre sends ELECT to all, and other implementations would drop it
		if !mayContest {
			kinds = append(kinds, zretest.Pyre, zretest.ZyreJS)
		}
		for range 1 + b.r.IntN(3) {
			kind := kinds[b.r.IntN(len(kinds))]
			option := zretest.ForeignGroups(group)
			if mayContest && b.r.IntN(2) == 0 {
				option = zretest.ForeignContests(group)
			}
			f := zretest.NewForeign(t, b.newHost(), kind, zretest.ForeignUUID(b.id()), option)
			b.foreign = append(b.foreign, f)
			id := f.UUID()
			b.logStep("%s %x", kind, id[:2])
			b.pause(time.Second)
		}
	}
	for range 2 + b.r.IntN(5) {
		e := &electionNode{host: b.newHost(), id: b.id()}
		b.electors = append(b.electors, e)
		b.start(e)
		b.pause(2 * time.Second)
	}
	return b
}

func (b *electionTest) run() {
	for range 5 + b.r.IntN(15) {
		b.randomStep()
		b.pause(time.Second << b.r.IntN(7))
	}
	if !b.partedAt.IsZero() {
		b.togglePartition()
	}
	time.Sleep(3 * time.Minute) // fake time
	for _, e := range b.electors {
		b.recordEvents(e)
	}
	time.Sleep(agreement + time.Second) // fake time
	b.check(0, true)
	for _, e := range b.electors {
		if e.up {
			_ = e.Close()
		}
	}
}
