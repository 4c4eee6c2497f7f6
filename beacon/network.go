package beacon

import (
	"net"
	"net/netip"
	"time"
)

// A Network is the layer below agents: [System] in a program, a simulated network in a test.
//
// Only ReadFrom may wait for long: everything else is called while other agents wait.
//
// Agents with equal Networks share their sockets, so a Network must be comparable, like a pointer or an empty struct; opening an agent on
// one that holds a slice, a map or a function panics.
type Network interface {
	// Interfaces lists the machine's network interfaces as they are now, including those that are down.
	Interfaces() ([]Interface, error)
	// ListenPacket opens a UDP socket of one address family, "udp4" for IPv4 or "udp6" for IPv6. It receives what arrives on port for any
	// address of the machine, beside other sockets on the same port; each of them receives every broadcast, and what is sent to the groups
	// that it has joined. An error that is errors.ErrUnsupported says that the machine, or a simulated network, has no such addresses;
	// agents then do without them.
	ListenPacket(network string, port int) (PacketConn, error)
}

// Watcher is what a Network may also implement, to report changes as they happen. [System] does so on Linux. With or without it, agents
// look at the interfaces every 0.8 s.
type Watcher interface {
	// Watch calls changed, which does not block, from any goroutine, whenever interfaces or their addresses may have changed. When it
	// returns it is watching; later changes are reported. After stop has returned there are no more calls. An error that is
	// errors.ErrUnsupported is not logged.
	Watch(changed func()) (stop func(), err error)
}

// Clock is what a Network may also implement, for a machine other than the one of the process. When its clock advances by seconds more than
// the process has noticed, the machine has slept, or the process was stopped.
type Clock interface {
	// Wall returns the time of day. Any goroutine may call it.
	Wall() time.Time
}

// An Interface is one network interface at one moment.
type Interface struct {
	Index int            // the system's number, from 1
	Name  string         // for example "eth0"
	Flags net.Flags      // up, broadcast, multicast, loopback, point-to-point; running: it has a carrier
	Addrs []netip.Prefix // its addresses, each with the length of its subnet's prefix

	// Broadcasts has the broadcast addresses of those Addrs for which one is configured other than the subnet's last address. Both are
	// used.
	Broadcasts map[netip.Prefix]netip.Addr

	AltNames []string // other names, which Linux allows

	unusable []netip.Prefix // other addresses, to which no answer could come

	nameless bool // package net does not know its name: a zone is its index
	life     int  // how many interfaces had its index before, as far as is known
	virtual  bool // it is not hardware, but for example a bridge or a container's cable, as far as the system says
}

// A PacketConn is a UDP socket. ReadFrom is called by one goroutine, everything else by any.
type PacketConn interface {
	// ReadFrom waits for a datagram and copies it into b. After Close it returns an error that is net.ErrClosed.
	ReadFrom(b []byte) (n int, from Origin, err error)
	// WriteTo sends b, which it does not keep, as one datagram. It waits a short time at most.
	WriteTo(b []byte, to Destination) error
	// Join makes the socket a member of a multicast group on one interface. Joining again is not an error.
	Join(group netip.Addr, ifIndex int) error
	// Close ends the socket and a waiting ReadFrom.
	Close() error
}

// GroupListener is what a Network may also implement, if multicast needs another kind of socket.
type GroupListener interface {
	// ListenGroups is ListenPacket for a socket that receives only multicast, and shares its port only with other sockets of ListenGroups.
	// It is used for state beacons.
	ListenGroups(network string, port int) (PacketConn, error)
}

// TTLSetter is what a PacketConn may also implement, if there are routers.
type TTLSetter interface {
	// SetTTL sets how many hops the socket's multicasts live, from 1, which is also the default.
	SetTTL(ttl int) error
}

// Leaver is what a PacketConn may also implement, if the number of memberships is limited.
type Leaver interface {
	// Leave ends the membership of a group on an interface, also on one that is gone.
	Leave(group netip.Addr, ifIndex int) error
}

// An Origin says where a datagram came from and how it arrived.
type Origin struct {
	Src     netip.AddrPort // the sender
	Dst     netip.Addr     // the address it was sent to; invalid if the system does not report it
	IfIndex int            // the interface it arrived on; 0 if the system does not report it
}

// A Destination says where a datagram goes and how it leaves. Src is an address of the interface: with only the index, the system would
// choose among its addresses, and it sends from 0.0.0.0 on lo.
type Destination struct {
	Dst     netip.AddrPort
	Src     netip.Addr
	IfIndex int
}
