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
)

// System is the operating system's network.
//
// On Linux and macOS each datagram reports which interface and address it came to, and can be told through which to leave. Windows (with
// the packages golang.org/x/net/ipv4 and ipv6) and the BSDs cannot do all of that: if the interface of arrival is missing it is derived
// from the sender's zone or subnet, and a datagram leaves from the address that the system chooses on the interface.
var System Network = system{}

type system struct{}

// writeTimeout bounds a write: a send buffer may be full while a link has stopped taking frames.
const writeTimeout = 100 * time.Millisecond

// receiveBuffer is the requested size, in bytes, of the buffer for datagrams that are not read yet.
const receiveBuffer = 1 << 20

// Interfaces implements [Network]. An interface that vanishes while they are listed is left out. So is an IPv6 address to which no
// neighbour could answer: on Linux while the system makes sure that no other host has it (the second after a link has come up), and on the
// ports of a bridge or a bond.
func (system) Interfaces() ([]Interface, error) { return systemInterfaces() }

// ListenPacket implements [Network]. Datagrams live for one hop: no router forwards a beacon, unless SetTTL is called.
func (system) ListenPacket(network string, port int) (PacketConn, error) {
	return listenPacket(network, port, control)
}

// ListenGroups implements [GroupListener].
func (system) ListenGroups(network string, port int) (PacketConn, error) {
	return listenPacket(network, port, controlGroups)
}

// listenPacket opens a socket, which control prepares before it is bound.
func listenPacket(network string, port int, control func(network, address string, conn syscall.RawConn) error) (PacketConn, error) {
	address := map[string]string{"udp4": "0.0.0.0", "udp6": "::"}[network]
	if address == "" {
		return nil, fmt.Errorf(`beacon: listening on UDP port %d: network %q, want "udp4" or "udp6"`, port, network)
	}
	lc := net.ListenConfig{Control: control}
	pc, err := lc.ListenPacket(context.Background(), network, net.JoinHostPort(address, fmt.Sprint(port)))
	if err != nil && noFamily(err) {
		return nil, fmt.Errorf("beacon: listening on UDP port %d: %w (%w)", port, err, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, fmt.Errorf("beacon: listening on UDP port %d (another program may hold it exclusively): %w", port, err)
	}
	c := &systemConn{udp: pc.(*net.UDPConn), options: optionsOf(network, pc)}
	// Many nodes may send beacons at once, for example after a power cut. The system may grant less.
	_ = c.udp.SetReadBuffer(receiveBuffer)
	if err := c.options.prepare(); err != nil {
		c.udp.Close()
		return nil, fmt.Errorf("beacon: preparing UDP port %d: %w", port, err)
	}
	c.oob = c.options.controlBuffer()
	return c, nil
}

// systemConn is a UDP socket of the operating system, of one address family.
type systemConn struct {
	udp     *net.UDPConn
	options options
	oob     []byte // where ReadFrom, which has one caller, receives a datagram's control message

	interfaceMu sync.Mutex // held from the choice of the outgoing interface to the write, if the interface is an option of the socket
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
	if oob := c.options.controlMessage(to); len(oob) > 0 {
		_, _, err := c.udp.WriteMsgUDPAddrPort(b, oob, to.Dst)
		return err
	}
	return c.writePlain(b, to)
}

// writePlain sends without a control message. The route leads a subnet's broadcast to its interface. For a multicast the interface is an
// option of the socket, and for 255.255.255.255 it follows from the address that a socket is bound to.
func (c *systemConn) writePlain(b []byte, to Destination) error {
	if to.Dst.Addr() == everySubnet {
		return writeFrom(to.Src, b, to.Dst)
	}
	c.interfaceMu.Lock()
	defer c.interfaceMu.Unlock()
	if to.Dst.Addr().IsMulticast() {
		if err := c.options.SetMulticastInterface(&net.Interface{Index: to.IfIndex}); err != nil {
			return err
		}
	}
	_, err := c.udp.WriteToUDPAddrPort(b, to.Dst)
	return err
}

// writeFrom sends by a separate socket, which is bound to src. It has another port, which no implementation looks at.
func writeFrom(src netip.Addr, b []byte, dst netip.AddrPort) error {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(src, 0)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = conn.WriteToUDPAddrPort(b, dst)
	return err
}

func (c *systemConn) Join(group netip.Addr, ifIndex int) error {
	err := c.options.JoinGroup(&net.Interface{Index: ifIndex}, &net.UDPAddr{IP: group.AsSlice()})
	if alreadyJoined(err) {
		return nil
	}
	return err
}

// Leave implements [Leaver].
func (c *systemConn) Leave(group netip.Addr, ifIndex int) error {
	return c.options.LeaveGroup(&net.Interface{Index: ifIndex}, &net.UDPAddr{IP: group.AsSlice()})
}

// SetTTL implements [TTLSetter].
func (c *systemConn) SetTTL(ttl int) error { return c.options.setHops(ttl) }

func (c *systemConn) Close() error { return c.udp.Close() }
