package beacon

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/go-zre/go-zre/internal/testbed"
)

// Constants to configure IPv6 multicast routing on Linux (linux/mroute6.h).
const (
	mrtInit               = 200
	mrtAddMif             = 202
	mrtAddMfc             = 204
	leastHops             = 1 // less is not forwarded
	sizeofMif             = 12
	sizeofMf6cc, atGroup6 = 92, 28
	atParent6, atMifs6    = 56, 60
)

// routeMulticast6 makes a host forward what source sends to group, from one of its interfaces to another.
func routeMulticast6(t *testing.T, h *testbed.Host, source, group netip.Addr, from, to string) {
	t.Helper()
	err := h.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
		if err != nil {
			return err
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, mrtInit, 1); err != nil {
			return err
		}
		for number, name := range []string{from, to} {
			i, err := net.InterfaceByName(name)
			if err != nil {
				return err
			}
			mif := make([]byte, sizeofMif)
			binary.NativeEndian.PutUint16(mif, uint16(number))
			mif[3] = leastHops
			binary.NativeEndian.PutUint16(mif[4:], uint16(i.Index))
			if err := unix.SetsockoptString(fd, unix.IPPROTO_IPV6, mrtAddMif, string(mif)); err != nil {
				return err
			}
		}
		mfc := make([]byte, sizeofMf6cc)
		for at, addr := range map[int]netip.Addr{0: source, atGroup6: group} { // two sockaddr_in6
			binary.NativeEndian.PutUint16(mfc[at:], unix.AF_INET6)
			copy(mfc[at+8:], addr.AsSlice())
		}
		binary.NativeEndian.PutUint16(mfc[atParent6:], 0)
		binary.NativeEndian.PutUint32(mfc[atMifs6:], 1<<1) // to the second interface
		return unix.SetsockoptString(fd, unix.IPPROTO_IPV6, mrtAddMfc, string(mfc))
	})
	if errors.Is(err, unix.ENOPROTOOPT) {
		testbed.Missing(t, "a kernel that routes multicast of IPv6")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAcrossRouterIPv6: a state beacon of a larger TTL reaches another subnet through a router; one of TTL 1, which goes to the group of a
// link, does not.
func TestAcrossRouterIPv6(t *testing.T) {
	here, there := testbed.NewLAN(t, ""), testbed.NewLAN(t, "")
	alice, router, bob := here.Host("alice"), here.Host("router"), there.Host("bob")
	alice.LinkLocal()
	source := netip.MustParseAddr("fd01::1")
	alice.AddAddress(netip.PrefixFrom(source, 64))
	router.AddAddress(netip.MustParsePrefix("fd01::2/64"))
	connect(t, router, "fd02::1/64", bob, "fd02::2/64")
	routeMulticast6(t, router, source, siteGroup6, router.Interface, "v0")

	heard := make(chan Sighting, 1000)
	open(t, Config{Network: newRealNetwork(bob), Handler: func(s Sighting) { heard <- s }})
	network := newRealNetwork(alice)
	near := open(t, Config{Network: network, Interval: time.Hour})
	near.Announce(49152, Idle)
	awaitSent(t, near, network)
	far := open(t, Config{Network: network, UUID: uuid.New(), TTL: 2})
	far.Announce(49153, Idle)
	s := await(t, "alice, through the router", heard, func(s Sighting) bool {
		if s.UUID == near.config.UUID {
			t.Error("a beacon for one link was heard across a router")
		}
		return s.UUID == far.config.UUID
	})
	if want := (Sighting{Beacon{far.config.UUID, 49153, Idle, Key{}}, source, s.IfIndex, "v0", false, true}); s != want {
		t.Errorf("heard %+v, want %+v", s, want)
	}
}

// TestAcrossRouter: a state beacon of a larger TTL reaches another subnet through a router, one of TTL 1 does not.
func TestAcrossRouter(t *testing.T) {
	here, there := testbed.NewLAN(t, ""), testbed.NewLAN(t, "")
	router := testbed.NewRouter(t, "router", here, there)
	alice, bob := here.Host("alice"), there.Host("bob")
	alice.Via(router)
	bob.Via(router)
	router.RouteMulticast(defaultGroup, alice)

	heard := make(chan Sighting, 1000)
	open(t, Config{Network: newRealNetwork(bob), Handler: func(s Sighting) { heard <- s }})
	network := newRealNetwork(alice)
	near := open(t, Config{Network: network, Interval: time.Hour})
	near.Announce(49152, Idle)
	awaitSent(t, near, network)
	far := open(t, Config{Network: network, UUID: uuid.New(), TTL: 2})
	far.Announce(49153, Idle)
	s := await(t, "alice, through the router", heard, func(s Sighting) bool {
		if s.UUID == near.config.UUID {
			t.Error("a beacon for one link was heard across a router")
		}
		return s.UUID == far.config.UUID
	})
	if want := (Sighting{Beacon{far.config.UUID, 49153, Idle, Key{}}, alice.Addr, s.IfIndex, bob.Interface, false, true}); s != want {
		t.Errorf("heard %+v, want %+v", s, want)
	}
}
