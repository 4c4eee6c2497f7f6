package beacon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-zre/go-zre/internal/testbed"
)

// These tests use real sockets and IPv6, on hosts of the testbed.

// TestPair: two hosts hear both kinds of each other's beacons, by each address family that they have and use.
func TestPair(t *testing.T) {
	const four, linkLocal, unique, none = "10.0.0.0/8", "fe80::/10", "fd00::/8", ""
	give := func(t *testing.T, h *testbed.Host, n int) {
		h.AddAddress(netip.MustParsePrefix(fmt.Sprintf("fd77::%d/64", n)))
	}
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, h *testbed.Host, n int)
		options Config
		from    []string // where beacons come from, and nowhere else
		state   []string // and where those with a state come from, if not from there
	}{
		{name: "as they come", prepare: func(*testing.T, *testbed.Host, int) {}, from: []string{four, linkLocal}},
		{name: "with a unique local address", prepare: give, from: []string{four, linkLocal}},
		{name: "without IPv6", prepare: func(_ *testing.T, h *testbed.Host, _ int) { h.NoIPv6() }, from: []string{four}},
		{name: "without IPv4", prepare: func(_ *testing.T, h *testbed.Host, _ int) { h.NoIPv4() }, from: []string{linkLocal}},
		{name: "a unique local address alone", prepare: func(t *testing.T, h *testbed.Host, n int) {
			give(t, h, n)
			h.NoIPv4()
			run(t, h, "ip", "addr", "del", h.LinkLocal().String()+"/64", "dev", h.Interface)
		}, from: []string{unique}},
		{name: "IPv6 left out", prepare: give, options: Config{Interfaces: []string{"!::/0"}}, from: []string{four}},
		{name: "IPv4 left out", prepare: give, options: Config{Interfaces: []string{"!0.0.0.0/0"}}, from: []string{linkLocal}},
		{name: "a CIDR of IPv4", prepare: give, options: Config{Interfaces: []string{four}}, from: []string{four}},
		{name: "a CIDR of IPv6", prepare: give, options: Config{Interfaces: []string{unique}}, from: []string{unique}},
		{name: "a TTL for routers", prepare: give, options: Config{TTL: SiteTTL}, from: []string{four, linkLocal}, state: []string{four, unique}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.state == nil {
				c.state = c.from
			}
			l := testbed.NewLAN(t, "")
			alice, bob := l.Host("alice"), l.Host("bob")
			alice.LinkLocal() // or the kernel has no IPv6
			c.prepare(t, alice, 1)
			c.prepare(t, bob, 2)
			heard := make(chan Sighting, 1000)
			c.options.Network, c.options.Handler = newRealNetwork(alice), func(s Sighting) { heard <- s }
			open(t, c.options)
			c.options.Network, c.options.Handler = newRealNetwork(bob), nil
			speaker := open(t, c.options)
			speaker.Announce(49152, Idle)
			source := func(s Sighting) string {
				for _, prefix := range []string{four, linkLocal, unique} {
					if netip.MustParsePrefix(prefix).Contains(s.Addr.WithZone("")) {
						return prefix
					}
				}
				return none
			}
			for state, sources := range map[State][]string{Unknown: c.from, Idle: c.state} {
				for _, prefix := range sources {
					s := await(t, fmt.Sprint(prefix, " ", state), heard, func(s Sighting) bool { return source(s) == prefix && s.State == state })
					if s.Local || s.Interface != alice.Interface || s.Multicast != (s.Addr.Is6() || state == Idle) {
						t.Errorf("sighting: got %+v", s)
					}
					if zone := s.Addr.Zone(); (zone == alice.Interface) != (prefix == linkLocal) {
						t.Errorf("%v has the zone %q", s.Addr, zone)
					}
				}
			}
			speaker.Close()
			for len(heard) > 0 {
				s := <-heard
				if s.State == Unknown && !slices.Contains(c.from, source(s)) || s.State != Unknown && !slices.Contains(c.state, source(s)) {
					t.Errorf("unexpected sighting %+v", s)
				}
			}
		})
	}
}

