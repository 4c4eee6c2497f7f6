package beacon

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// arrival reads from a datagram's control messages where it arrived. It does what x/net's ControlMessage.Parse does, without allocating:
// every node hears every beacon of the network, every second.
func arrival(oob []byte) (dst netip.Addr, ifIndex int) {
	for len(oob) > 0 {
		header, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		switch {
		// struct in_pktinfo: interface, local address, destination in the header.
		case header.Level == unix.IPPROTO_IP && header.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(data[8:12])), int(int32(binary.NativeEndian.Uint32(data)))
		// struct in6_pktinfo: destination, interface.
		case header.Level == unix.IPPROTO_IPV6 && header.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(data[:16])), int(int32(binary.NativeEndian.Uint32(data[16:])))
		}
		oob = rest
	}
	return netip.Addr{}, 0
}
