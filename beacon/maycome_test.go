package beacon

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestAppearsAfterOpen: an agent opens without what may come later, reports once what is missing, and sends within a second once it is there.
func TestAppearsAfterOpen(t *testing.T) {
	wlan := iface(3, "wlan0", ethernet, "192.168.1.7/24")
	const classicW = "5670: 22 port 49152 to 192.168.1.255:5670 from 192.168.1.7%3"
	const stateW = "15670: 23 port 49152 idle to 239.255.90.82:15670 from 192.168.1.7%3"
	for _, c := range []struct {
		name   string
		config Config
		breaks func(h *host)
		heals  func(h *host)
		want   Failure  // without Since
		told   string   // in the log
		first  []string // sent while it is missing
		then   []string // sent when it is there
	}{
		{
			"an interface", Config{Interfaces: []string{"wlan0"}}, nil, func(h *host) { h.interfaces = append(h.interfaces, wlan) },
			Failure{Op: OpChoose, Interface: "wlan0", Err: ErrMissing}, "no such interface", nil, []string{classicW, stateW},
		},
		{
			"an address", Config{Interfaces: []string{"192.168.1.7"}}, nil, func(h *host) { h.interfaces = append(h.interfaces, wlan) },
			Failure{Op: OpChoose, Interface: "192.168.1.7", Err: ErrMissing}, "no such interface", nil, []string{classicW, stateW},
		},
		{
			"the list of interfaces", Config{Interfaces: []string{"eth0"}}, func(h *host) { h.scanErr = errBusy }, func(h *host) { h.scanErr = nil },
			Failure{Op: OpList, Err: errBusy}, "listing interfaces failed", nil, []string{classic1, state1},
		},
		{
			"the classic port", Config{}, func(h *host) { h.listenErr[5670] = errBusy }, func(h *host) { clear(h.listenErr) },
			Failure{Op: OpListen, Dst: netip.MustParseAddrPort("0.0.0.0:5670"), Err: errBusy}, "listening failed", []string{state1}, []string{classic1, state1},
		},
		{
			"the state port", Config{}, func(h *host) { h.listenErr[15670] = errBusy }, func(h *host) { clear(h.listenErr) },
			Failure{Op: OpListen, Dst: netip.MustParseAddrPort("0.0.0.0:15670"), Err: errBusy}, "listening failed", []string{classic1}, []string{classic1, state1},
		},
		{
			"the carrier of a group", Config{}, func(h *host) { h.joinErr = errNoDevice }, func(h *host) { h.joinErr = nil },
			Failure{Op: OpJoin, Interface: "eth0", Dst: netip.MustParseAddrPort("239.255.90.82:15670"), Err: errNoDevice}, "joining the multicast group failed",
			[]string{classic1, state1}, []string{classic1, state1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, l *lan) {
				const longest = DefaultInterval + DefaultInterval/10 // between two beacons
				h := l.host(eth0("10.0.0.1/24"))
				if c.breaks != nil {
					c.breaks(h)
				}
				log, lines := logger()
				changes := 0
				c.config.Network, c.config.Log, c.config.Failing = h, log, func() { changes++ }
				a := open(t, c.config)
				began := time.Now()
				a.Announce(49152, Idle)
				advance(0)
				equal(t, "sent while it is missing", texts(l.take()), c.first)
				advance(time.Minute)
				l.take()
				logged := lines()
				equal(t, "log lines of it", counts(logged, c.told), []int{1})
				failures := a.Failures()
				if len(failures) != 1 || failures[0].Since != began {
					t.Fatalf("failures: %v", failures)
				}
				failures[0].Since = time.Time{}
				if failures[0] != c.want || !errors.Is(&failures[0], c.want.Err) {
					t.Errorf("failure %+v, want %+v", failures[0], c.want)
				}
				if changes != 1 {
					t.Errorf("Failing was called %d times, want 1", changes)
				}
				h.do(func() { c.heals(h) })
				advance(longest) // what recovers without news waits for the next beacon
				if sent := texts(l.take()); len(sent) < len(c.then) {
					t.Errorf("sent within %v: %v", longest, sent)
				}
				advance(longest)
				sent := texts(l.take())
				equal(t, "sent when it is there", sent[:min(len(sent), len(c.then))], c.then)
				if failures := a.Failures(); len(failures) > 0 || changes != 2 {
					t.Errorf("when it is there: failures %v; Failing was called %d times", failures, changes)
				}
			})
		})
	}
}

// TestMute: an agent without beacons opens no socket, and follows the interfaces.
func TestMute(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"))
		h.listenErr[5670] = errBusy
		changes := 0
		a := open(t, Config{Network: h, Mute: true, Changed: func() { changes++ }})
		a.Announce(49152, Idle)
		a.SetState(Error)
		advance(10 * time.Second)
		h.set(eth0("10.0.0.2/24"))
		advance(time.Second)
		if got := formatInterfaces(a.Interfaces()); got != "eth0 [10.0.0.2/24]" || changes != 1 || !a.IsLocal(netip.MustParseAddr("10.0.0.2")) {
			t.Errorf("the agent uses %s; Changed was called %d times", got, changes)
		}
		if f := a.Failures(); len(f) > 0 {
			t.Errorf("failures: %v", f)
		}
		if a.Close(); h.opened > 0 || len(l.take()) > 0 {
			t.Errorf("%d sockets were opened", h.opened)
		}
	})
}

// TestJoinOrder: more sockets join what one cannot. If no more can be opened, hardware has joined first, in the order of the system.
func TestJoinOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		refuses bool // whether the system refuses another socket
		joined  int
	}{{"as many as are needed", false, 30}, {"one socket", true, 20}} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, l *lan) {
				var all []Interface
				for n := range 30 {
					i := iface(n+2, fmt.Sprint("eth", n), ethernet, fmt.Sprintf("10.0.%d.1/24", n))
					i.virtual = n < 15
					all = append(all, i)
				}
				h := l.host(all...)
				h.room = 20
				log, lines := logger()
				network := &limitedHost{h, c.refuses, 2}
				a := open(t, Config{Network: network, Log: log})
				advance(10 * time.Second)
				joined := make(map[int]bool)
				for _, conn := range h.conns {
					for m := range conn.member {
						joined[m.ifIndex] = true
					}
				}
				if len(joined) != c.joined {
					t.Errorf("groups are joined on %d interfaces", len(joined))
				}
				for _, i := range all {
					if !i.virtual && !joined[i.Index] {
						t.Errorf("no group is joined on %s, which is hardware", i.Name)
					}
				}
				if f := a.Failures(); len(f) != 30-c.joined || len(f) > 0 && !errors.Is(f[0].Err, errBusy) {
					t.Errorf("failures: %v", f)
				}
				if n := counts(lines(), "joining the multicast group failed"); n[0] != 30-c.joined {
					t.Errorf("%d log lines", n[0])
				}
			})
		})
	}
}

// limitedHost is a host that opens a limited number of sockets, if it refuses more.
type limitedHost struct {
	*host
	refuses bool
	left    int
}

func (s *limitedHost) ListenPacket(network string, port int) (PacketConn, error) {
	if network == "udp6" {
		return nil, errors.ErrUnsupported
	}
	if s.left--; s.left < 0 && s.refuses {
		return nil, errBusy
	}
	return s.host.ListenPacket(network, port)
}
