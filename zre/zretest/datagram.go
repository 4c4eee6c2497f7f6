package zretest

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/go-zre/go-zre/beacon"
)

// inboxSize is how many datagrams a socket queues, about what Linux stores in a receive buffer of one megabyte.
const inboxSize = 1000

// A packetConn is a UDP socket.
type packetConn struct {
	host        *Host
	ipv6        bool // IPv6, otherwise IPv4
	port        int
	memberships map[membership]bool // guarded by the LAN's lock

	mu     sync.Mutex // guards the fields below; may be taken while the LAN's lock is held, not vice versa
	ready  sync.Cond
	inbox  []datagram
	frozen bool
	closed bool
}

type membership struct {
	group   netip.Addr
	ifIndex int
}

// A datagram has arrived. Several sockets share its bytes.
type datagram struct {
	data []byte
	from beacon.Origin
}

// A route is everything that decides where a datagram goes, except chance.
type route struct {
	from    *machine
	dst     netip.AddrPort
	src     netip.AddrPort
	ifIndex int
}

// A target is a socket that a datagram goes to, and the link to it.
type target struct {
	socket *packetConn
	from   beacon.Origin
	path   path
	link   Link
}

// ListenPacket implements zre.Network.
func (h *Host) ListenPacket(network string, port int) (beacon.PacketConn, error) {
	defer h.lan.lock()()
	switch {
	case network != "udp4" && network != "udp6":
		return nil, opError("listen", network, nil, nil, net.UnknownNetworkError(network))
	case network == "udp6" && !h.lan.ipv6:
		return nil, opError("listen", network, nil, nil, errors.ErrUnsupported)
	case h.dead || h.machine.off:
		return nil, opError("listen", "udp", nil, nil, net.ErrClosed)
	}
	s := &packetConn{host: h, ipv6: network == "udp6", port: port, frozen: h.frozen, memberships: make(map[membership]bool)}
	s.ready.L = &s.mu
	h.machine.sockets = append(h.machine.sockets, s)
	clear(h.lan.routes)
	return s, nil
}

// ReadFrom implements beacon.PacketConn.
func (s *packetConn) ReadFrom(b []byte) (int, beacon.Origin, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && (s.frozen || len(s.inbox) == 0) {
		s.ready.Wait()
	}
	if s.closed {
		return 0, beacon.Origin{}, opError("read", "udp", nil, nil, net.ErrClosed)
	}
	d := s.inbox[0]
	s.inbox[0] = datagram{}
	if s.inbox = s.inbox[1:]; len(s.inbox) == 0 {
		s.inbox = nil
	}
	return copy(b, d.data), d.from, nil
}

// enqueue puts a datagram into the inbox, if there is room.
func (s *packetConn) enqueue(d datagram) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.inbox) >= inboxSize {
		return
	}
	s.inbox = append(s.inbox, d)
	if !s.frozen && len(s.inbox) == 1 {
		s.ready.Signal()
	}
}

func (s *packetConn) setFrozen(frozen bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = frozen
	s.ready.Signal()
}

// Join implements beacon.PacketConn.
func (s *packetConn) Join(group netip.Addr, ifIndex int) error {
	defer s.host.lan.lock()()
	m := s.host.machine
	if !slices.ContainsFunc(m.interfaces, func(i beacon.Interface) bool { return i.Index == ifIndex }) {
		return opError("join", "udp", nil, nil, syscall.ENODEV)
	}
	if in := (membership{group, ifIndex}); !s.memberships[in] {
		s.memberships[in] = true
		clear(s.host.lan.routes)
	}
	return nil
}

// leaveGroups drops the memberships on a removed interface.
func (s *packetConn) leaveGroups(ifIndex int) {
	for in := range s.memberships {
		if in.ifIndex == ifIndex {
			delete(s.memberships, in)
		}
	}
}

// Close implements beacon.PacketConn.
func (s *packetConn) Close() error {
	defer s.host.lan.lock()()
	s.close()
	return nil
}

