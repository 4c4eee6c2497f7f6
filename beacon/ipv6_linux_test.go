package beacon

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// Real sockets and IPv6, on hosts of the testbed.

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
		state   []string // and where those with a state do, if not from there
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
			c.options.Network, c.options.Handler = newResident(alice), func(s Sighting) { heard <- s }
			open(t, c.options)
			c.options.Network, c.options.Handler = newResident(bob), nil
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
						t.Errorf("%+v", s)
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
					t.Errorf("heard %+v", s)
				}
			}
		})
	}
}

// TestZyreIPv6: C zyre in its IPv6 mode and an agent hear each other's 22 octets: the agent has a sighting of it, and it dials
// the port that the agent announces.
func TestZyreIPv6(t *testing.T) {
	l := testbed.NewLAN(t, "")
	here, there := l.Host("here"), l.Host("there")
	here.LinkLocal()
	here.NoIPv4() // C zyre hears IPv4 too, in any mode, and keeps to what it heard first
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
	a := open(t, Config{Network: newResident(here), Handler: func(s Sighting) { heard <- s }})
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
		t.Fatalf("C zyre does not dial: %v", err)
	}
	defer conn.Close()
	if from := netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr(); from != want.Addr {
		t.Errorf("dialled from %v, want %v", from, want.Addr)
	}
	zyre.Quit(t)
	await(t, "C zyre's farewell", heard, func(s Sighting) bool { return s.UUID == want.UUID && s.Port == 0 })
}
