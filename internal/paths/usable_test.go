package paths

import (
	"net/netip"
	"slices"
	"testing"
)

func TestUsable(t *testing.T) {
	local := []netip.Addr{
		netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("192.168.122.1"),
		netip.MustParseAddr("fe80::9%eth0"),
	}
	isLocal := func(addr netip.Addr) bool { return slices.Contains(local, addr) }
	for _, test := range []struct {
		name           string
		named, from    string // from "" is a connection within this host that has no address
		own, hearsayOf bool   // what Usable and UsableHearsay say
	}{
		{"the address that it came from", "10.0.0.1:5671", "10.0.0.1", true, true},
		{"another of its host", "10.0.1.1:5671", "10.0.0.1", true, true},
		{"beyond a router", "203.0.113.7:5671", "10.0.0.1", true, true},
		{"IPv6", "[fd00::1]:5671", "10.0.0.1", true, true},
		{"link-local of the neighbour", "[fe80::1%eth0]:5671", "fe80::1%eth0", true, true},
		{"no port", "10.0.0.1:0", "10.0.0.1", false, false},
		{"unspecified", "0.0.0.0:5671", "10.0.0.1", false, false},
		{"unspecified, IPv6", "[::]:5671", "127.0.0.1", false, false},
		{"unspecified, IPv4 in IPv6", "[::ffff:0.0.0.0]:5671", "127.0.0.1", false, false},
		{"multicast", "239.255.90.82:5671", "10.0.0.1", false, false},
		{"multicast, IPv6", "[ff02::1]:5671", "127.0.0.1", false, false},

		{"loopback from another host", "127.0.0.1:9999", "10.0.0.1", false, false},
		{"any loopback address from another host", "127.1.2.3:9999", "10.0.0.1", false, false},
		{"loopback by IPv6 from another host", "[::1]:9999", "fd00::1", false, false},
		{"loopback, IPv4 in IPv6, from another host", "[::ffff:127.0.0.1]:9999", "10.0.0.1", false, false},
		{"loopback from loopback", "127.0.0.1:9999", "127.0.0.1", true, true},
		{"another loopback address from loopback", "127.0.0.2:9999", "127.0.0.3", true, true},
		{"loopback from loopback, IPv4 in IPv6", "127.0.0.1:9999", "::ffff:127.0.0.1", true, true},
		{"loopback from an address of this host", "127.0.0.1:9999", "10.0.0.9", true, true},
		{"loopback from an address of this host, IPv4 in IPv6", "127.0.0.1:9999", "::ffff:10.0.0.9", true, true},
		{"loopback by ipc", "127.0.0.1:9999", "", true, true},

		{"our address from another host", "10.0.0.9:22", "10.0.0.1", false, true},
		{"an address that two hosts have", "192.168.122.1:5671", "10.0.0.1", false, true},
		{"our address, IPv4 in IPv6", "[::ffff:10.0.0.9]:22", "10.0.0.1", false, true},
		{"our link-local address", "[fe80::9%eth0]:22", "fe80::1%eth0", false, true},
		{"our link-local address, of another interface", "[fe80::9%eth1]:22", "fe80::1%eth1", true, true},
		{"our address from itself", "10.0.0.9:5671", "10.0.0.9", true, true},
		{"our address from another of ours", "10.0.0.9:5671", "192.168.122.1", true, true},
		{"our address from loopback", "10.0.0.9:5671", "127.0.0.1", true, true},
		{"our address by ipc", "10.0.0.9:5671", "", true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var from netip.Addr
			if test.from != "" {
				from = netip.MustParseAddr(test.from)
			}
			if got := Usable(at(test.named), from, isLocal); got != test.own {
				t.Errorf("%s from %v: usable %v", test.named, from, got)
			}
			if got := UsableHearsay(at(test.named), from, isLocal); got != test.hearsayOf {
				t.Errorf("%s from %v: usable by hearsay %v", test.named, from, got)
			}
		})
	}
	if Usable(netip.AddrPort{}, netip.Addr{}, isLocal) {
		t.Error("an address that is not valid is usable")
	}
}
