package zretest_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// How long a cluster may take to become calm: after a fault that peers can notice, and after a loss of power, which they notice only by the
// expired timeout. From then on no peer enters or exits for the duration quiet.
const (
	calmAfterFault = 5 * time.Second
	calmAfterPower = 30*time.Second + calmAfterFault
	// When another program takes over a ROUTER of libzmq with our identity, the ROUTER is silently deaf to us. We ask every 10 s, and give
	// up after the expired timeout.
	calmAfterTheft = 10*time.Second + calmAfterPower
	quiet          = 10 * time.Minute
)

// trips is how many round trips are added to that. A connection and a HELLO on it take three and a half. If zyre.js does not know us any
// more, two in a row pass until it enters here, each after a beacon, and one more until we enter there.
const trips = 4

// The extra time of zyre.js. It never answers a second HELLO: it drops us for it, greets us at our next beacon, and hangs up at the PING
// which shows that it waits for a third one. If it greeted an older node of ours at our address, it takes another HELLO, after 2.5 s.
const (
	calmAfterDrop = 6 * time.Second
	dropTrips     = 14
)

// Our nodes and foreign nodes that meet, break and come back soon become calm, and all see each other.
func TestForeignMembers(t *testing.T) {
	runs := 300
	if underRace {
		runs = 30
	}
	zretest.Run(t, runs, func(t *testing.T, lan *zretest.LAN) {
		x := newMixedCluster(t, lan, zretest.Zyre, zretest.Pyre, zretest.ZyreJS)
		defer func() {
			if t.Failed() {
				t.Logf("steps: %s", strings.Join(x.steps, "; "))
			}
		}()
		for range 1 + x.r.IntN(6) {
			time.Sleep(time.Duration(x.r.ExpFloat64() * float64(6*time.Second)))
			s, m, f := x.foreign[x.r.IntN(len(x.foreign))], x.members[x.r.IntN(len(x.members))], mixFaults[x.r.IntN(len(mixFaults))]
			if !s.up {
				continue
			}
			x.logStep("%s %s with %s", f.name, s.Name(), m.name)
			f.do(x, s, m)
			x.delayCalm(calmAfterFault)
		}
		time.Sleep(time.Until(x.calmAt))
		synctest.Wait()
		x.logStep("calm")
		x.check()
	})
}

