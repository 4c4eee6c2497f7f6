package beacon

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
)

// A socket is where a station hears and sends the beacons of one kind by one address family. It may have to wait until the system lets it
// open. It consists of several system sockets if there are more interfaces than one socket may have group memberships (20 on Linux).
type socket struct {
	network string // "udp4" or "udp6"
	port    int
	isState bool

	unsupported atomic.Bool // the machine has no addresses of this family
	parts       atomic.Pointer[[]PacketConn]

	// The following belongs to the scan.
	memberships map[membership]PacketConn // what was joined, and by which part
}

// A membership is that of a group on an interface.
type membership struct {
	group   netip.Addr
	ifIndex int
	life    int // of the interface
}

func newSocket(network string, port int, isState bool) *socket {
	s := &socket{network: network, port: port, isState: isState, memberships: make(map[membership]PacketConn)}
	s.parts.Store(new([]PacketConn))
	return s
}

// conn returns the part that sends; nil if the socket is not open.
func (s *socket) conn() PacketConn {
	if parts := *s.parts.Load(); len(parts) > 0 {
		return parts[0]
	}
	return nil
}

// listenAddr returns the address that the socket listens on.
func (s *socket) listenAddr() netip.AddrPort {
	if s.network == "udp4" {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(s.port))
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(s.port))
}

// sockets are those of a station.
type sockets struct{ classic4, state4, classic6, state6 *socket }

func (k *stationKey) sockets() sockets {
	return sockets{
		newSocket("udp4", k.port, false), newSocket("udp4", int(k.statePort), true),
		newSocket("udp6", k.port, false), newSocket("udp6", int(k.statePort), true),
	}
}

func (s *sockets) all() [4]*socket { return [4]*socket{s.classic4, s.state4, s.classic6, s.state6} }

// of returns the socket of an address's family and a kind of beacon.
func (s *sockets) of(a netip.Addr, isState bool) *socket {
	switch {
	case a.Is4() && isState:
		return s.state4
	case a.Is4():
		return s.classic4
	case isState:
		return s.state6
	}
	return s.classic6
}

// has tells whether the machine has the address family, as far as is known.
func (s *sockets) has(six bool) bool {
	if six {
		return !s.classic6.unsupported.Load()
	}
	return !s.classic4.unsupported.Load()
}

