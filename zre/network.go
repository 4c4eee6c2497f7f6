package zre

import (
	"context"
	"net"

	"github.com/go-zre/go-zre/beacon"
)

// Network is all that a node needs of the world: interfaces, datagrams, listeners and dials. By default it is the operating system; package
// zretest has a simulated one. Implement it only to run nodes on something else.
//
// An implementation is comparable (a pointer, for example) and safe for concurrent use: nodes of equal networks count as one process.
type Network interface {
	// Interfaces returns the network interfaces as they are now, including those that are down.
	Interfaces() ([]beacon.Interface, error)

	// ListenPacket opens a UDP socket for beacons, on "udp4" or "udp6"; see beacon.Network.
	ListenPacket(network string, port int) (beacon.PacketConn, error)

	// Listen listens on a local address, as net.ListenConfig.Listen does. For the network "unix" the address is the UUID of the
	// node that listens, and stands for a socket which the processes of one user on this host share. An error there that is
	// errors.ErrUnsupported says that the system has no such thing.
	Listen(ctx context.Context, network, address string) (net.Listener, error)

	// Dial connects to an address, as net.Dialer.DialContext does; for the network "unix" to that node. "udp" is for DNS alone.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}
