package zretest_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// agreement is how long after the last change that they can know of the members of a group agree on the leader.
const agreement = 3 * time.Second

// expectLeader waits until a node names a leader.
func expectLeader(t *testing.T, n *zretest.Watched, leader uuid.UUID) {
	t.Helper()
	e := n.Wait("Leader", func(e zre.Event) bool { l, ok := e.(zre.Leader); return ok && l.Peer.UUID == leader }).(zre.Leader)
	if p, ok := n.Leader(e.Group); !ok || p.UUID != leader {
		t.Errorf("%s heard of %v, and Leader returns %v, %v", n.Name(), leader, p, ok)
	}
}

// uuidFrom is a UUID with that first byte.
func uuidFrom(first byte) uuid.UUID { return uuid.UUID{first, 15: 1} }

// TestElection holds elections by TCP, on unix sockets and within a process.
func TestElection(t *testing.T) {
	for _, layout := range []string{"tcp", "ipc", "inproc"} {
		t.Run(layout, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				one := lan.Host("10.0.0.100/16")
				elect(t, func(i byte) *zretest.Host {
					switch layout {
					case "ipc":
						return one.Process()
					case "inproc":
						return one
					}
					return lan.Host(fmt.Sprintf("10.0.0.%d/16", i))
				})
			})
		})
	}
}

func elect(t *testing.T, host func(i byte) *zretest.Host) {
	start := func(i byte, options ...zre.Option) *zretest.Watched {
		return zretest.Start(t, host(i), append(options, zre.WithUUID(uuidFrom(i)), zre.WithName(fmt.Sprint(i)))...)
	}
	five, three := start(5, zre.WithContest(group)), start(3, zre.WithContest(group))
	nine := start(9) // does not contest
	if err := nine.Join(group); err != nil {
		t.Error(err)
	}
	for _, n := range []*zretest.Watched{five, three, nine} {
		expectLeader(t, n, uuidFrom(3))
	}
	if p, _ := three.Leader(group); p.Name != "3" || p.Transport != "" || !slices.Equal(p.Groups, []string{group}) || p.Endpoint != endpointOf(three) {
		t.Errorf("the leader knows itself as %+v", p)
	}
	two := start(2)
	if err := two.Contest(group); err != nil {
		t.Error(err)
	}
	for _, n := range []*zretest.Watched{five, three, nine, two} {
		expectLeader(t, n, uuidFrom(2))
	}
	if err := two.Leave(group); err != nil {
		t.Error(err)
	}
	if p, ok := two.Leader(group); ok {
		t.Errorf("a node that has left names %v", p)
	}
	for _, n := range []*zretest.Watched{five, three, nine} {
		expectLeader(t, n, uuidFrom(3))
	}
	if err := two.Join(group); err != nil { // it no longer contests
		t.Error(err)
	}
	expectLeader(t, two, uuidFrom(3))
	three.Close()
	for _, n := range []*zretest.Watched{five, nine, two} {
		expectLeader(t, n, uuidFrom(5))
	}
	five.Close()
	advance(agreement)
	for _, n := range []*zretest.Watched{nine, two} {
		if p, ok := n.Leader(group); ok {
			t.Errorf("%s names %v as the leader, but no node contests", n.Name(), p)
		}
	}
}

// A group without contestants has no leader, no event and nothing on the wire, so foreign nodes live in it. They do beside a contested
// group, too.
func TestNoElection(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		for i, kind := range []zretest.Implementation{zretest.Zyre, zretest.Pyre, zretest.ZyreJS} {
			zretest.NewForeign(t, lan.Host(fmt.Sprintf("10.0.0.1%d/16", i)), kind, zretest.ForeignGroups(group, "CONTESTED"))
		}
		_, nodes := startMeeting(t, lan, 2)
		for _, n := range nodes {
			if err := n.Join(group); err != nil {
				t.Error(err)
			}
		}
		if err := nodes[0].Contest("CONTESTED"); err != nil {
			t.Error(err)
		}
		advance(time.Minute)
		for _, n := range nodes {
			if p, ok := n.Leader(group); ok || p != nil {
				t.Errorf("%s names %v", n.Name(), p)
			}
			if len(n.Peers()) != 4 {
				t.Errorf("%s has %d peers", n.Name(), len(n.Peers()))
			}
			for _, e := range n.Seen() {
				if l, ok := e.(zre.Leader); ok && (l.Group == group || n == nodes[1]) {
					t.Errorf("%s: %v leads %s", n.Name(), l.Peer.Name, l.Group)
				}
			}
		}
	})
}

// With the option, a C zyre node that does not contest names our leader, too.
func TestElectionsToAll(t *testing.T) {
	for _, toAll := range []bool{false, true} {
		inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
			f := zretest.NewForeign(t, lan.Host("10.0.0.9/16"), zretest.Zyre, zretest.ForeignGroups(group))
			options := []zre.Option{zre.WithContest(group)}
			if toAll {
				options = append(options, zre.WithElectionsToAll())
			}
			_, nodes := startMeeting(t, lan, 1, options...)
			zretest.Next[zre.Enter](nodes[0])
			advance(10 * time.Second)
			named := slices.ContainsFunc(f.Seen(), func(e zre.Event) bool {
				l, ok := e.(zre.Leader)
				return ok && l.Peer.UUID == nodes[0].UUID()
			})
			if named != toAll {
				t.Errorf("to all %v: it named us: %v", toAll, named)
			}
		})
	}
}