// check checks that nothing changes for a long time, that all nodes are present, and that they hear each other.
func (x *mixedCluster) check() {
	before := make([]int, len(x.members))
	for i, m := range x.members {
		before[i] = len(m.Seen())
	}
	time.Sleep(trips * 2 * x.latency)
	synctest.Wait()
	calm := make(map[*foreignMember]int)
	for _, s := range x.foreign {
		calm[s] = len(s.Seen())
	}
	time.Sleep(30 * time.Second) // they continue to talk
	x.stopTalking()
	time.Sleep(quiet - 30*time.Second)
	synctest.Wait()
	for s, seen := range calm {
		if late := presenceEvents(x.ofMembers(s.Seen()[seen:])); s.up && len(late) > 0 {
			x.t.Errorf("%s is not calm: %d enters and exits in %v, such as %s", s.Name(), len(late), quiet, strings.Join(late[:min(len(late), 6)], ", "))
		}
	}
	for i, m := range x.members {
		if late := presenceEvents(m.Seen()[before[i]:]); len(late) > 0 {
			x.t.Errorf("%s is not calm: %d enters and exits in %v, such as %s", m.name, len(late), quiet, strings.Join(late[:min(len(late), 6)], ", "))
		}
	}
	for _, m := range x.members {
		m.sendOnce(x.t.Context())
	}
	for _, s := range x.foreign {
		if s.up {
			s.sendOnce()
		}
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	for _, m := range x.members {
		x.checkMember(m)
	}
	for _, s := range x.foreign {
		if s.up {
			x.checkForeign(s)
		}
	}
}

// ofMembers returns the events about members.
func (x *mixedCluster) ofMembers(events []zre.Event) (list []zre.Event) {
	for _, e := range events {
		if slices.ContainsFunc(x.members, func(m *member) bool { return m.id == e.From().UUID }) {
			list = append(list, e)
		}
	}
	return list
}

func (x *mixedCluster) stopTalking() {
	for _, m := range x.members {
		m.stopTalking()
	}
	for _, s := range x.foreign {
		if s.up {
			s.stopTalking()
		}
	}
}

// presenceEvents lists the Enters and Exits among events.
func presenceEvents(events []zre.Event) (list []string) {
	for _, e := range events {
		switch e := e.(type) {
		case zre.Enter:
			list = append(list, "Enter("+e.Peer.Name+")")
		case zre.Exit:
			list = append(list, "Exit("+e.Peer.Name+": "+e.Reason.String()+")")
		}
	}
	return list
}

// checkMember checks that a member sees and hears all running nodes, and no others.
func (x *mixedCluster) checkMember(m *member) {
	want := 0
	for _, o := range x.members {
		if o != m {
			want++
			x.checkHeard(m.name, m.Seen(), o.name, o.id, o.whispers[m.id], o.shouts)
		}
	}
	for _, s := range x.foreign {
		if s.up {
			want++
			x.checkHeard(m.name, m.Seen(), s.Name(), s.UUID(), s.whispers[m.id], s.shouts)
		}
	}
	var told zretest.EventChecker
	for _, event := range m.Seen() {
		_ = told.Check(event) // checked before
	}
	if got := len(m.Peers()); got != want || told.Present() != want {
		x.t.Errorf("%s sees %d peers, and its events have %d, want %d: %v", m.name, got, told.Present(), want, names(m))
	}
}

// checkForeign checks the same for what a foreign member knows about our nodes. What foreign members know about each other does not matter here.
func (x *mixedCluster) checkForeign(s *foreignMember) {
	peers := s.Peers()
	for _, m := range x.members {
		if !slices.Contains(peers, m.id) {
			x.t.Errorf("%s does not see %s", s.Name(), m.name)
		}
		peers = slices.DeleteFunc(peers, func(id uuid.UUID) bool { return id == m.id })
		x.checkHeard(s.Name(), s.Seen(), m.name, m.id, m.whispers[s.UUID()], m.shouts)
	}
	for _, o := range x.foreign {
		peers = slices.DeleteFunc(peers, func(id uuid.UUID) bool { return o.up && id == o.UUID() })
	}
	if len(peers) > 0 {
		x.t.Errorf("%s sees %d peers that are gone", s.Name(), len(peers))
	}
	x.checkNumbers(s)
}

// checkHeard checks that the last messages of a peer arrived.
func (x *mixedCluster) checkHeard(name string, seen []zre.Event, from string, id uuid.UUID, whispers, shouts uint64) {
	var whisper, shout uint64
	for _, event := range seen {
		if event.From().UUID != id {
			continue
		}
		switch e := event.(type) {
		case zre.Whisper:
			whisper, _ = zretest.ParseNumber(e.Frames[0])
		case zre.Shout:
			shout, _ = zretest.ParseNumber(e.Frames[0])
		}
	}
	if whisper+1 != whispers || shout+1 != shouts {
		x.t.Errorf("%s received from %s up to whisper %d and shout %d, want %d and %d", name, from, whisper+1, shout+1, whispers, shouts)
	}
}

// checkNumbers checks that a stranger lost nothing from our nodes between an Enter and the next Enter or Exit.
func (x *mixedCluster) checkNumbers(s *foreignMember) {
	type stream struct {
		from uuid.UUID
		kind string
	}
	next := make(map[stream]uint64)
	for _, event := range x.ofMembers(s.Seen()) {
		var at stream
		var frames [][]byte
		from := event.From()
		switch e := event.(type) {
		case zre.Enter, zre.Exit:
			delete(next, stream{from.UUID, "whisper"})
			delete(next, stream{from.UUID, "shout"})
			continue
		case zre.Whisper:
			at, frames = stream{from.UUID, "whisper"}, e.Frames
		case zre.Shout:
			at, frames = stream{from.UUID, "shout"}, e.Frames
		default:
			continue
		}
		n, _ := zretest.ParseNumber(frames[0])
		if want, begun := next[at]; begun && n != want {
			x.t.Errorf("%s got %s %d of %s, want %d", s.Name(), at.kind, n, from.Name, want)
		}
		next[at] = n + 1
	}
}

func names(m *member) (list []string) {
	for _, p := range m.Peers() {
		list = append(list, p.Name)
	}
	return list
}
