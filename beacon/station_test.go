package beacon

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestOnlyHarmlessBeacons: only 22 octets leave for a broadcast address or for port 5670, whatever the caller asks for, except 54 octets to 255.255.255.255.
func TestOnlyHarmlessBeacons(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		a := open(t, Config{Network: l.host(eth0("10.0.0.1/24"))})
		for _, form := range forms {
			octets := unhex(t, form.octets)
			for dst, anyForm := range map[string]bool{
				"10.0.0.255:5670":      false,
				"10.0.0.255:15670":     false,
				"255.255.255.255:5670": false,
				"255.255.255.255:9999": false,
				"239.255.90.82:5670":   false,
				"10.0.0.2:15670":       false,
				"239.255.90.82:15670":  true,
			} {
				err := a.station.write(octets, Destination{netip.MustParseAddrPort(dst), netip.MustParseAddr("10.0.0.1"), 2})
				keyed := len(octets) == 54 && strings.HasPrefix(dst, "255.255.255.255")
				if want := anyForm || keyed || len(octets) == 22; (err == nil) != want || len(l.take()) > 0 != want {
					t.Errorf("%s to %s: %v", form.name, dst, err)
				}
			}
		}
	})
}

// TestOnlyClassicOnPort5670 checks everything that an agent sends in its life, also if its state beacons' port is set to collide, and if it
// has a key.
func TestOnlyClassicOnPort5670(t *testing.T) {
	for n, port := range []int{DefaultPort, 15670, 60000, 4330, DefaultPort} {
		inFakeTime(t, func(t *testing.T, l *lan) {
			c := Config{Network: l.host(wired, wifi), Port: port}
			if n == 4 {
				c.Key = testKey
			}
			a := open(t, c)
			a.Announce(49152, Idle)
			advance(3 * time.Second)
			a.SetState(Processing)
			advance(time.Second)
			a.Close()
			log := l.take()
			for _, s := range log {
				keyed := len(s.octets) == 54 && s.to.Dst.Addr() == everySubnet && !c.Key.IsZero()
				if len(s.octets) != 22 && !keyed && (s.to.Dst.Port() == 5670 || !s.to.Dst.Addr().IsMulticast()) {
					t.Errorf("a beacon that could crash a pyre node was sent: %v", s)
				}
			}
			if len(log) < 30 {
				t.Errorf("only %d datagrams were sent: the test tests nothing", len(log))
			}
		})
	}
}

