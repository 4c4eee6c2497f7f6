package beacon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// host6 adds a host with IPv6 too.
func (l *lan) host6(interfaces ...Interface) *host {
	h := l.host(interfaces...)
	h.six = true
	return h
}

// dual is the usual interface of a host with both address families.
func dual(addrs ...string) Interface { return iface(2, "eth0", ethernet, addrs...) }

const (
	classic6 = "5670: 22 port 49152 to [ff02::1]:5670 from fe80::1%2"
	state6   = "15670: 23 port 49152 idle to [ff12::5a:5245]:15670 from fe80::1%2"
)

// TestNewView6: what an agent uses and where its beacons go, with both families.
func TestNewView6(t *testing.T) {
	const all, site = "ff02::1", "ff15::5a:5245"
	eth := iface(2, "eth0", ethernet, "fd00::5/64", "fe80::5/64", "10.0.0.5/24")
	bare := iface(3, "eth1", ethernet, "fe80::6/64")
	bridge := iface(5, "docker0", ethernet, "172.17.0.1/16", "fe80::1/64")
	four := []string{"10.0.0.255:5670 10.0.0.5%2", "239.255.90.82:15670 10.0.0.5%2"}
	six := func(src string, index int) []string {
		return []string{fmt.Sprintf("[ff02::1]:5670 %s%%%d", src, index), fmt.Sprintf("[ff12::5a:5245]:15670 %s%%%d", src, index)}
	}
	for _, c := range []struct {
		name       string
		interfaces []Interface
		chosen     []string
		config     Config
		uses       string
		sends      [][]string
	}{
		{"both, IPv4 first", []Interface{lo, eth}, nil, Config{}, "eth0 [10.0.0.5/24 fd00::5/64 fe80::5/64]", [][]string{four, six("fe80::5", 2)}},
		{"IPv6 alone, and lo for the machine itself", []Interface{lo, bare}, nil, Config{}, "eth1 [fe80::6/64], lo [127.0.0.1/8]",
			[][]string{six("fe80::6", 3), {"127.255.255.255:5670 127.0.0.1%1", "239.255.90.82:15670 127.0.0.1%1"}}},
		{"no lo where another has IPv4", []Interface{lo, eth, bare}, nil, Config{}, "eth0 [10.0.0.5/24 fd00::5/64 fe80::5/64], eth1 [fe80::6/64]",
			[][]string{four, six("fe80::5", 2), six("fe80::6", 3)}},
		{"no link-local address", []Interface{iface(2, "eth0", ethernet, "fd00::5/64")}, nil, Config{}, "eth0 [fd00::5/64]", [][]string{six("fd00::5", 2)}},
		{"no multicast", []Interface{iface(2, "eth0", ethernet&^net.FlagMulticast, "10.0.0.5/24", "fe80::5/64")}, nil, Config{}, "eth0 [10.0.0.5/24]", [][]string{four[:1]}},
		{"no multicast and no IPv4", []Interface{iface(2, "eth0", ethernet&^net.FlagMulticast, "fe80::5/64")}, nil, Config{}, "", nil},
		{"lo has no IPv6 multicast", []Interface{lo}, []string{"lo"}, Config{}, "lo [127.0.0.1/8]",
			[][]string{{"127.255.255.255:5670 127.0.0.1%1", "239.255.90.82:15670 127.0.0.1%1"}}},
		{"by name both", []Interface{eth, bridge}, []string{"eth0"}, Config{}, "eth0 [10.0.0.5/24 fd00::5/64 fe80::5/64]", [][]string{four, six("fe80::5", 2)}},
		{"an IPv4 address", []Interface{eth, bare}, []string{"10.0.0.5"}, Config{}, "eth0 [10.0.0.5/24]", [][]string{four}},
		{"an IPv6 address", []Interface{eth}, []string{"fd00::5"}, Config{}, "eth0 [fd00::5/64]", [][]string{six("fd00::5", 2)}},
		{"an IPv6 CIDR", []Interface{eth, bare}, []string{"fe80::/10"}, Config{}, "eth0 [fe80::5/64], eth1 [fe80::6/64]", [][]string{six("fe80::5", 2), six("fe80::6", 3)}},
		{"one of each", []Interface{eth}, []string{"10.0.0.0/8", "fe80::5%eth0"}, Config{}, "eth0 [10.0.0.5/24 fe80::5/64]", [][]string{four, six("fe80::5", 2)}},
		{"no IPv6", []Interface{eth, bare}, []string{"!::/0"}, Config{}, "eth0 [10.0.0.5/24]", [][]string{four}},
		{"no IPv4", []Interface{lo, eth}, []string{"!0.0.0.0/0"}, Config{}, "eth0 [fd00::5/64 fe80::5/64]", [][]string{six("fe80::5", 2)}},
		{"a network left out with its link", []Interface{eth, bridge}, []string{"!172.16.0.0/12"}, Config{}, "eth0 [10.0.0.5/24 fd00::5/64 fe80::5/64]",
			[][]string{four, six("fe80::5", 2)}},
		{"one of two networks left out", []Interface{eth}, []string{"!10.0.0.0/8"}, Config{}, "eth0 [fd00::5/64 fe80::5/64]", [][]string{six("fe80::5", 2)}},
		{"its link-local address left out", []Interface{eth}, []string{"!fe80::/10"}, Config{}, "eth0 [10.0.0.5/24 fd00::5/64]", [][]string{four, six("fd00::5", 2)}},
		{"beyond routers", []Interface{eth, bare}, []string{"!0.0.0.0/0"}, Config{TTL: 2}, "eth0 [fd00::5/64 fe80::5/64], eth1 [fe80::6/64]",
			[][]string{{"[ff02::1]:5670 fe80::5%2", "[" + site + "]:15670 fd00::5%2"}, {"[ff02::1]:5670 fe80::6%3", "[" + site + "]:15670 fe80::6%3"}}},
		{"another group", []Interface{bare}, nil, Config{Addresses: []netip.Addr{netip.MustParseAddr("ff12::99"), allNodes}, TTL: 2}, "eth1 [fe80::6/64]",
			[][]string{{"[" + all + "]:5670 fe80::6%3", "[ff12::99]:15670 fe80::6%3"}}},
		{"classic alone", []Interface{bare}, nil, Config{Addresses: []netip.Addr{allNodes}}, "eth1 [fe80::6/64]", [][]string{six("fe80::6", 3)[:1]}},
		{"another port", []Interface{bare}, nil, Config{Port: 7000}, "eth1 [fe80::6/64]", [][]string{{"[ff02::1]:7000 fe80::6%3", "[ff12::5a:5245]:17000 fe80::6%3"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Interfaces = c.chosen
			config := c.config.withDefaults()
			v := newView(&config, c.interfaces, allOpen)
			if got := formatInterfaces(v.interfaces); got != c.uses {
				t.Errorf("uses %s, want %s", got, c.uses)
			}
			var got []string
			for _, d := range append(v.classic, v.state...) {
				got = append(got, fmt.Sprintf("%v %v%%%d", d.Dst, d.Src, d.IfIndex))
			}
			want := slices.Concat(c.sends...)
			slices.Sort(got)
			slices.Sort(want)
			equal(t, "sends", got, want)
		})
	}
}

// TestBothFamilies: an agent's life with both families, and what a neighbour hears.
func TestBothFamilies(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		var heard sightingLog
		a := open(t, Config{Network: l.host6(dual("10.0.0.1/24", "fe80::1/64", "fd00::1/64")), Interval: time.Hour, UUID: testUUID})
		open(t, Config{Network: l.host6(dual("fe80::2/64")), Handler: heard.record})
		a.Announce(49152, Idle)
		advance(0)
		equal(t, "sent after Announce", texts(l.take()), []string{classic1, classic6, state1, state6})
		want := Sighting{Beacon{testUUID, 49152, Unknown, Key{}}, netip.MustParseAddr("fe80::1%eth0"), 2, "eth0", false, true}
		got := heard.take()
		slices.SortFunc(got, func(a, b Sighting) int { return int(b.State) - int(a.State) })
		stated := want
		stated.State = Idle
		equal(t, "heard by a neighbour without IPv4", got, []Sighting{want, stated})
		advance(time.Second)
		l.take()
		a.SetState(Processing)
		advance(0)
		if log := l.take(); len(log) != 2 {
			t.Errorf("sent after a change of state: %v", texts(log))
		}
		a.Close()
		if log := l.take(); len(log) != 12 {
			t.Errorf("sent as a farewell: %v", texts(log))
		}
	})
}