// TestSystemConn6: a multicast reaches the socket that joined and no other on its port, with complete information about its path. It goes
// once through control messages and once without them.
func TestSystemConn6(t *testing.T) {
	h := testbed.NewLAN(t, "").Host("alice")
	own := h.LinkLocal()
	all, err := newRealNetwork(h).Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	index := all[slices.IndexFunc(all, func(i Interface) bool { return i.Name == h.Interface })].Index
	const port = 12345
	var socket [2]*systemConn
	for n := range socket {
		err := h.Do(func() error {
			c, err := System.ListenPacket("udp6", port)
			if err == nil {
				socket[n] = c.(*systemConn)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer socket[n].Close()
	}
	member, other := socket[0], socket[1]
	for range 2 { // the second time is no error
		if err := member.Join(defaultGroup6, index); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Join(siteGroup6, index); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(*systemConn, []byte, Destination) error{
		"control message": (*systemConn).WriteTo, "plain": (*systemConn).writePlain,
	} {
		for _, c := range []struct {
			group netip.Addr
			hears *systemConn
		}{{defaultGroup6, member}, {siteGroup6, other}} { // other hears only the second, and not the first before it
			if err := write(other, []byte(c.group.String()), Destination{netip.AddrPortFrom(c.group, port), own, index}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			c.hears.udp.SetReadDeadline(time.Now().Add(patience))
			b := make([]byte, 100)
			n, from, err := c.hears.ReadFrom(b)
			from.Src = netip.AddrPortFrom(from.Src.Addr().WithZone(""), from.Src.Port())
			if want := (Origin{netip.AddrPortFrom(own, port), c.group, index}); err != nil || string(b[:n]) != c.group.String() || from != want {
				t.Errorf("%s: got %q from %v, %v; want %v", name, b[:n], from, err, want)
			}
		}
	}
}

// TestNoFamily: the system's errors that say that a machine has no IPv6.
func TestNoFamily(t *testing.T) {
	for err, want := range map[error]bool{
		unix.EAFNOSUPPORT: true, unix.EADDRNOTAVAIL: true, unix.EADDRINUSE: false, unix.EMFILE: false, unix.EACCES: false,
	} {
		wrapped := &net.OpError{Op: "listen", Net: "udp6", Err: os.NewSyscallError("socket", err)}
		if got := noFamily(wrapped); got != want {
			t.Errorf("%v: %v", wrapped, got)
		}
	}
	if _, err := System.ListenPacket("udp", 0); err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a network of no family: %v", err)
	}
}

// TestTentative: a link-local address is neither listed nor used before the system knows that no other host has it, about a second after
// the link has come up. Then it is used at once: in this test neither is a beacon due, nor are the interfaces polled.
func TestTentative(t *testing.T) {
	h := testbed.NewLAN(t, "").Host("alice")
	own := h.LinkLocal()
	h.SetIPv6(h.Interface, "accept_dad", "1")
	h.Link(false)
	r := newRealNetwork(h)
	a := open(t, Config{Network: r, Interval: time.Hour, poll: time.Hour})
	a.Announce(49152, Idle)
	awaitSent(t, a, r)
	for seen := false; !seen; { // again, in case this process slept for the second that it takes
		h.Link(false)
		h.Link(true)
		all, err := r.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		seen = isTentativeOn(t, h, h.Interface)
		if seen && slices.ContainsFunc(all, func(i Interface) bool { return slices.Contains(i.Addrs, netip.PrefixFrom(own, 64)) }) {
			t.Errorf("listed: %v", all)
		}
	}
	start := time.Now()
	r.awaitSource(t, own.String())
	t.Logf("beacons were sent from the address after %v", time.Since(start).Round(time.Millisecond))
}

// isTentativeOn tells whether the IPv6 address of an interface is tentative.
func isTentativeOn(t *testing.T, h *testbed.Host, name string) bool {
	t.Helper()
	for line := range strings.Lines(addresses6(t, h)) {
		// address, index, prefix, scope, flags, name
		if fields := strings.Fields(line); len(fields) == 6 && fields[5] == name {
			flags, err := strconv.ParseUint(fields[4], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			return flags&unix.IFA_F_TENTATIVE != 0
		}
	}
	return false
}

// addresses6 returns the system's list of a host's IPv6 addresses.
func addresses6(t *testing.T, h *testbed.Host) string {
	t.Helper()
	var raw []byte
	err := h.Do(func() (err error) {
		raw, err = os.ReadFile("/proc/thread-self/net/if_inet6")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestBridgePort: an interface that is a port of a bridge has a link-local address too, but not one that can be reached.
func TestBridgePort(t *testing.T) {
	h := testbed.NewLAN(t, "").Host("alice")
	h.LinkLocal()
	cable(t, h, "10.98.0.1/24")
	r := newRealNetwork(h)
	six := func(name string) bool {
		all, err := r.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(all, func(i Interface) bool { return i.Name == name && i.has6() })
	}
	until(t, r, "a link-local address", func() bool { return six("v0") })
	run(t, h, "ip", "link", "add", "br0", "type", "bridge")
	run(t, h, "ip", "link", "set", "br0", "up")
	run(t, h, "ip", "link", "set", "v0", "master", "br0")
	until(t, r, "the bridge's own", func() bool { return six("br0") })
	if six("v0") {
		t.Error("the port's address is listed")
	}
	all, err := r.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	port := all[slices.IndexFunc(all, func(i Interface) bool { return i.Name == "v0" })]
	if len(port.unusable) == 0 || !newWorld(all).isLocal(port.unusable[0].Addr().WithZone("v0")) {
		t.Error("IsLocal does not know the port's address")
	}
	if raw := addresses6(t, h); !strings.Contains(raw, " v0\n") {
		t.Errorf("the system gave the port no address, so the test tests nothing:\n%s", raw)
	}
	run(t, h, "ip", "link", "set", "v0", "nomaster")
	if !six("v0") {
		t.Error("the address is not listed after the interface left the bridge")
	}
}

// TestNetlinkIPv6: beacons by IPv6 follow the changes of a network, on a host that has no IPv4.
func TestNetlinkIPv6(t *testing.T) {
	bare := func(t *testing.T, h *testbed.Host) {
		run(t, h, "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
		run(t, h, "ip", "link", "set", "v0", "address", "02:00:00:00:00:07", "up")
		run(t, h, "ip", "link", "set", "v1", "up")
	}
	for _, c := range []struct {
		name           string
		before, change func(t *testing.T, h *testbed.Host)
		source         string // of the first new beacon; empty: the host's link-local address
	}{
		{"link up", func(_ *testing.T, h *testbed.Host) { h.Link(false) }, func(_ *testing.T, h *testbed.Host) { h.Link(true) }, ""},
		{"cable plugged in", func(_ *testing.T, h *testbed.Host) { h.Cable(false) }, func(_ *testing.T, h *testbed.Host) { h.Cable(true) }, ""},
		{"new interface", nil, bare, "fe80::ff:fe00:7"},
		{"interface deleted and made again", bare, func(t *testing.T, h *testbed.Host) {
			run(t, h, "ip", "link", "del", "v0")
			bare(t, h)
		}, "fe80::ff:fe00:7"},
		{"link-local address replaced", nil, func(t *testing.T, h *testbed.Host) {
			run(t, h, "ip", "addr", "del", h.LinkLocal().String()+"/64", "dev", h.Interface)
			h.AddAddress(netip.MustParsePrefix("fe80::7/64"))
		}, "fe80::7"},
		{"link-local address gone", func(_ *testing.T, h *testbed.Host) { h.AddAddress(netip.MustParsePrefix("fd77::7/64")) },
			func(t *testing.T, h *testbed.Host) {
				run(t, h, "ip", "addr", "del", h.LinkLocal().String()+"/64", "dev", h.Interface)
			}, "fd77::7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := testbed.NewLAN(t, "").Host("alice")
			h.NoIPv4()
			if c.source == "" {
				c.source = h.LinkLocal().String()
			}
			h.LinkLocal()
			r := newRealNetwork(h)
			if c.before != nil {
				c.before(t, h)
			}
			a := open(t, Config{Network: r, Interval: time.Hour, poll: time.Hour, Interfaces: []string{"!0.0.0.0/0"}})
			a.Announce(49152, Idle)
			awaitSent(t, a, r)
			c.change(t, h)
			start := time.Now()
			r.awaitSource(t, c.source)
			t.Logf("within %v", time.Since(start).Round(time.Millisecond))
		})
	}
}

// TestHeardAgainIPv6: a node on a recreated interface is heard there, by both kinds of beacons.
func TestHeardAgainIPv6(t *testing.T) {
	l := testbed.NewLAN(t, "")
	alice, bob := l.Host("alice"), l.Host("bob")
	alice.LinkLocal()
	const a, b = "fd98::1/64", "fd98::2/64"
	connect(t, alice, a, bob, b)
	heard := make(chan Sighting, 1000)
	open(t, Config{Network: newRealNetwork(alice), poll: time.Hour, Interfaces: []string{"v0"}, Handler: func(s Sighting) { heard <- s }})
	open(t, Config{Network: newRealNetwork(bob), poll: time.Hour, Interfaces: []string{"v0"}}).Announce(49152, Idle)
	for _, state := range []State{Unknown, Idle} {
		await(t, fmt.Sprint("bob, ", state), heard, func(s Sighting) bool { return s.State == state && s.Addr.Zone() == "v0" })
	}
	run(t, alice, "ip", "link", "del", "v0")
	connect(t, alice, a, bob, b)
	index := 0
	err := alice.Do(func() error {
		i, err := net.InterfaceByName("v0")
		if err == nil {
			index = i.Index
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []State{Unknown, Idle} {
		await(t, fmt.Sprint("bob by the new cable, ", state), heard, func(s Sighting) bool { return s.State == state && s.IfIndex == index })
	}
}

// TestZyreIPv6: C zyre in its IPv6 mode and an agent hear each other's 22 octets: the agent has a sighting of it, and it dials the port
// that the agent announces.
func TestZyreIPv6(t *testing.T) {
	l := testbed.NewLAN(t, "")
	here, there := l.Host("here"), l.Host("there")
	here.LinkLocal()
	here.NoIPv4() // C zyre hears IPv4 too, in any mode, and keeps the first address that it heard
	var mailbox net.Listener
	err := here.Do(func() (err error) {
		mailbox, err = net.Listen("tcp6", "[::]:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer mailbox.Close()
	heard := make(chan Sighting, 1000)
	a := open(t, Config{Network: newRealNetwork(here), Handler: func(s Sighting) { heard <- s }})
	zyre := testbed.Start(t, there, testbed.Zyre, testbed.Options{Name: "zyre", Args: []string{"--ipv6"}})
	s := await(t, "C zyre", heard, func(s Sighting) bool { return s.UUID.String() == zyre.UUID })
	want := Sighting{Beacon{s.UUID, s.Port, Unknown, Key{}}, there.LinkLocal().WithZone(here.Interface), s.IfIndex, here.Interface, false, true}
	if s != want || s.Port == 0 {
		t.Errorf("got %+v\nwant %+v", s, want)
	}
	a.Announce(uint16(mailbox.Addr().(*net.TCPAddr).Port), Idle)
	_ = mailbox.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	conn, err := mailbox.Accept()
	if err != nil {
		t.Fatalf("C zyre did not dial: %v", err)
	}
	defer conn.Close()
	if from := netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr(); from.WithZone("") != there.LinkLocal() {
		t.Errorf("dialled from %v, want %v", from, want.Addr)
	}
	zyre.Quit(t)
	await(t, "C zyre's farewell", heard, func(s Sighting) bool { return s.UUID == want.UUID && s.Port == 0 })
}