// TestFilter: which datagrams are accepted at either socket.
func TestFilter(t *testing.T) {
	const none, classicOnly, stateOnly, both = "", "C", "S", "CS"
	group := netip.MustParseAddr(DefaultGroup)
	bcast := netip.MustParseAddr("10.0.0.255")
	for _, c := range []struct {
		name     string
		form     int
		src      string
		dst      netip.Addr
		ifIndex  int
		heardOn  string
		wantIfix int
	}{
		{"22 by broadcast", 0, "10.0.0.9", bcast, 2, classicOnly, 2},
		{"23 by broadcast", 1, "10.0.0.9", bcast, 2, classicOnly, 2},
		{"54 by broadcast", 2, "10.0.0.9", bcast, 2, classicOnly, 2},
		{"55 by broadcast", 3, "10.0.0.9", bcast, 2, classicOnly, 2},
		{"22 by limited broadcast", 0, "10.0.0.9", everySubnet, 2, classicOnly, 2},
		{"22 by multicast", 0, "10.0.0.9", group, 2, none, 0},
		{"23 by multicast", 1, "10.0.0.9", group, 2, stateOnly, 2},
		{"54 by multicast", 2, "10.0.0.9", group, 2, none, 0},
		{"55 by multicast", 3, "10.0.0.9", group, 2, stateOnly, 2},
		{"another group", 1, "10.0.0.9", netip.MustParseAddr("239.255.90.83"), 2, none, 0},
		{"unicast", 1, "10.0.0.9", netip.MustParseAddr("10.0.0.5"), 2, none, 0},
		{"another subnet's broadcast", 0, "10.0.0.9", netip.MustParseAddr("192.168.255.255"), 2, none, 0},
		{"an interface not in use", 0, "127.0.0.1", netip.MustParseAddr("127.255.255.255"), 1, none, 0},
		{"an interface that is not there", 0, "10.0.0.9", everySubnet, 99, none, 0},
		{"from nobody", 1, "0.0.0.0", everySubnet, 2, none, 0},
		{"from a broadcast address", 0, "255.255.255.255", everySubnet, 2, none, 0},
		{"from a group", 0, "224.0.0.1", everySubnet, 2, none, 0},
		{"from IPv6", 0, "fe80::9", everySubnet, 2, none, 0},
		{"from another subnet on the link", 0, "172.16.0.9", everySubnet, 2, classicOnly, 2},
		{"system that tells no destination", 1, "10.0.0.9", netip.Addr{}, 2, both, 2},
		{"system that tells nothing", 1, "192.168.1.9", netip.Addr{}, 0, both, 3},
		{"system that tells nothing, foreign sender", 1, "172.16.0.9", netip.Addr{}, 0, none, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, l *lan) {
				var ears sightingLog
				h := l.host(wired, wifi)
				open(t, Config{Network: h, Handler: ears.record})
				got := none
				for i, name := range []string{"C", "S"} {
					src := netip.AddrPortFrom(netip.MustParseAddr(c.src), 5670)
					h.conns[i].in <- packet{unhex(t, forms[c.form].octets), Origin{src, c.dst, c.ifIndex}}
					advance(0)
					for _, s := range ears.take() {
						got += name
						if s.Beacon != forms[c.form].beacon || s.Multicast != (name == "S") || s.IfIndex != c.wantIfix || s.Addr.String() != c.src {
							t.Errorf("unexpected sighting %+v", s)
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

// TestGarbage: what is no beacon is dropped, and what follows is heard.
func TestGarbage(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		var ears sightingLog
		h := l.host(wired)
		open(t, Config{Network: h, Handler: ears.record})
		from := Origin{netip.MustParseAddrPort("10.0.0.9:5670"), everySubnet, 2}
		for n := range 301 {
			h.conns[0].in <- packet{bytes.Repeat([]byte{0xff}, n), from}
		}
		h.conns[0].in <- packet{make([]byte, maxDatagram), from}
		h.conns[0].in <- packet{unhex(t, forms[0].octets), from}
		advance(0)
		if heard := ears.take(); len(heard) != 1 {
			t.Errorf("sightings: %v", heard)
		}
	})
}

// logger returns a logger and a function that returns its lines since the last call.
func logger() (zerolog.Logger, func() []string) {
	var b syncBuffer
	return zerolog.New(&b), func() (lines []string) {
		for line := range strings.Lines(b.take()) {
			lines = append(lines, strings.TrimSpace(line))
		}
		return lines
	}
}

// counts returns how many of the lines contain each part.
func counts(lines []string, parts ...string) []int {
	n := make([]int, len(parts))
	for _, line := range lines {
		for i, part := range parts {
			if strings.Contains(line, part) {
				n[i]++
			}
		}
	}
	return n
}

// TestChanges walks through the life of an interface. Beacons follow it, and each change is logged once.
func TestChanges(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host()
		lo := h.interfaces[0]
		log, lines := logger()
		a := open(t, Config{Network: h, Log: log, Interval: time.Hour})
		for range 99 { // the other nodes of the process do not repeat it
			open(t, Config{Network: h, Log: log, Interval: time.Hour})
		}
		a.Announce(49152, Idle)
		advance(time.Minute)
		const newcomer = 3 // turns
		step := func(name string, wait time.Duration, want ...string) {
			t.Helper()
			advance(wait)
			var all []string
			for range newcomer {
				all = append(all, want...)
			}
			equal(t, name, texts(l.take()), all)
		}
		step("lo, as there is no other", 0,
			"5670: 22 port 49152 to 127.255.255.255:5670 from 127.0.0.1%1", "15670: 23 port 49152 idle to 239.255.90.82:15670 from 127.0.0.1%1")
		equal(t, "log lines", counts(lines(), `lo [127.0.0.1/8]`, "warn"), []int{1, 0})

		h.set(lo, eth0("10.0.0.1/24"))
		step("an interface appears", 2500*time.Millisecond, classic1, state1)
		equal(t, "log lines", counts(lines(), `eth0 [10.0.0.1/24]`, "warn"), []int{1, 0})
		if !h.conns[1].member[membership{defaultGroup, 2, 0}] {
			t.Error("the group is not joined")
		}

		h.set(lo, eth0("10.0.0.3/24"))
		step("the address is replaced", 2500*time.Millisecond,
			"5670: 22 port 49152 to 10.0.0.255:5670 from 10.0.0.3%2", "15670: 23 port 49152 idle to 239.255.90.82:15670 from 10.0.0.3%2")
		lines()

		h.set(lo)
		advance(2500 * time.Millisecond)
		l.take() // lo again
		lines()
		h.set(lo, iface(9, "eth0", ethernet, "10.0.0.1/24"))
		step("made again with another index", 2500*time.Millisecond,
			"5670: 22 port 49152 to 10.0.0.255:5670 from 10.0.0.1%9", "15670: 23 port 49152 idle to 239.255.90.82:15670 from 10.0.0.1%9")
		if !h.conns[1].member[membership{defaultGroup, 9, 0}] {
			t.Error("the group is not joined again")
		}
		equal(t, "log lines", counts(lines(), "10.0.0.1/24", "warn"), []int{1, 0})

		h.do(func() { clear(h.conns[1].member) }) // as if recreated with the same index between two scans
		advance(1500 * time.Millisecond)
		if !h.conns[1].member[membership{defaultGroup, 9, 0}] {
			t.Error("the membership of the group was lost")
		}

		h.set(lo, iface(9, "eth0", ethernet&^net.FlagRunning, "10.0.0.1/24"))
		advance(5 * time.Second)
		equal(t, "sent when the carrier goes", texts(l.take()), nil)
		h.set(lo, iface(9, "eth0", ethernet, "10.0.0.1/24"))
		step("the carrier comes back", 2500*time.Millisecond,
			"5670: 22 port 49152 to 10.0.0.255:5670 from 10.0.0.1%9", "15670: 23 port 49152 idle to 239.255.90.82:15670 from 10.0.0.1%9")
		equal(t, "log lines", lines(), nil)

		h.set(lo, iface(9, "eth0", ethernet&^net.FlagUp, "10.0.0.1/24"))
		advance(5 * time.Second)
		l.take()
		h.set(lo, iface(9, "eth0", ethernet, "10.0.0.1/24"))
		step("down and up", 2500*time.Millisecond,
			"5670: 22 port 49152 to 10.0.0.255:5670 from 10.0.0.1%9", "15670: 23 port 49152 idle to 239.255.90.82:15670 from 10.0.0.1%9")
	})
}

// TestSendError: a failed send starts a scan of the interfaces at once and is logged once, and the beacons continue.
func TestSendError(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"))
		log, lines := logger()
		a := open(t, Config{Network: h, Log: log, poll: time.Hour})
		a.Announce(49152, Idle)
		advance(1550 * time.Millisecond)
		l.take()
		lines()
		h.set(eth0("10.0.0.3/24"))
		for i := 0; len(l.take()) == 0; i++ {
			if i == 1000 {
				t.Fatal("no beacon in a second")
			}
			advance(time.Millisecond)
		}
		// The scan that the first failure asks for may be done before the second beacon leaves, which then uses the new address.
		if told := counts(lines(), "network is unreachable", "10.0.0.3/24"); told[0] < 1 || told[0] > 2 || told[1] != 1 {
			t.Errorf("log lines: got %v, want one or two failures and one change", told)
		}
		advance(0)
		l.take()
		advance(1500 * time.Millisecond)
		if log := l.take(); len(log) < 6 || !strings.Contains(log[0].String(), "10.0.0.3%2") {
			t.Errorf("sent: %v", texts(log))
		}
		a.station.mu.Lock()
		defer a.station.mu.Unlock()
		if len(a.station.failing) > 0 {
			t.Errorf("failures are still kept: %v", a.station.failing)
		}
	})
}

