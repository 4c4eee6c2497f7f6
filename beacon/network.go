package beacon

import (
	"net"
	"net/netip"
	"time"
)

// A Network is what agents stand on: [System] in a program, a simulated network in a test.
//
// Only ReadFrom may wait for long: the rest is called while other agents wait.
//
// Agents with equal Networks share their sockets, so a Network must be comparable, as a pointer or an empty struct is;
// opening an agent on one that holds a slice, a map or a function panics.
type Network interface {
	// Interfaces lists the machine's network interfaces as they are now, including those that are down.
	Interfaces() ([]Interface, error)
	// ListenPacket opens a UDP socket of one address family, "udp4" for IPv4 or "udp6" for IPv6, that receives what arrives on
	// port for any address of the machine, beside other sockets on the same port; each of them receives every broadcast,
	// and what is sent to the groups it has joined. An error that is errors.ErrUnsupported says that the machine, or a
	// simulated network, has no such addresses; agents then do without them.
	ListenPacket(network string, port int) (PacketConn, error)
}

// Watcher is what a Network may implement beside the rest, to tell of changes as they happen. [System] does so on Linux. With
// it or without, agents look at the interfaces every 0.8 s.
type Watcher interface {
	// Watch calls changed, which does not block, from any goroutine, whenever interfaces or their addresses may just have
	// changed. It returns when it watches; what changes from then on is told. After stop has returned there are no
	// more calls. An error that is errors.ErrUnsupported is not logged.
	Watch(changed func()) (stop func(), err error)
}

// Clock is what a Network may implement beside the rest, for a machine that is not the one below the process. When its clock
// goes on for seconds more than the process has noticed, the machine has slept, or the process was stopped.
type Clock interface {
	// Wall returns the time of day. Any goroutine may call it.
	Wall() time.Time
}

// An Interface is one network interface at one moment.
type Interface struct {
	Index int            // as the system numbers it, from 1
	Name  string         // as in "eth0"
	Flags net.Flags      // up, broadcast, multicast, loopback, point-to-point; running: it has a carrier
	Addrs []netip.Prefix // its addresses, each with the length of its subnet's prefix

	// Broadcasts has the broadcast addresses of those Addrs whose is configured, and not the last address of the subnet. Both are used.
	Broadcasts map[netip.Prefix]netip.Addr

	AltNames []string // other names, which Linux allows

	unusable []netip.Prefix // other addresses, from which no beacon can be answered

	nameless bool // package net does not know its name: a zone is its index
	life     int  // how many of its index went before, as far as is known
	virtual  bool // it is no hardware, such as a bridge or a container's cable, as far as the system tells
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

// GroupListener is what a Network may implement beside the rest, where a socket is better made otherwise for multicast.
type GroupListener interface {
	// ListenGroups is ListenPacket for a socket that hears multicast alone, and shares its port with sockets of ListenGroups alone. State
	// beacons are heard by such.
	ListenGroups(network string, port int) (PacketConn, error)
}

// TTLSetter is what a PacketConn may implement beside the rest, where there are routers.
type TTLSetter interface {
	// SetTTL sets how many hops the socket's multicasts live, from 1, which is also the default.
	SetTTL(ttl int) error
}

// Leaver is what a PacketConn may implement beside the rest, where the number of memberships is limited.
type Leaver interface {
	// Leave ends the membership of a group on an interface, also one that is gone.
	Leave(group netip.Addr, ifIndex int) error
}

// An Origin tells where a datagram came from and how it arrived.
type Origin struct {
	Src     netip.AddrPort // the sender
	Dst     netip.Addr     // the address it was sent to; invalid where the system does not tell
	IfIndex int            // the interface it arrived on; 0 where the system does not tell
}

// A Destination tells where a datagram goes and how it leaves. Src is an address of the interface: the index alone would
// leave the choice among its addresses to the system, which sends from 0.0.0.0 on lo.
type Destination struct {
	Dst     netip.AddrPort
	Src     netip.Addr
	IfIndex int
}