// isOpen tells whether the socket of an address family and a kind of beacon is open.
func (s *sockets) isOpen(six, isState bool) bool {
	at := boolToInt(six)*2 + boolToInt(isState)
	return s.all()[at].conn() != nil
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reachable returns the interfaces with just those addresses whose family the machine's sockets have.
func (s *sockets) reachable(all []Interface) []Interface {
	if s.has(false) && s.has(true) {
		return all
	}
	list := make([]Interface, len(all))
	for at, i := range all {
		list[at] = i
		list[at].Addrs = nil
		for _, p := range i.Addrs {
			if s.has(p.Addr().Is6()) {
				list[at].Addrs = append(list[at].Addrs, p)
			}
		}
	}
	return list
}

// errNotOpen means that the socket waits until its port is free, which is reported elsewhere.
var errNotOpen = errors.New("beacon: the socket is not open")

// write sends every datagram, except those of sendByBroadcast. Whatever its caller asks for, it sends nothing that could crash a pyre node.
func (s *sockets) write(b []byte, to Destination) error {
	if !isHarmless(len(b), to.Dst) {
		return fmt.Errorf("beacon: %d bytes must not go to %v", len(b), to.Dst)
	}
	isState := len(b) != classicSize && len(b) != keyedSize
	conn := s.of(to.Dst.Addr(), isState).conn()
	if conn == nil {
		return errNotOpen
	}
	return conn.WriteTo(b, to)
}

// isHarmless tells whether a beacon of that length may go to dst. A pyre node crashes on any length but 22 that it receives on UDP port
// 5670. It uses only IPv4, and on Linux listens on the broadcast address of its subnet, so not on 255.255.255.255.
func isHarmless(length int, dst netip.AddrPort) bool {
	toAll := dst.Addr() == everySubnet || dst.Addr() == allNodes
	return length == classicSize || length == keyedSize && toAll || dst.Addr().IsMulticast() && dst.Addr() != allNodes && dst.Port() != DefaultPort
}

// A subscription is a membership that a socket needs to hear multicast.
type subscription struct {
	socket *socket
	membership
}

// destination returns the group and interface in the form of a failure.
func (s subscription) destination() Destination {
	return Destination{Dst: netip.AddrPortFrom(s.group, uint16(s.socket.port)), IfIndex: s.ifIndex}
}

// subscriptions returns those that agents need on an interface which they use with these address families.
func (s *sockets) subscriptions(key *stationKey, i Interface, four, six bool) (list []subscription) {
	add := func(socket *socket, group netip.Addr) {
		if group.IsValid() && socket.conn() != nil {
			list = append(list, subscription{socket, membership{group, i.Index, i.life}})
		}
	}
	if four {
		add(s.state4, key.group)
	}
	if six {
		add(s.classic6, allNodes)
		for _, group := range key.groups6 {
			add(s.state6, group)
		}
	}
	return list
}

// join makes the socket a member of a group on an interface. It repeats a join, in case the system has forgotten it. more opens another
// part if the existing parts can join no more groups.
func (s *socket) join(m membership, more func() (PacketConn, error)) error {
	if conn := s.memberships[m]; conn != nil {
		return conn.Join(m.group, m.ifIndex)
	}
	parts := *s.parts.Load()
	for at := len(parts) - 1; at >= 0; at-- { // the last one usually has room
		err := parts[at].Join(m.group, m.ifIndex)
		if err == nil {
			s.memberships[m] = parts[at]
		}
		if err == nil || !isFull(err) {
			return err
		}
	}
	conn, err := more()
	if err != nil {
		return err
	}
	if err := conn.Join(m.group, m.ifIndex); err != nil {
		return err
	}
	s.memberships[m] = conn
	return nil
}

// leave ends memberships that are not needed, to make room for more. A membership outlives its interface.
func (s *socket) leave(needed []subscription) {
	if len(s.memberships) == 0 {
		return
	}
	kept := make(map[membership]bool, len(s.memberships))
	for _, n := range needed {
		kept[n.membership] = kept[n.membership] || n.socket == s
	}
	for m, conn := range s.memberships {
		if kept[m] {
			continue
		}
		delete(s.memberships, m)
		if l, ok := conn.(Leaver); ok {
			_ = l.Leave(m.group, m.ifIndex) // this fails if the membership has ended already
		}
	}
}

// isFull tells whether err says that a socket can join no more groups.
func isFull(err error) bool { return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) }

// add makes conn a part of the socket.
func (s *socket) add(conn PacketConn) {
	parts := append(slices.Clone(*s.parts.Load()), conn)
	s.parts.Store(&parts)
}

// close closes all sockets.
func (s *sockets) close() (err error) {
	for _, socket := range s.all() {
		for _, conn := range *socket.parts.Load() {
			err = errors.Join(err, conn.Close())
		}
	}
	return err
}

// listen opens a part of a socket.
func (k *stationKey) listen(s *socket) (PacketConn, error) {
	listen := k.network.ListenPacket
	if l, ok := k.network.(GroupListener); ok && s.isState {
		listen = l.ListenGroups
	}
	conn, err := listen(s.network, s.port)
	if err != nil {
		return nil, err
	}
	if routed, ok := conn.(TTLSetter); ok && s.isState {
		if err := routed.SetTTL(k.ttl); err != nil {
			return nil, errors.Join(fmt.Errorf("beacon: setting the TTL of UDP port %d to %d: %w", s.port, k.ttl, err), conn.Close())
		}
	}
	return conn, nil
}