// TestLastingError: a lasting failure is logged once, costs few scans, and its end is logged too.
func TestLastingError(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"))
		log, lines := logger()
		h.joinErr = errNoDevice
		a := open(t, Config{Network: h, Log: log})
		for range 20 {
			open(t, Config{Network: h, Log: log}).Announce(49153, Idle)
		}
		a.Announce(49152, Idle)
		advance(0)
		l.take()
		h.do(func() { h.interfaces[1].Addrs = h.interfaces[1].Addrs[:0:0] }) // a scan would see this
		h.do(func() { h.scanErr = errBusy })
		scans := 0
		h.do(func() { scans = h.scans })
		advance(15 * time.Second)
		h.do(func() { scans = h.scans - scans })
		if scans < 18 || scans > 24 {
			t.Errorf("%d scans in 15 s", scans)
		}
		equal(t, "log lines of failures", counts(lines(), "listing interfaces failed", "sending beacons failed", "joining the multicast group failed"), []int{1, 2, 1})
		equal(t, "sent", texts(l.take()), nil)
		h.do(func() {
			h.interfaces[1] = eth0("10.0.0.1/24")
			h.scanErr, h.joinErr = nil, nil
		})
		advance(5 * time.Second)
		equal(t, "log lines when all works again", counts(lines(), "listing interfaces works again", "sending beacons works again", "joining the multicast group works again"), []int{1, 2, 1})
		if len(l.take()) < 2*21*4 {
			t.Error("no beacons were sent when all works again")
		}
	})
}