// TestStateByBroadcast6: the proposal of 2013 is for IPv4, IPv6 stays unchanged.
func TestStateByBroadcast6(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host6(dual("10.0.0.1/24", "fe80::1/64")), StateByBroadcast: true})
		a.Announce(49152, Idle)
		advance(0)
		equal(t, "sent with StateByBroadcast", texts(l.take()), []string{classic6, "5670: 23 port 49152 idle to 10.0.0.255:5670 from 10.0.0.1%2", state1, state6})
	})
}

// TestOnlyHarmlessBeacons6: only 22 octets, and 54 to all nodes, leave for all nodes or for port 5670.
func TestOnlyHarmlessBeacons6(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host6(dual("fe80::1/64"))})
		for _, form := range forms {
			octets := unhex(t, form.octets)
			for dst, anyForm := range map[string]bool{
				"[ff02::1]:5670": false, "[ff02::1]:15670": false, "[ff12::5a:5245]:5670": false, "[fe80::2]:15670": false,
				"[ff12::5a:5245]:15670": true, "[ff15::5a:5245]:15670": true,
			} {
				err := a.station.write(octets, Destination{netip.MustParseAddrPort(dst), netip.MustParseAddr("fe80::1"), 2})
				keyed := len(octets) == 54 && strings.HasPrefix(dst, "[ff02::1]")
				if want := anyForm || keyed || len(octets) == 22; (err == nil) != want || len(l.take()) > 0 != want {
					t.Errorf("%s to %s: %v", form.name, dst, err)
				}
			}
		}
	})
}

