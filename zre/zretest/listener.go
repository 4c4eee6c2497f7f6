package zretest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A listener accepts connections to one address of a machine, or to all.
type listener struct {
	host      *Host
	network   string
	dualStack bool   // for both address families
	key       string // in the machine's table
	addr      net.Addr
	ready     sync.Cond
	pending   []*conn
	closed    bool
}

// Listen implements zre.Network for "tcp", "tcp4" and "tcp6" with an address and a port, and for "unix" with a path, which the machine's
// processes share. No address means all addresses, and port 0 means a free port.
func (h *Host) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	defer h.lan.lock()()
	m := h.machine
	li := &listener{host: h, network: network}
	li.ready.L = &h.lan.mu
	fail := func(err error) (net.Listener, error) { return nil, opError("listen", network, nil, li.addr, err) }
	if network == "unix" {
		li.addr = &net.UnixAddr{Net: network, Name: address}
		li.key = unixKey(address)
	} else {
		ap, err := h.lan.parseTCP(network, address)
		if err != nil {
			return fail(err)
		}
		if ap.Port() == 0 {
			ap = netip.AddrPortFrom(ap.Addr(), m.freePort())
		}
		li.addr = net.TCPAddrFromAddrPort(ap)
		li.key = tcpKey(ap)
		li.dualStack = network == "tcp" && (strings.HasPrefix(address, ":") || ap.Addr() == netip.IPv6Unspecified())
		if !ap.Addr().IsUnspecified() && !m.hasAddress(ap.Addr()) {
			return fail(syscall.EADDRNOTAVAIL)
		}
		if m.portInUse(ap) {
			return fail(syscall.EADDRINUSE)
		}
	}
	switch {
	case ctx.Err() != nil:
		return fail(context.Cause(ctx))
	case h.dead || m.off:
		return fail(net.ErrClosed)
	case m.listeners[li.key] != nil:
		return fail(syscall.EADDRINUSE)
	}
	m.listeners[li.key] = li
	return li, nil
}

func unixKey(name string) string          { return "unix " + name }
func tcpKey(ap netip.AddrPort) string     { return "tcp " + ap.String() }
func anyAddr(port uint16) netip.AddrPort  { return netip.AddrPortFrom(netip.IPv4Unspecified(), port) }
func any6Addr(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Unspecified(), port) }

// parseTCP reads "address:port"; no address means all of them.
func (l *LAN) parseTCP(network, address string) (ap netip.AddrPort, err error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	if port, ok := strings.CutPrefix(address, ":"); ok {
		n, err := strconv.ParseUint(port, 10, 16)
		if network == "tcp6" {
			return any6Addr(uint16(n)), err
		}
		return anyAddr(uint16(n)), err
	}
	ap, err = netip.ParseAddrPort(address)
	switch {
	case err != nil:
		return ap, err
	case ap.Addr().Is4() && network == "tcp6" || ap.Addr().Is6() && network == "tcp4":
		return ap, &net.AddrError{Err: "no suitable address", Addr: ap.Addr().String()}
	case ap.Addr().Is6() && !l.ipv6:
		return ap, fmt.Errorf("zretest: %v: the LAN has no IPv6, make it with the option IPv6", ap)
	}
	return ap, nil
}

// listenerAt returns the listener for connections to an address, or nil.
func (m *machine) listenerAt(dst netip.AddrPort) *listener {
	own, other := anyAddr(dst.Port()), any6Addr(dst.Port())
	if dst.Addr().Is6() {
		own, other = other, own
	}
	for _, ap := range []netip.AddrPort{netip.AddrPortFrom(dst.Addr().WithZone(""), dst.Port()), own} {
		if li := m.listeners[tcpKey(ap)]; li != nil {
			return li
		}
	}
	if li := m.listeners[tcpKey(other)]; li != nil && li.dualStack {
		return li
	}
	return nil
}

// portInUse reports whether the port is in use at that address: by a listener at the address, at all addresses, or at any if all are asked for.
func (m *machine) portInUse(ap netip.AddrPort) bool {
	for _, li := range m.listeners {
		tcp, ok := li.addr.(*net.TCPAddr)
		if ok && tcp.AddrPort().Port() == ap.Port() &&
			(tcp.AddrPort() == ap || tcp.IP.IsUnspecified() || ap.Addr().IsUnspecified()) {
			return true
		}
	}
	return false
}

