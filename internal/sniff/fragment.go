package sniff

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// isFragment tells whether a packet begins a datagram in fragments that may be of ZRE: TCP, or UDP to a port of the beacons.
func (s *Sniffer) isFragment(decoded gopacket.Packet) bool {
	var protocol layers.IPProtocol
	if ip, ok := decoded.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok {
		if ip.FragOffset != 0 || ip.Flags&layers.IPv4MoreFragments == 0 {
			return false
		}
		protocol = ip.Protocol
	} else if f, ok := decoded.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment); ok {
		if f.FragmentOffset != 0 || !f.MoreFragments {
			return false
		}
		protocol = f.NextHeader
	}
	switch protocol {
	case layers.IPProtocolTCP:
		return true
	case layers.IPProtocolUDP:
		fragment := decoded.Layer(gopacket.LayerTypeFragment)
		if fragment == nil || len(fragment.LayerContents()) < 4 {
			return false
		}
		to := binary.BigEndian.Uint16(fragment.LayerContents()[2:])
		return to == s.options.BeaconPort || to == s.options.BeaconPort+10000
	}
	return false
}

// reportFragments emits, once for each pair of hosts, that there are fragments, which are not reassembled.
func (s *Sniffer) reportFragments(hosts gopacket.Flow) {
	if s.fragmentPairs[hosts] || len(s.fragmentPairs) == maxPairs {
		return
	}
	s.fragmentPairs[hosts] = true
	src, dst := hosts.Endpoints()
	r := &Record{Kind: Fragment}
	r.From, r.To = hostOf(src), hostOf(dst)
	s.emitRecord(r)
}

// hostOf is an address without a port.
func hostOf(host gopacket.Endpoint) netip.AddrPort {
	address, _ := netip.AddrFromSlice(host.Raw())
	return netip.AddrPortFrom(address, 0)
}
