package sniff

import (
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Fragments that may be of ZRE are told, once for each pair of hosts; others are passed over.
func TestFragments(t *testing.T) {
	tr := newTraffic(t)
	send := func(ip gopacket.SerializableLayer, kind layers.EthernetType, list ...gopacket.SerializableLayer) {
		t.Helper()
		ether := &layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: kind}
		buffer := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true}, append([]gopacket.SerializableLayer{ether, ip}, list...)...); err != nil {
			t.Fatal(err)
		}
		data := buffer.Bytes()
		if err := tr.w.WritePacket(gopacket.CaptureInfo{Timestamp: tr.now, CaptureLength: len(data), Length: len(data)}, data); err != nil {
			t.Fatal(err)
		}
	}
	four := func(from byte, protocol layers.IPProtocol, offset uint16, more bool, payload []byte) {
		ip := &layers.IPv4{Version: 4, TTL: 1, SrcIP: net.IP{10, 0, 0, from}, DstIP: net.IP{10, 0, 0, 2}, Protocol: protocol, FragOffset: offset}
		if more {
			ip.Flags = layers.IPv4MoreFragments
		}
		send(ip, layers.EthernetTypeIPv4, gopacket.Payload(payload))
	}
	toBeacons := append([]byte{0x16, 0x26, 0x16, 0x26, 0, 0, 0, 0}, make([]byte, 56)...) // 5670
	toState := append([]byte{0x16, 0x26, 0x3d, 0x36, 0, 0, 0, 0}, make([]byte, 56)...)   // 15670
	toOthers := append([]byte{0x16, 0x26, 0, 53, 0, 0, 0, 0}, make([]byte, 56)...)
	four(1, layers.IPProtocolUDP, 0, true, toOthers)
	four(1, layers.IPProtocolUDP, 0, true, nil) // too short for a port
	four(1, layers.IPProtocolUDP, 8, false, toBeacons)
	four(1, layers.IPProtocolICMPv4, 0, true, toBeacons)
	four(1, layers.IPProtocolUDP, 0, true, toBeacons)
	four(1, layers.IPProtocolUDP, 0, true, toBeacons) // told before
	four(3, layers.IPProtocolUDP, 0, true, toState)
	four(4, layers.IPProtocolTCP, 0, true, toOthers)
	four(5, layers.IPProtocolTCP, 8, true, toOthers) // not the first one of a packet
	six := &layers.IPv6{Version: 6, HopLimit: 1, SrcIP: net.ParseIP("fe80::1"), DstIP: net.ParseIP("fe80::2"), NextHeader: layers.IPProtocolIPv6Fragment}
	// Next header TCP, offset 0, more fragments follow.
	send(six, layers.EthernetTypeIPv6, gopacket.Payload(append([]byte{6, 0, 0, 1, 0, 0, 0, 7}, toOthers...)))
	list, err := read(t, tr.file.Bytes(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		got = append(got, r.String()[len("15:04:05.000000 "):])
	}
	const says = " IP fragments, which are not reassembled: their content is not shown"
	equal(t, "fragments", got, []string{
		"10.0.0.1:0 → 10.0.0.2:0" + says, "10.0.0.3:0 → 10.0.0.2:0" + says, "10.0.0.4:0 → 10.0.0.2:0" + says, "[fe80::1]:0 → [fe80::2]:0" + says,
	})
}