// TestFilter6: which datagrams are accepted at the IPv6 sockets.
func TestFilter6(t *testing.T) {
	const none, classicOnly, stateOnly, both = "", "C", "S", "CS"
	eth := iface(2, "eth0", ethernet, "10.0.0.2/24", "fe80::1/64")
	four := iface(3, "eth1", ethernet, "10.0.0.1/24") // used only by IPv4
	for _, c := range []struct {
		name     string
		form     int
		src, dst string
		ifIndex  int
		heardOn  string
		addr     string
	}{
		{"22 to all nodes", 0, "fe80::9", "ff02::1", 2, classicOnly, "fe80::9%eth0"},
		{"23 to all nodes", 1, "fe80::9", "ff02::1", 2, classicOnly, "fe80::9%eth0"},
		{"22 to the group", 0, "fe80::9", DefaultGroup6, 2, none, ""},
		{"23 to the group", 1, "fe80::9", DefaultGroup6, 2, stateOnly, "fe80::9%eth0"},
		{"55 to the group of a site", 3, "fd00::9", SiteGroup6, 2, stateOnly, "fd00::9"},
		{"a zone that is out of date", 1, "fe80::9%eth9", DefaultGroup6, 2, stateOnly, "fe80::9%eth0"},
		{"another group", 1, "fe80::9", "ff12::99", 2, none, ""},
		{"unicast", 1, "fe80::9", "fe80::1", 2, none, ""},
		{"an interface without IPv6", 1, "fe80::9", DefaultGroup6, 3, none, ""},
		{"an interface that is not there", 0, "fe80::9", "ff02::1", 9, none, ""},
		{"from nobody", 1, "::", DefaultGroup6, 2, none, ""},
		{"from the far end of loopback", 0, "::1", "ff02::1", 2, none, ""},
		{"from a group", 0, "ff02::1", "ff02::1", 2, none, ""},
		{"from IPv4", 0, "10.0.0.9", "ff02::1", 2, none, ""},
		{"from IPv4 in IPv6", 0, "::ffff:10.0.0.9", "ff02::1", 2, none, ""},
		{"a system that tells the zone alone", 1, "fe80::9%eth0", "", 0, both, "fe80::9%eth0"},
		{"a system that tells the index in the zone", 1, "fe80::9%2", "", 0, both, "fe80::9%eth0"},
		{"a system that tells nothing", 1, "fd00::9", "", 0, none, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, l *lan) {
				var ears sightingLog
				h := l.host6(eth, four)
				open(t, Config{Network: h, Handler: ears.record})
				dst, _ := netip.ParseAddr(c.dst)
				got := none
				for i, name := range []string{"C", "S"} {
					src := netip.AddrPortFrom(netip.MustParseAddr(c.src), 5670)
					h.conns[2+i].in <- packet{unhex(t, forms[c.form].octets), Origin{src, dst, c.ifIndex}}
					advance(0)
					for _, s := range ears.take() {
						got += name
						if s.Beacon != forms[c.form].beacon || !s.Multicast || s.IfIndex != 2 || s.Interface != "eth0" || s.Addr.String() != c.addr {
							t.Errorf("sighting: got %+v", s)
						}
					}
				}
				if got != c.heardOn {
					t.Errorf("heard on %q, want %q", got, c.heardOn)
				}
			})
		})
	}
}