// freePort returns the next port for a connection or listener without a chosen port.
func (m *machine) freePort() uint16 {
	for {
		if m.lastPort++; m.lastPort < 32768 || m.lastPort > 60999 {
			m.lastPort = 32768
		}
		if !m.portInUse(anyAddr(m.lastPort)) {
			return m.lastPort
		}
	}
}

// Accept implements net.Listener.
func (li *listener) Accept() (net.Conn, error) {
	defer li.host.lan.lock()()
	for !li.closed && (li.host.frozen || len(li.pending) == 0) {
		li.ready.Wait()
	}
	if li.closed {
		return nil, opError("accept", li.network, nil, li.addr, net.ErrClosed)
	}
	c := li.pending[0]
	li.pending = li.pending[1:]
	return c, nil
}

// Close implements net.Listener. It resets connections that wait to be accepted.
func (li *listener) Close() error {
	defer li.host.lan.lock()()
	if li.closed {
		return opError("close", li.network, nil, li.addr, net.ErrClosed)
	}
	li.close((*conn).abort)
	return nil
}

// close closes the listener, and each pending connection by closeConn.
func (li *listener) close(closeConn func(*conn)) {
	li.closed = true
	delete(li.host.machine.listeners, li.key)
	for _, c := range li.pending {
		closeConn(c)
	}
	li.pending = nil
	li.ready.Broadcast()
}

// abort closes an end with a reset.
func (c *conn) abort() {
	if c.closed {
		return
	}
	if c.failure == nil {
		c.sendReset()
	}
	c.closeEnd()
}

// Addr implements net.Listener.
func (li *listener) Addr() net.Addr { return li.addr }

// Dial implements zre.Network for the networks of Listen. If nothing listens there, it fails after a round trip. If nothing answers, it
// retries until the context ends.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	defer h.lan.lock()()
	if network == "unix" {
		return h.dialUnix(ctx, address)
	}
	if host, port, err := net.SplitHostPort(address); err == nil && len(h.lan.names[host]) > 0 {
		address = net.JoinHostPort(h.lan.names[host][0].String(), port)
	}
	dst, err := h.lan.parseTCP(network, address)
	var remote net.Addr
	if err == nil {
		remote = net.TCPAddrFromAddrPort(dst)
		var c *conn
		if c, err = h.dialTCP(ctx, dst); err == nil {
			return c, nil
		}
	}
	return nil, opError("dial", network, nil, remote, err)
}

