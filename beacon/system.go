package beacon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
)

// System is the operating system's network.
//
// On Linux and macOS each datagram says which interface and address it came to, and is told which to leave by. Windows
// (with the package golang.org/x/net/ipv4) and the BSDs cannot do all of it: where the interface of arrival is missing it is
// taken from the sender's subnet, and a datagram leaves from the address that the system chooses on the interface.
var System Network = system{}

type system struct{}

// writeTimeout bounds a write: a send buffer may be full while a link has stopped taking frames.
const writeTimeout = 100 * time.Millisecond

// receiveBuffer is the size in octets that is asked of the system for datagrams not yet read.
const receiveBuffer = 1 << 20

// Interfaces implements [Network]. One that vanishes while they are listed is left out.
func (system) Interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("beacon: listing the network interfaces: %w", err)
	}
	list := make([]Interface, 0, len(all))
	for _, i := range all {
		addrs, err := i.Addrs()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			return nil, fmt.Errorf("beacon: listing the addresses of %s: %w", i.Name, err) // it has not vanished: we are short of files
		}
		if err != nil {
			continue
		}
		list = append(list, Interface{Index: i.Index, Name: i.Name, Flags: i.Flags, Addrs: prefixes(addrs)})
	}
	return list, nil
}

// prefixes translates the addresses of an interface from package net's form.
func prefixes(addrs []net.Addr) []netip.Prefix {
	var list []netip.Prefix
	for _, addr := range addrs {
		ipnet, ok := addr.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(ipnet.IP); ok {
			bits, _ := ipnet.Mask.Size()
			list = append(list, netip.PrefixFrom(ip.Unmap(), bits))
		}
	}
	return list
}

// ListenPacket implements [Network]. The time to live is 1: no router passes a beacon on, unless SetTTL is called.
func (system) ListenPacket(network string, port int) (PacketConn, error) {
	if network != "udp4" {
		return nil, fmt.Errorf("beacon: listening on UDP port %d: %q: %w", port, network, errors.ErrUnsupported)
	}
	lc := net.ListenConfig{Control: control}
	pc, err := lc.ListenPacket(context.Background(), "udp4", fmt.Sprintf("0.0.0.0:%d", port))
	if err != nil {
		return nil, fmt.Errorf("beacon: listening on UDP port %d (another program may hold it alone): %w", port, err)
	}
	c := &systemConn{udp: pc.(*net.UDPConn), opts: ipv4.NewPacketConn(pc)}
	// Many nodes may beacon at once, as after a power cut. The system may grant less.
	_ = c.udp.SetReadBuffer(receiveBuffer)
	// Fails where it is not implemented; Origin then lacks what it would have told.
	_ = c.opts.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	for _, err := range []error{c.opts.SetTTL(1), c.opts.SetMulticastTTL(1), c.opts.SetMulticastLoopback(true)} {
		if err != nil {
			c.udp.Close()
			return nil, fmt.Errorf("beacon: preparing UDP port %d: %w", port, err)
		}
	}
	c.oob = ipv4.NewControlMessage(ipv4.FlagDst | ipv4.FlagInterface)
	return c, nil
}

// systemConn is a UDP socket of the operating system.
type systemConn struct {
	udp  *net.UDPConn
	opts *ipv4.PacketConn // the same socket, for its options
	oob  []byte           // where ReadFrom, which has one caller, receives a datagram's control message

	leaving sync.Mutex // held from the choice of the outgoing interface to the write, where it is an option of the socket
}

func (c *systemConn) ReadFrom(b []byte) (int, Origin, error) {
	n, noob, _, src, err := c.udp.ReadMsgUDPAddrPort(b, c.oob)
	if err != nil {
		return 0, Origin{}, err
	}
	from := Origin{Src: netip.AddrPortFrom(src.Addr().Unmap(), src.Port())}
	from.Dst, from.IfIndex = arrival(c.oob[:noob])
	return n, from, nil
}

func (c *systemConn) WriteTo(b []byte, to Destination) error {
	if err := c.udp.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	cm := ipv4.ControlMessage{Src: to.Src.AsSlice(), IfIndex: to.IfIndex}
	if oob := cm.Marshal(); len(oob) > 0 {
		_, _, err := c.udp.WriteMsgUDPAddrPort(b, oob, to.Dst)
		return err
	}
	return c.writePlain(b, to)
}

// writePlain sends without a control message. The route leads a subnet's broadcast to its interface; for a multicast the
// interface is an option of the socket.
func (c *systemConn) writePlain(b []byte, to Destination) error {
	c.leaving.Lock()
	defer c.leaving.Unlock()
	if to.Dst.Addr().IsMulticast() {
		if err := c.opts.SetMulticastInterface(&net.Interface{Index: to.IfIndex}); err != nil {
			return err
		}
	}
	_, err := c.udp.WriteToUDPAddrPort(b, to.Dst)
	return err
}

func (c *systemConn) Join(group netip.Addr, ifIndex int) error {
	err := c.opts.JoinGroup(&net.Interface{Index: ifIndex}, &net.UDPAddr{IP: group.AsSlice()})
	if alreadyJoined(err) {
		return nil
	}
	return err
}

// SetTTL implements [TTLSetter].
func (c *systemConn) SetTTL(ttl int) error { return c.opts.SetMulticastTTL(ttl) }

func (c *systemConn) Close() error { return c.udp.Close() }
