package beacon

import (
	"errors"
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// options are those of a UDP socket, which differ by address family.
type options interface {
	prepare() error                       // what every beacon's socket needs
	controlBuffer() []byte                // for the control message of a datagram that arrives
	controlMessage(to Destination) []byte // the control message for one that leaves; empty if it is not implemented
	setHops(n int) error                  // of multicasts
	SetMulticastInterface(*net.Interface) error
	JoinGroup(*net.Interface, net.Addr) error
	LeaveGroup(*net.Interface, net.Addr) error
}

func optionsOf(network string, pc net.PacketConn) options {
	if network == "udp6" {
		return options6{ipv6.NewPacketConn(pc)}
	}
	return options4{ipv4.NewPacketConn(pc)}
}

type options4 struct{ *ipv4.PacketConn }

func (o options4) prepare() error {
	// Fails if it is not implemented; then Origin lacks these fields.
	_ = o.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	return errors.Join(o.SetTTL(1), o.SetMulticastTTL(1), o.SetMulticastLoopback(true))
}

func (o options4) controlBuffer() []byte {
	return ipv4.NewControlMessage(ipv4.FlagDst | ipv4.FlagInterface)
}

func (o options4) controlMessage(to Destination) []byte {
	return (&ipv4.ControlMessage{Src: to.Src.AsSlice(), IfIndex: to.IfIndex}).Marshal()
}

func (o options4) setHops(n int) error { return o.SetMulticastTTL(n) }

type options6 struct{ *ipv6.PacketConn }

func (o options6) prepare() error {
	_ = o.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true) // as above
	return errors.Join(o.SetHopLimit(1), o.SetMulticastHopLimit(1), o.SetMulticastLoopback(true))
}

func (o options6) controlBuffer() []byte {
	return ipv6.NewControlMessage(ipv6.FlagDst | ipv6.FlagInterface)
}

func (o options6) controlMessage(to Destination) []byte {
	return (&ipv6.ControlMessage{Src: to.Src.AsSlice(), IfIndex: to.IfIndex}).Marshal()
}

func (o options6) setHops(n int) error { return o.SetMulticastHopLimit(n) }
