package zretest_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// problems returns the problems that a node reported, in words, without their causes.
func problems(w *zretest.Watched) (list []string) {
	for _, event := range w.Seen() {
		if e, ok := event.(zre.Problem); ok {
			e.Err = nil
			list = append(list, e.String())
		}
	}
	return list
}

// currentProblems returns the problems in the result of Problems.
func currentProblems(w *zretest.Watched) (list []string) {
	for _, p := range w.Problems() {
		p.Err = nil
		list = append(list, p.String())
	}
	return list
}

// An unreachable peer is reported once, however often it is dialled, and once more when it is reachable.
func TestUnreachablePeerIsAProblem(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetRouting(true)
		lan.SetHostName("robot.example", "10.0.1.1")
		host := lan.Host("10.0.1.1")
		a := zretest.Start(t, lan.Host("10.0.2.1"), zre.WithPeers("tcp://robot.example:5671", "tcp://10.0.9.9:5671"))
		began := time.Now()
		advance(10 * time.Minute)
		const robot, nobody = "unreachable tcp://10.0.1.1:5671", "unreachable tcp://10.0.9.9:5671"
		told := problems(a)
		slices.Sort(told)
		expectEqual(t, "problems", told, []string{robot, nobody})
		list := a.Problems()
		if len(list) != 2 || list[0].Kind != zre.ProblemUnreachable || !errors.Is(list[0].Err, syscall.ECONNREFUSED) ||
			!strings.Contains(list[0].Err.Error(), "robot.example") || list[0].Since.Sub(began) > 5*time.Second || list[0].From().Endpoint != list[0].About {
			t.Errorf("problems: %+v", list)
		}
		b := zretest.Start(t, host, zre.WithName("robot"), zre.WithListen("tcp://*:5671"))
		zretest.Next[zre.Enter](a)
		advance(time.Second)
		expectEqual(t, "problems that stand", currentProblems(a), []string{nobody})
		expectEqual(t, "what was solved", problems(a)[2:], []string{robot + ": solved"})
		b.Close()
		advance(time.Minute)
		expectEqual(t, "problems that stand", currentProblems(a), []string{robot, nobody})
		lan.SetHostName("robot.example", "10.0.1.2") // no node looks for it at the old address any more
		advance(time.Minute)
		expectEqual(t, "problems that stand", currentProblems(a), []string{"unreachable tcp://10.0.1.2:5671", nobody})
	})
}

// More peers than the limit are a problem, reported once. It is solved when there is room and no more peer is refused.
func TestTooManyPeersIsAProblem(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithLimits(zre.Limits{Peers: 2}))
		others := make([]*zretest.Watched, 4)
		for i := range others {
			others[i] = zretest.Start(t, lan.Host(fmt.Sprintf("10.0.0.%d", i+2)))
		}
		advance(10 * time.Minute)
		const problem = "too many peers Limits.Peers"
		expectEqual(t, "problems", problems(a), []string{problem})
		expectEqual(t, "problems that stand", currentProblems(a), []string{problem})
		p := a.Problems()[0]
		if p.Peer != nil || p.From() == nil || !strings.Contains(p.Err.Error(), "2") {
			t.Errorf("%+v", p)
		}
		for i := range 3 {
			others[i].Close()
			advance(time.Minute)
		}
		expectEqual(t, "problems", problems(a), []string{problem, problem + ": solved"})
		if got := len(a.Peers()); got != 1 || len(a.Problems()) > 0 {
			t.Errorf("%d peers, problems %v", got, a.Problems())
		}
	})
}

