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

// Options of the socket that tells Linux how to route multicast (linux/mroute.h).
const (
	mrtInit           = 200
	mrtAddVif         = 202
	mrtAddMfc         = 204
	vifIsInterface    = 8
	leastTTL          = 1 // less is not passed on
	sizeofVif         = 16
	sizeofMfc, atTTLs = 60, 10
)

// routeMulticast makes a host pass on what source sends to group, from one of its interfaces to another one.
func routeMulticast(t *testing.T, h *testbed.Host, source, group netip.Addr, from, to string) {
	t.Helper()
	err := h.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP)
		if err != nil {
			return err
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, mrtInit, 1); err != nil {
			return err
		}
		for number, name := range []string{from, to} {
			i, err := net.InterfaceByName(name)
			if err != nil {
				return err
			}
			vif := make([]byte, sizeofVif)
			binary.NativeEndian.PutUint16(vif, uint16(number))
			vif[2], vif[3] = vifIsInterface, leastTTL
			binary.NativeEndian.PutUint32(vif[8:], uint32(i.Index))
			if err := unix.SetsockoptString(fd, unix.IPPROTO_IP, mrtAddVif, string(vif)); err != nil {
				return err
			}
		}
		mfc := make([]byte, sizeofMfc)
		copy(mfc, source.AsSlice())
		copy(mfc[4:], group.AsSlice())
		mfc[atTTLs+1] = leastTTL // to the second interface
		return unix.SetsockoptString(fd, unix.IPPROTO_IP, mrtAddMfc, string(mfc))
	})
	if errors.Is(err, unix.ENOPROTOOPT) {
		testbed.Missing(t, "a kernel that routes multicast")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Sizes of what the IPv6 half of it wants (linux/mroute6.h), whose options have the same numbers.
const (
	sizeofMif             = 12
	sizeofMf6cc, atGroup6 = 92, 28
	atParent6, atMifs6    = 56, 60
)

// routeMulticast6 is routeMulticast by IPv6.
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
			mif[3] = leastTTL
			binary.NativeEndian.PutUint16(mif[4:], uint16(i.Index))
			if err := unix.SetsockoptString(fd, unix.IPPROTO_IPV6, mrtAddVif, string(mif)); err != nil {
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

// TestAcrossRouterIPv6: a state beacon of a larger TTL reaches another subnet through a router, one of TTL 1, which goes to
// the group of a link, does not.
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
	open(t, Config{Network: newResident(bob), Handler: func(s Sighting) { heard <- s }})
	network := newResident(alice)
	near := open(t, Config{Network: network, Interval: time.Hour})
	near.Announce(49152, Idle)
	awaitSpoken(t, near, network)
	far := open(t, Config{Network: network, UUID: uuid.New(), TTL: 2})
	far.Announce(49153, Idle)
	s := await(t, "alice, through the router", heard, func(s Sighting) bool {
		if s.UUID == near.config.UUID {
			t.Error("heard across a router what is for one link")
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
	alice, router, bob := here.Host("alice"), here.Host("router"), there.Host("bob")
	connect(t, router, "10.97.0.1/24", bob, "10.97.0.2/24")
	run(t, bob, "ip", "route", "add", here.Subnet.String(), "via", "10.97.0.1")
	routeMulticast(t, router, alice.Addr, defaultGroup, router.Interface, "v0")

	heard := make(chan Sighting, 1000)
	open(t, Config{Network: newResident(bob), Handler: func(s Sighting) { heard <- s }})
	network := newResident(alice)
	near := open(t, Config{Network: network, Interval: time.Hour})
	near.Announce(49152, Idle)
	awaitSpoken(t, near, network)
	far := open(t, Config{Network: network, UUID: uuid.New(), TTL: 2})
	far.Announce(49153, Idle)
	s := await(t, "alice, through the router", heard, func(s Sighting) bool {
		if s.UUID == near.config.UUID {
			t.Error("heard across a router what is for one link")
		}
		return s.UUID == far.config.UUID
	})
	if want := (Sighting{Beacon{far.config.UUID, 49153, Idle, Key{}}, alice.Addr, s.IfIndex, "v0", false, true}); s != want {
		t.Errorf("heard %+v, want %+v", s, want)
	}
}
