package beacon

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// kindsOf counts beacons by kind, except those on loopback.
func kindsOf(log []sent) (n [kinds]int) {
	for _, s := range log {
		if s.to.Src.IsLoopback() {
			continue // used if no other interface has IPv4
		}
		n[kindOf(s.to.Dst.Addr(), len(s.octets) != classicSize)]++
	}
	return n
}

// TestCalm: in the calm one kind of beacon continues on each interface, the others are rare.
func TestCalm(t *testing.T) {
	near := func(got [kinds]int, want [kinds]int) bool {
		for k := range got {
			if got[k] < want[k]*8/10 || got[k] > want[k]*12/10+1 {
				return false
			}
		}
		return true
	}
	both := dual("10.0.0.1/24", "fe80::1/64")
	const often, rare = 100, 5 // in 100 s
	for _, c := range []struct {
		name   string
		iface  Interface
		config Config
		hears  string // kinds by which another machine is heard
		local  bool   // it is this machine
		want   [kinds]int
	}{
		{"nobody else", both, Config{}, "", false, [kinds]int{often, rare, rare, rare}},
		{"another that is heard by all kinds", both, Config{}, "classic4 classic6 state4 state6", false, [kinds]int{often, rare, rare, rare}},
		{"no broadcasts arrive", both, Config{}, "classic6 state4 state6", false, [kinds]int{often, often, often, often}},
		{"no broadcasts arrive from this machine", both, Config{}, "state4", true, [kinds]int{often, rare, rare, rare}},
		{"broadcasts alone arrive", both, Config{}, "classic4", false, [kinds]int{often, rare, rare, rare}},
		{"IPv4 alone", eth0("10.0.0.1/24"), Config{}, "classic4", false, [kinds]int{often, 0, rare, 0}},
		{"IPv6 alone", dual("fe80::1/64"), Config{}, "classic6 state6", false, [kinds]int{0, often, 0, rare}},
		{"IPv6 alone, and classic ones do not arrive", dual("fe80::1/64"), Config{}, "state6", false, [kinds]int{0, often, 0, often}},
		{"a subnet without broadcast", eth0("10.0.0.1/31"), Config{}, "", false, [kinds]int{0, 0, often, 0}},
		{"a longer interval", both, Config{Interval: 20 * time.Second}, "classic4", false, [kinds]int{rare, rare, rare, rare}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, l *lan) {
				h := l.host6(c.iface)
				c.config.Network = h
				a := open(t, c.config)
				a.Announce(49152, Idle)
				advance(10 * time.Second)
				a.SetCalm(true)
				src := map[bool]string{true: "10.0.0.1", false: "10.0.0.9"}[c.local]
				hear := func() {
					other := Beacon{uuid.UUID{7}, 50000, Unknown, Key{}}
					for name := range strings.FieldsSeq(c.hears) {
						b, addr := other, netip.MustParseAddr(src)
						if strings.HasSuffix(name, "6") {
							addr = netip.MustParseAddr("fe80::9")
						}
						isState := strings.HasPrefix(name, "state")
						if isState {
							b.State = Idle
						}
						dst := map[string]netip.Addr{"classic4": everySubnet, "classic6": allNodes, "state4": defaultGroup, "state6": defaultGroup6}[name]
						a.station.handleDatagram(b.Append(nil), Origin{netip.AddrPortFrom(addr, 5670), dst, 2}, isState)
					}
				}
				hear()
				l.take()
				for range 100 {
					advance(time.Second)
					hear()
				}
				if got := kindsOf(l.take()); !near(got, c.want) {
					t.Errorf("sent in 100 s by kind: %v, want about %v", got, c.want)
				}
			})
		})
	}
}

// TestCalmEnds: a change of the state, of the interfaces, and another announcement end the calm; all kinds carry changes and the farewell
// in any case.
func TestCalmEnds(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host6(dual("10.0.0.1/24", "fe80::1/64"))
		a := open(t, Config{Network: h})
		a.Announce(49152, Idle)
		advance(10 * time.Second)
		for name, change := range map[string]func(){
			"a state":         func() { a.SetState(a.state + 1) },
			"an announcement": func() { a.Announce(49153, Idle) },
			"an interface": func() {
				h.set(append(h.interfaces, iface(len(h.interfaces)+10, fmt.Sprint("eth", len(h.interfaces)), ethernet, "10.1.0.1/24"))...)
			},
		} {
			a.SetCalm(true)
			advance(30 * time.Second)
			l.take()
			change()
			advance(10 * time.Second)
			if got := kindsOf(l.take()); min(got[kindClassic4], got[kindClassic6], got[kindState4], got[kindState6]) < 8 {
				t.Errorf("after %s: %v beacons in 10 s", name, got)
			}
		}
		a.SetCalm(true)
		advance(30 * time.Second)
		l.take()
		a.SetState(Error)
		a.SetCalm(true)
		advance(0)
		if got := kindsOf(l.take()); got[kindState4] < 1 || got[kindState6] < 1 {
			t.Errorf("a state in the calm: %v", got)
		}
		advance(30 * time.Second)
		l.take()
		a.Close()
		if got := kindsOf(l.take()); min(got[kindClassic4], got[kindClassic6], got[kindState4], got[kindState6]) < farewells {
			t.Errorf("a farewell in the calm: %v", got)
		}
	})
}