func (s *packetConn) close() {
	m := s.host.machine
	m.sockets = slices.DeleteFunc(m.sockets, func(o *packetConn) bool { return o == s })
	clear(m.lan.routes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.inbox = true, nil
	s.ready.Broadcast()
}

// WriteTo implements beacon.PacketConn. It drops what a frozen process sends: a stopped one would not have sent it.
func (s *packetConn) WriteTo(b []byte, to beacon.Destination) error {
	l, m := s.host.lan, s.host.machine
	defer l.lock()()
	src := netip.AddrPortFrom(to.Src, uint16(s.port))
	fail := func(err error) error {
		return opError("write", "udp", net.UDPAddrFromAddrPort(src), net.UDPAddrFromAddrPort(to.Dst), err)
	}
	at := slices.IndexFunc(m.interfaces, func(i beacon.Interface) bool { return i.Index == to.IfIndex })
	switch {
	case s.host.dead:
		return fail(net.ErrClosed)
	case at < 0:
		return fail(syscall.ENODEV)
	case m.interfaces[at].Flags&net.FlagUp == 0:
		return fail(syscall.ENETDOWN)
	case to.Src.Is6() != s.ipv6 || to.Dst.Addr().Is6() != s.ipv6:
		return fail(syscall.EAFNOSUPPORT)
	case !slices.ContainsFunc(m.interfaces[at].Addrs, func(p netip.Prefix) bool { return p.Addr() == to.Src }):
		return fail(syscall.ENETUNREACH)
	case s.ipv6 && to.Dst.Addr().IsMulticast() && m.interfaces[at].Flags&net.FlagMulticast == 0:
		return fail(syscall.ENETUNREACH)
	case s.host.frozen:
		return nil
	}
	r := route{m, to.Dst, src, to.IfIndex}
	targets, known := l.routes[r]
	if !known {
		targets = l.targets(r)
		l.routes[r] = targets
	}
	l.deliver(slices.Clone(b), targets)
	return nil
}

// targets returns the sockets that a datagram reaches: on every interface of the wire, those that joined its group, or all if it is a
// broadcast.
func (l *LAN) targets(r route) []target {
	var list []target
	wire := r.from.wireOf(r.src.Addr())
	outgoing, _ := r.from.interfaceOf(r.src.Addr())
	for _, m := range l.machines {
		if m.off || l.blocked[path{r.from, m}] || (wire.Addr().IsLoopback() || l.switchedOff[wire]) && m != r.from {
			continue
		}
		link := l.linkOf(r.from, m)
		for _, i := range m.interfaces {
			if m == r.from && i.Index != r.ifIndex {
				continue
			}
			if r.dst.Addr().Is4() && !isOnWire(wire, i) || r.dst.Addr().Is6() && !onSameWire(outgoing, i) {
				continue
			}
			for _, s := range m.sockets {
				if s.port == int(r.dst.Port()) && s.ipv6 == r.dst.Addr().Is6() && s.receives(r.dst.Addr(), i) {
					from := beacon.Origin{Src: r.src, Dst: r.dst.Addr(), IfIndex: i.Index}
					list = append(list, target{s, from, path{r.from, m}, link})
				}
			}
		}
	}
	return list
}

// isOnWire reports whether an interface is connected to a wire.
func isOnWire(wire netip.Prefix, i beacon.Interface) bool {
	return i.Flags&net.FlagUp != 0 && slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Masked() == wire })
}

// receives reports whether the socket gets what is sent to an address on an interface.
func (s *packetConn) receives(dst netip.Addr, i beacon.Interface) bool {
	return s.memberships[membership{dst, i.Index}] || slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool {
		return p.Addr() == dst || !s.ipv6 && p.Addr().Is4() && (broadcast(p) == dst || dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}))
	})
}

// broadcast returns the broadcast address of an IPv4 subnet.
func broadcast(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}

// deliver delivers a datagram to each target at its time. Targets that it reaches at the same time share an alarm.
func (l *LAN) deliver(data []byte, targets []target) {
	now := l.now()
	for len(targets) > 0 {
		first := targets[0].link
		same := 1
		if first.isPlain() {
			for same < len(targets) && targets[same].link == first {
				same++
			}
			together := targets[:same]
			l.schedule(now+first.Latency, func() {
				for i := range together {
					together[i].socket.enqueue(datagram{data, together[i].from})
				}
			})
		} else {
			l.deliverByChance(data, targets[0])
		}
		targets = targets[same:]
	}
}

// isPlain reports whether the link only delays a datagram.
func (k Link) isPlain() bool { return k == Link{Latency: k.Latency} }

// deliverByChance decides by chance what happens to a datagram.
func (l *LAN) deliverByChance(data []byte, to target) {
	copies := 1
	if l.chance(to.link.Duplicate) {
		copies = 2
	}
	for range copies {
		delay, ok := l.transitTime(to.path, to.link, len(data), maxQueueDelay)
		if l.chance(to.link.Loss) || !ok || !to.link.passes(len(data)) {
			continue
		}
		if l.chance(to.link.Reorder) {
			delay += time.Millisecond + time.Duration(l.rng.Int64N(int64(9*time.Millisecond)))
		}
		l.schedule(l.now()+delay, func() { to.socket.enqueue(datagram{data, to.from}) })
	}
}