func TestReadError(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"))
		h.readErr = errBusy
		log, lines := logger()
		var ears sightingLog
		open(t, Config{Network: h, Log: log, Handler: ears.record})
		advance(10 * time.Second)
		if n := counts(lines(), "receiving beacons failed"); n[0] < 1 || n[0] > 2 {
			t.Errorf("%d log lines", n[0])
		}
		h.do(func() { h.readErr = nil })
		advance(readPause)
		peer := open(t, Config{Network: l.host(eth0("10.0.0.2/24"))})
		peer.Announce(49152, Idle)
		advance(0)
		if len(ears.take()) != 2 {
			t.Error("a beacon after the read error was not heard")
		}
	})
}

// TestOpenError: what can never work makes Open fail, which leaves nothing behind.
func TestOpenError(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host(eth0("10.0.0.1/24"))
		a, err := Open(Config{Network: h, UUID: testUUID, Port: -1})
		if err == nil || a != nil || !strings.Contains(err.Error(), "Port: -1") {
			t.Errorf("Open: got %v, %v", a, err)
		}
		if len(h.conns) > 0 {
			t.Errorf("%d sockets left open", len(h.conns))
		}
	})
}

// TestNoInterface: an agent opens on a machine without any, and sends when one comes.
func TestNoInterface(t *testing.T) {
	inFakeTime(t, func(t *testing.T, l *lan) {
		h := l.host()
		h.set()
		log, lines := logger()
		a := open(t, Config{Network: h, Log: log, Interval: time.Hour})
		a.Announce(49152, Idle)
		advance(10 * time.Second)
		equal(t, "log lines", counts(lines(), "no usable network interface"), []int{1})
		h.set(eth0("10.0.0.1/24"))
		advance(2500 * time.Millisecond)
		equal(t, "sent", texts(l.take()), []string{classic1, state1, classic1, state1, classic1, state1})
	})
}