// LookupNetIP resolves the names set with LAN.SetHostName, at once.
func (h *Host) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	defer h.lan.lock()()
	if list := h.lan.names[host]; len(list) > 0 {
		return slices.Clone(list), nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (h *Host) dialTCP(ctx context.Context, dst netip.AddrPort) (*conn, error) {
	l := h.lan
	local := netip.AddrPortFrom(h.sourceFor(dst.Addr()), h.machine.freePort())
	switch {
	case local.Addr().IsValid():
	case isLinkLocal(netip.PrefixFrom(dst.Addr(), 64)): // no zone, or a zone that does not exist here
		return nil, syscall.EINVAL
	default:
		return nil, syscall.ENETUNREACH
	}
	for wait := synRetry; ; wait *= 2 {
		switch to := h.neighbour(local.Addr(), dst.Addr()); {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case h.dead:
			return nil, net.ErrClosed
		case to == nil:
			if err := l.sleepUnlocked(ctx, resolveTimeout); err != nil {
				return nil, err
			}
			return nil, syscall.EHOSTUNREACH
		case !h.frozen:
			c, err := h.tryConnect(ctx, local, dst, to)
			if c != nil || err != nil {
				return c, err
			}
		}
		if err := l.sleepUnlocked(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// sourceFor returns the address from which the machine reaches another address: the same if it is its own; else one of the same subnet,
// with the zone of the interface if it is link-local; else, with a router, the first that is not loopback.
func (h *Host) sourceFor(dst netip.Addr) netip.Addr {
	zone, linkLocal := dst.Zone(), isLinkLocal(netip.PrefixFrom(dst, 64))
	if !linkLocal && h.machine.hasAddress(dst) {
		return dst
	}
	for _, i := range h.machine.interfaces {
		if i.Flags&net.FlagUp == 0 || linkLocal && i.Name != zone {
			continue
		}
		if slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Addr() == dst.WithZone("") }) {
			return dst
		}
		for _, p := range i.Addrs {
			if p.Contains(dst.WithZone("")) && !dst.IsLoopback() {
				if linkLocal {
					return p.Addr().WithZone(zone)
				}
				return p.Addr()
			}
		}
	}
	for _, i := range h.machine.interfaces {
		for _, p := range i.Addrs {
			if h.lan.routing && i.Flags&net.FlagUp != 0 && !p.Addr().IsLoopback() && !isLinkLocal(p) && p.Addr().Is4() == dst.Is4() {
				return p.Addr()
			}
		}
	}
	return netip.Addr{}
}

// neighbour returns the machine with an address, if it is known on the wire of src. A crashed machine is known for a while.
func (h *Host) neighbour(src, dst netip.Addr) *machine {
	if h.machine.hasAddress(dst) {
		return h.machine
	}
	if m := h.lan.machineWith(dst); m != nil && h.lan.connected(h.machine, src, m, dst) {
		return m
	}
	return nil
}

// tryConnect tries once to connect. Without an answer it returns neither a connection nor an error.
func (h *Host) tryConnect(ctx context.Context, local, dst netip.AddrPort, to *machine) (*conn, error) {
	l, from := h.lan, h.machine
	there, _ := l.transitTime(path{from, to}, l.linkOf(from, to), 0, 0)
	back, _ := l.transitTime(path{to, from}, l.linkOf(to, from), 0, 0)
	if l.chance(l.linkOf(from, to).Loss) || l.chance(l.linkOf(to, from).Loss) {
		return nil, nil
	}
	if err := l.sleepUnlocked(ctx, there); err != nil {
		return nil, err
	}
	if !l.reaches(from, local.Addr(), to, dst.Addr()) || !l.reaches(to, dst.Addr(), from, local.Addr()) || h.dead {
		return nil, nil
	}
	li := to.listenerAt(dst)
	switch {
	case li == nil:
		if err := l.sleepUnlocked(ctx, back); err != nil {
			return nil, err
		}
		return nil, syscall.ECONNREFUSED
	case len(li.pending) >= backlog:
		return nil, nil
	}
	c, s := l.connect("tcp", h, li.host, net.TCPAddrFromAddrPort(local), net.TCPAddrFromAddrPort(dst), local.Addr(), dst.Addr())
	if i, ok := to.interfaceOf(dst.Addr()); ok && dst.Addr().Zone() != "" { // the accepting side has its own zone name for the wire
		s.local = net.TCPAddrFromAddrPort(netip.AddrPortFrom(dst.Addr().WithZone(i.Name), dst.Port()))
		s.remote = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local.Addr().WithZone(i.Name), local.Port()))
	}
	li.pending = append(li.pending, s)
	li.ready.Signal()
	if err := l.sleepUnlocked(ctx, back); err != nil {
		c.closeNotifying()
		return nil, err
	}
	return c, nil
}

// dialUnix connects to another process of the machine at once.
func (h *Host) dialUnix(ctx context.Context, name string) (net.Conn, error) {
	remote := &net.UnixAddr{Net: "unix", Name: name}
	li := h.machine.listeners[unixKey(name)]
	var err error
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case h.dead:
		err = net.ErrClosed
	case li == nil:
		err = syscall.ENOENT
	case len(li.pending) >= backlog:
		err = syscall.EAGAIN
	}
	if err != nil {
		return nil, opError("dial", "unix", nil, remote, err)
	}
	c, s := h.lan.connect("unix", h, li.host, &net.UnixAddr{Net: "unix"}, remote, netip.Addr{}, netip.Addr{})
	li.pending = append(li.pending, s)
	li.ready.Signal()
	return c, nil
}

// sleepUnlocked releases the caller's lock while time passes. It returns the context's error if the context ends first.
func (l *LAN) sleepUnlocked(ctx context.Context, d time.Duration) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
