//go:build !linux

package beacon

import (
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// arrival reads from a datagram's control messages where it arrived, as far as the system reports it.
func arrival(oob []byte) (dst netip.Addr, ifIndex int) {
	var cm4 ipv4.ControlMessage
	var cm6 ipv6.ControlMessage
	switch {
	case len(oob) == 0:
		return netip.Addr{}, 0
	case cm4.Parse(oob) == nil && (cm4.Dst != nil || cm4.IfIndex != 0):
		dst, _ = netip.AddrFromSlice(cm4.Dst)
		return dst.Unmap(), cm4.IfIndex
	case cm6.Parse(oob) == nil:
		dst, _ = netip.AddrFromSlice(cm6.Dst)
		return dst, cm6.IfIndex
	}
	return netip.Addr{}, 0
}