// TestLocal6: a link-local address is this machine's on the interface that has it; a neighbour on another link may have the same. What an
// agent sent on one interface and hears on another, of the same link, is an echo all the same.
func TestLocal6(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host6(iface(2, "eth0", ethernet, "fe80::7/64", "fd00::7/64"), iface(3, "docker0", ethernet, "fe80::1/64"))
		var heard sightingLog
		a := open(t, Config{Network: h, Handler: heard.record, UUID: testUUID, Interval: time.Hour})
		for addr, want := range map[string]bool{
			"fe80::1": true, "fe80::1%docker0": true, "fe80::1%3": true, "fe80::1%eth0": false, "fe80::1%2": false,
			"fe80::7%eth0": true, "fd00::7": true, "fd00::7%docker0": true, "fe80::9%eth0": false, "fd00::1": false,
		} {
			if got := a.IsLocal(netip.MustParseAddr(addr)); got != want {
				t.Errorf("IsLocal(%s): got %v", addr, got)
			}
		}
		a.Announce(49152, Idle)
		advance(0)
		heard.take()
		said := Beacon{testUUID, 49152, Unknown, Key{}}
		arrive := func(b Beacon, src string, index int) []Sighting {
			h.conns[2].in <- packet{b.Append(nil), Origin{netip.AddrPortFrom(netip.MustParseAddr(src), 5670), allNodes, index}}
			advance(0)
			return heard.take()
		}
		if got := arrive(said, "fe80::7", 3); len(got) != 0 {
			t.Errorf("the agent heard itself across interfaces: %v", got)
		}
		said.UUID[0]++
		for _, c := range []struct {
			src   string
			index int
			local bool
		}{{"fe80::7", 2, true}, {"fe80::1", 3, true}, {"fe80::1", 2, false}, {"fd00::7", 3, true}} {
			if got := arrive(said, c.src, c.index); len(got) != 1 || got[0].Local != c.local {
				t.Errorf("from %s on %d: %+v, want local %v", c.src, c.index, got, c.local)
			}
		}
	})
}