// A peer on the network of an excluded interface cannot connect to us. That is reported if it is the case.
func TestPeerOfAnInterfaceLeftOut(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []zre.Option
		peer    string
		want    string
	}{
		{"of the other interface", []zre.Option{zre.WithInterfaces("eth0")}, "tcp://10.1.0.2:5671", "contradiction tcp://10.1.0.2:5671"},
		{"excluded", []zre.Option{zre.WithInterfaces("!eth1")}, "tcp://10.1.0.2:5671", "contradiction tcp://10.1.0.2:5671"},
		{"listening elsewhere", []zre.Option{zre.WithListen("tcp://10.0.0.1:5671")}, "tcp://10.1.0.2:5671", "contradiction tcp://10.1.0.2:5671"},
		{"by name", []zre.Option{zre.WithInterfaces("eth0")}, "tcp://robot:5671", "contradiction tcp://10.1.0.2:5671"},
		{"of a chosen one", []zre.Option{zre.WithInterfaces("eth0")}, "tcp://10.0.0.2:5671", ""},
		{"of both that are chosen", []zre.Option{zre.WithInterfaces("eth*")}, "tcp://10.1.0.2:5671", ""},
		{"beyond a router", []zre.Option{zre.WithInterfaces("eth0")}, "tcp://10.7.0.2:5671", ""},
		{"nothing chosen", nil, "tcp://10.1.0.2:5671", ""},
		{"of this machine", []zre.Option{zre.WithInterfaces("eth0")}, "tcp://10.1.0.1:5671", ""},
		{"advertised", []zre.Option{zre.WithInterfaces("eth0"), zre.WithAdvertise("tcp://10.0.0.1:5671")}, "tcp://10.1.0.2:5671", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetHostName("robot", "10.1.0.2")
				a := zretest.Start(t, lan.Host("10.0.0.1", "10.1.0.1"), append(c.options, zre.WithPeers(c.peer))...)
				advance(10 * time.Minute)
				got := slices.DeleteFunc(problems(a), func(p string) bool { return strings.HasPrefix(p, "unreachable") })
				if fmt.Sprint(got) != fmt.Sprintf("[%s]", c.want) {
					t.Errorf("problems %q, want %q", got, c.want)
				}
			})
		})
	}
}

// The problem is solved when the address is elsewhere, or the interface.
func TestPeerOfAnInterfaceLeftOutIsSolved(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetHostName("robot", "10.1.0.2")
		h := lan.Host("10.0.0.1", "10.1.0.1")
		a := zretest.Start(t, h, zre.WithInterfaces("eth0"), zre.WithPeers("tcp://robot:5671", "tcp://10.1.0.3:5671"))
		both := []string{"contradiction tcp://10.1.0.2:5671", "contradiction tcp://10.1.0.3:5671"}
		contradictions := func() []string {
			return slices.DeleteFunc(currentProblems(a), func(p string) bool { return strings.HasPrefix(p, "unreachable") })
		}
		advance(time.Second)
		expectEqual(t, "problems that stand", contradictions(), both)
		lan.SetHostName("robot", "10.0.0.2")
		advance(time.Minute)
		expectEqual(t, "problems that stand", contradictions(), both[1:])
		h.InterfaceDown("eth1")
		advance(time.Minute)
		expectEqual(t, "problems that stand", contradictions(), nil)
		h.InterfaceUp("eth1")
		advance(time.Minute)
		expectEqual(t, "problems that stand", contradictions(), both[1:])
	})
}

// A twin with addresses of both families, and datagrams forged for many addresses, are one conflict, which ends a minute after the last
// datagram.
func TestConflictsAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t, zretest.IPv6())
		id := zre.WithUUID(uuid.New())
		a := zretest.Start(t, lan.Host("10.0.0.1 fd00::1"), id)
		b := zretest.Start(t, lan.Host("10.0.0.2 fd00::2"), id)
		conflict := "conflict " + a.UUID().String()
		advance(10*time.Minute + 30*time.Second)
		for _, w := range []*zretest.Watched{a, b} {
			expectEqual(t, "problems", problems(w), []string{conflict})
		}
		p := a.Problems()[0]
		port := endpointOf(b)[strings.LastIndex(endpointOf(b), ":"):]
		if from := p.From(); from.UUID != a.UUID() || !strings.HasSuffix(from.Endpoint, port) || from.State != zre.StateUnknown {
			t.Errorf("%v, of %+v", p, from)
		}
		b.Close()
		advance(30 * time.Second)
		expectEqual(t, "problems that stand", currentProblems(a), []string{conflict})
		advance(time.Minute)
		expectEqual(t, "problems", problems(a), []string{conflict, conflict + ": solved"})
		expectEqual(t, "problems that stand", currentProblems(a), nil)
	})
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"))
		addresses := make([]string, 250)
		for i := range addresses {
			addresses[i] = fmt.Sprintf("10.0.0.%d/24", i+3)
		}
		forger := listen(t, lan.Host(strings.Join(addresses, " ")), 5670)
		datagram := beacon.Beacon{UUID: a.UUID(), Port: 7, State: beacon.Unknown}.Append(nil)
		for range 20 {
			for _, from := range addresses {
				forger.sendFrom(t, string(datagram), netip.MustParsePrefix(from).Addr().String(), "10.0.0.255:5670")
			}
			advance(time.Second)
		}
		expectEqual(t, "problems", problems(a), []string{"conflict " + a.UUID().String()})
	})
}
