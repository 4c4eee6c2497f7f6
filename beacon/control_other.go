//go:build !linux

package beacon

import (
	"net/netip"

	"golang.org/x/net/ipv4"
)

// arrival reads from a datagram's control messages where it came to, as far as the system tells.
func arrival(oob []byte) (dst netip.Addr, ifIndex int) {
	var cm ipv4.ControlMessage
	if len(oob) == 0 || cm.Parse(oob) != nil {
		return netip.Addr{}, 0
	}
	dst, _ = netip.AddrFromSlice(cm.Dst)
	return dst.Unmap(), cm.IfIndex
}