// TestFamilies: one family is enough; a missing one is logged softly, a broken one loudly.
func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		name       string
		err4, err6 error
		told       string // the level of the lines; empty: none
		sent       []string
		failures   int
		uses       int // addresses
	}{
		{name: "both", sent: []string{classic1, classic6, state1, state6}, uses: 2},
		{name: "no IPv6", err6: errors.ErrUnsupported, told: "debug", sent: []string{classic1, state1}, uses: 1},
		{name: "IPv6 broken", err6: errBusy, told: "warn", sent: []string{classic1, state1}, failures: 2, uses: 2},
		{name: "no IPv4", err4: errors.ErrUnsupported, told: "debug", sent: []string{classic6, state6}, uses: 1},
		{name: "IPv4 broken", err4: errBusy, told: "warn", sent: []string{classic6, state6}, failures: 2, uses: 2},
		{name: "no IPv4, IPv6 broken", err4: errors.ErrUnsupported, err6: errBusy, told: "debug warn", failures: 2, uses: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, l *lan) {
				h := l.host6(dual("10.0.0.1/24", "fe80::1/64"))
				h.listenErr[5670], h.listenErr[15670], h.listenErr6 = c.err4, c.err4, c.err6
				log, lines := logger()
				a := open(t, Config{Network: h, Log: log})
				a.Announce(49152, Idle)
				advance(0)
				equal(t, "sent", texts(l.take()), c.sent)
				want := []int{strings.Count(c.told, "debug"), c.failures}
				equal(t, "log lines by level", counts(lines(), `"level":"debug"`, `"level":"warn"`), want)
				if failures := a.Failures(); len(failures) != c.failures {
					t.Errorf("failures: %v", failures)
				}
				if !a.IsLocal(netip.MustParseAddr("fe80::1")) {
					t.Error("IsLocal does not know an address of a family without a socket")
				}
				if got := len(a.Interfaces()[0].Addrs); got != c.uses {
					t.Errorf("uses %s", formatInterfaces(a.Interfaces()))
				}
				l.take()
				h.do(func() { clear(h.listenErr); h.listenErr6 = nil })
				advance(4 * scanInterval)
				sent, whole := texts(l.take()), []string{classic1, classic6, state1, state6}
				if len(sent) < 12 || !slices.Equal(sent[len(sent)-4:], whole) {
					t.Errorf("sent when all works again: %v", sent)
				}
				if failures := a.Failures(); len(failures) > 0 {
					t.Errorf("failures when all works again: %v", failures)
				}
			})
		})
	}
}

// TestNeitherFamily: on a machine with neither address family an agent waits for one.
func TestNeitherFamily(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host6(dual("10.0.0.1/24", "fe80::1/64"))
		unsupported := errors.ErrUnsupported
		h.listenErr[5670], h.listenErr[15670], h.listenErr6 = unsupported, unsupported, unsupported
		a := open(t, Config{Network: h})
		a.Announce(49152, Idle)
		advance(10 * time.Second)
		equal(t, "sent without either family", texts(l.take()), nil)
		if f := a.Failures(); len(f) != 1 || f[0].Op != OpListen || !errors.Is(f[0].Err, errors.ErrUnsupported) {
			t.Errorf("failures: %v", f)
		}
		h.do(func() { clear(h.listenErr) })
		advance(2 * scanInterval)
		if len(l.take()) == 0 || len(a.Failures()) > 0 {
			t.Errorf("no beacon was sent when IPv4 works; failures: %v", a.Failures())
		}
	})
}

// TestLateAddress: an IPv6 address that becomes usable later makes the agent a newcomer.
func TestLateAddress(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host6(eth0("10.0.0.1/24"))
		a := open(t, Config{Network: h, Interval: time.Hour})
		a.Announce(49152, Idle)
		advance(10 * time.Second)
		l.take()
		h.set(dual("10.0.0.1/24", "fe80::1/64"))
		advance(scanInterval)
		once := []string{classic1, classic6, state1, state6}
		equal(t, "sent", texts(l.take()), slices.Concat(once, once, once))
		for _, m := range []membership{{allNodes, 2, 0}, {defaultGroup6, 2, 0}, {siteGroup6, 2, 0}} {
			if !slices.ContainsFunc(h.conns, func(c *conn) bool { return c.member[m] }) {
				t.Errorf("the group %v is not joined", m.group)
			}
		}
	})
}

// TestDispatchAllocations6: hearing a link-local neighbour allocates nothing either.
func TestDispatchAllocations6(t *testing.T) {
	h := newLAN().host6(dual("fe80::1/64"))
	count := 0
	s := open(t, Config{Network: h, Handler: func(Sighting) { count++ }}).station
	octets := Beacon{UUID: testUUID, Port: 49152, State: Unknown}.Append(nil)
	from := Origin{netip.MustParseAddrPort("[fe80::9%eth0]:5670"), allNodes, 2}
	if n := testing.AllocsPerRun(100, func() { s.handleDatagram(octets, from, false) }); n != 0 || count != 101 {
		t.Errorf("%v allocations for a datagram, %d heard", n, count)
	}
}
