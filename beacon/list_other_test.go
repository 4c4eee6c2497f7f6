//go:build !linux

package beacon

import (
	"net"
	"net/netip"
	"testing"
)

func TestPrefixes(t *testing.T) {
	got := prefixes("eth0", []net.Addr{
		&net.IPNet{IP: net.IPv4(10, 0, 0, 1), Mask: net.CIDRMask(24, 32)}, // 16 octets, as the net package returns it
		&net.IPAddr{IP: net.IPv4(10, 0, 0, 2)},
		&net.IPNet{IP: net.ParseIP("fe80::1"), Mask: net.CIDRMask(64, 128)},
		&net.IPNet{},
	})
	equal(t, "prefixes", got, []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fe80::1/64")})
}
