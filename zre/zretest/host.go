package zretest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
)

// A Host is one process on a machine of a LAN: give it to zre.WithNetwork. Nodes on the same Host are in one process;
// Process makes another process on the machine.
//
// A machine has the loopback interface lo, with index 1, and eth0, eth1, … with indexes from 2. Interfaces with an address in the same subnet are
// on the same wire. An interface with only link-local addresses is on all wires. Hosts without a common subnet reach each other only through a
// router: LAN.SetRouting.
type Host struct {
	lan     *LAN
	machine *machine
	name    string
	random  *rand.Rand // of the nodes of the process

	frozen bool
	dead   bool // killed or crashed
}

var (
	_ zre.Network         = (*Host)(nil)
	_ beacon.RandomSource = (*Host)(nil)
)

// Int64N implements beacon.RandomSource: the seed determines the random choices of nodes.
func (h *Host) Int64N(n int64) int64 {
	defer h.lan.lock()()
	return h.random.Int64N(n)
}

// A machine is what the processes of one host share.
type machine struct {
	lan        *LAN
	number     int  // from 1
	off        bool // crashed
	interfaces []beacon.Interface
	lastIndex  int
	lastPort   uint16
	processes  []*Host
	sockets    []*packetConn
	listeners  map[string]*listener // by "tcp 0.0.0.0:49152", "unix /path"
}

const ethernet = net.FlagUp | net.FlagBroadcast | net.FlagMulticast | net.FlagRunning

// Host adds a machine and returns a process on it. It has one interface for each argument. An address may include the prefix length of its
// subnet, as in "10.1.0.1/16"; the default is 24, or 64 for IPv6. Separate several addresses of one interface by spaces, as in
// "10.0.0.1 fd00::1". Without arguments the machine has only loopback. An unusable address ends the test.
func (l *LAN) Host(addresses ...string) *Host {
	l.t.Helper()
	defer l.lock()()
	m := &machine{lan: l, number: len(l.machines) + 1, lastIndex: 1, lastPort: 32767, listeners: make(map[string]*listener)}
	m.interfaces = []beacon.Interface{{
		Index: 1, Name: "lo", Flags: net.FlagUp | net.FlagLoopback | net.FlagRunning,
		Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
	}}
	if l.ipv6 {
		m.interfaces[0].Addrs = append(m.interfaces[0].Addrs, netip.MustParsePrefix("::1/128"))
	}
	for _, address := range addresses {
		m.addInterface(l.parseAddresses(address))
	}
	l.machines = append(l.machines, m)
	name := "a host without address"
	if len(m.interfaces) > 1 {
		name = m.interfaces[1].Addrs[0].Addr().String()
	}
	l.topologyChanged()
	return m.newProcess(name)
}

// parseAddresses reads the addresses of one interface; the default prefix is 24 for IPv4, 64 for IPv6.
func (l *LAN) parseAddresses(addresses ...string) []netip.Prefix {
	l.t.Helper()
	var list []netip.Prefix
	for _, text := range strings.Fields(strings.Join(addresses, " ")) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var a netip.Addr
			a, err = netip.ParseAddr(text)
			p = netip.PrefixFrom(a, 24)
			if a.Is6() {
				p = netip.PrefixFrom(a, 64)
			}
		}
		if err == nil && p.Addr().Is6() && !l.ipv6 {
			err = errors.New("the LAN has no IPv6, make it with the option IPv6")
		}
		if err == nil && (p.Addr().Is4In6() || p.Addr().IsMulticast() || p.Addr().IsUnspecified()) {
			err = errors.New("no host can have it")
		}
		if err == nil && l.machineWith(p.Addr()) != nil {
			err = errors.New("another host has it")
		}
		if err != nil {
			l.t.Fatalf("zretest: address %q: %v", text, err)
		}
		list = append(list, p)
	}
	return list
}

// setAddresses gives an interface these addresses and, with IPv6, a link-local one of its own if there is none among them.
func (m *machine) setAddresses(i *beacon.Interface, addresses []netip.Prefix) {
	i.Addrs = addresses
	if m.lan.ipv6 && !slices.ContainsFunc(addresses, isLinkLocal) {
		own := fmt.Sprintf("fe80::ff:%x:%x/64", m.number, i.Index)
		i.Addrs = append(i.Addrs, netip.MustParsePrefix(own))
	}
}

// isLinkLocal reports whether an address is valid on a single wire only.
func isLinkLocal(p netip.Prefix) bool { return p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() }

// machineWith returns the machine that has an address.
func (l *LAN) machineWith(a netip.Addr) *machine {
	for _, m := range l.machines {
		if !a.IsLoopback() && m.hasAddress(a) {
			return m
		}
	}
	return nil
}

func (m *machine) addInterface(addresses []netip.Prefix) string {
	m.lastIndex++
	name := fmt.Sprintf("eth%d", m.lastIndex-2)
	i := beacon.Interface{Index: m.lastIndex, Name: name, Flags: ethernet}
	m.setAddresses(&i, addresses)
	m.interfaces = append(m.interfaces, i)
	return name
}

func (m *machine) newProcess(name string) *Host {
	h := &Host{lan: m.lan, machine: m, name: name}
	m.lan.processCount++
	h.random = rand.New(rand.NewPCG(m.lan.seed, 2+m.lan.processCount))
	m.processes = append(m.processes, h)
	return h
}

// hasAddress reports whether an address is one of the machine's, on an interface that is up.
func (m *machine) hasAddress(a netip.Addr) bool {
	_, ok := m.interfaceOf(a)
	return ok
}

// interfaceOf returns the interface with an address, if it is up. The zone is ignored. All of 127.0.0.0/8 is on lo.
func (m *machine) interfaceOf(a netip.Addr) (beacon.Interface, bool) {
	a = a.WithZone("")
	for _, i := range m.interfaces {
		for _, p := range i.Addrs {
			if i.Flags&net.FlagUp != 0 && (p.Addr() == a || a.IsLoopback() && p.Contains(a)) {
				return i, true
			}
		}
	}
	return beacon.Interface{}, false
}

// wireOf returns the subnet of one of the machine's addresses, if its interface is up.
func (m *machine) wireOf(a netip.Addr) netip.Prefix {
	i, _ := m.interfaceOf(a)
	for _, p := range i.Addrs {
		if p.Addr() == a {
			return p.Masked()
		}
	}
	return netip.Prefix{}
}

// onSameWire reports whether two interfaces are on the same wire.
func onSameWire(i, j beacon.Interface) bool {
	onlyLinkLocal := func(i beacon.Interface) bool {
		return len(i.Addrs) > 0 && !slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return !isLinkLocal(p) })
	}
	ethernets := (i.Flags|j.Flags)&net.FlagLoopback == 0 && i.Flags&j.Flags&net.FlagUp != 0
	return ethernets && (onlyLinkLocal(i) || onlyLinkLocal(j) || slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool {
		return !isLinkLocal(p) && isOnWire(p.Masked(), j)
	}))
}

// interfaceIndex returns the index of an interface in the list.
func (m *machine) interfaceIndex(name string) int {
	i := slices.IndexFunc(m.interfaces, func(i beacon.Interface) bool { return i.Name == name })
	if i < 0 {
		m.lan.t.Fatalf("zretest: %v has no interface %q", m.processes[0], name)
	}
	return i
}

// String returns the first address of the host.
func (h *Host) String() string { return h.name }

// Process returns another process on the same machine: the same addresses, other sockets. Use it for a program that starts again after Kill
// or Crash.
func (h *Host) Process() *Host {
	defer h.lan.lock()()
	return h.machine.newProcess(h.name)
}

// Interfaces implements zre.Network.
func (h *Host) Interfaces() ([]beacon.Interface, error) {
	defer h.lan.lock()()
	list := slices.Clone(h.machine.interfaces)
	for i := range list {
		list[i].Addrs = slices.Clone(list[i].Addrs)
	}
	return list, nil
}

// InterfaceDown takes an interface, such as "eth0", down. Its addresses stay.
func (h *Host) InterfaceDown(name string) {
	h.changeFlags(name, func(f net.Flags) net.Flags { return f &^ (net.FlagUp | net.FlagRunning) })
}

// InterfaceUp brings an interface back up.
func (h *Host) InterfaceUp(name string) {
	h.changeFlags(name, func(f net.Flags) net.Flags { return f | net.FlagUp | net.FlagRunning })
}

func (h *Host) changeFlags(name string, change func(net.Flags) net.Flags) {
	h.lan.t.Helper()
	defer h.lan.lock()()
	i := &h.machine.interfaces[h.machine.interfaceIndex(name)]
	i.Flags = change(i.Flags)
	h.lan.topologyChanged()
}

// SetAddresses replaces the addresses of an interface. With no addresses, the interface keeps only a link-local one with IPv6, and none
// otherwise. Connections from and to the old addresses go silent.
func (h *Host) SetAddresses(name string, addresses ...string) {
	h.lan.t.Helper()
	defer h.lan.lock()()
	i := &h.machine.interfaces[h.machine.interfaceIndex(name)]
	i.Addrs = nil // the same addresses may be set again
	h.machine.setAddresses(i, h.lan.parseAddresses(addresses...))
	h.lan.topologyChanged()
}

// AddInterface adds an interface with these addresses and returns its name.
func (h *Host) AddInterface(addresses ...string) (name string) {
	h.lan.t.Helper()
	defer h.lan.lock()()
	name = h.machine.addInterface(h.lan.parseAddresses(addresses...))
	h.lan.topologyChanged()
	return name
}

// RemoveInterface removes an interface.
func (h *Host) RemoveInterface(name string) {
	h.lan.t.Helper()
	defer h.lan.lock()()
	m := h.machine
	at := m.interfaceIndex(name)
	index := m.interfaces[at].Index
	m.interfaces = slices.Delete(m.interfaces, at, at+1)
	for _, s := range m.sockets {
		s.leaveGroups(index)
	}
	h.lan.topologyChanged()
}

// Freeze stops the process like SIGSTOP, as far as the network can tell. Its calls return nothing of what arrives. That waits in its sockets
// while there is room (1,000 datagrams, 256 KiB per connection, 128 connections), and nothing leaves the process. The process' own timers
// still run, unlike those of a stopped process: after a freeze longer than the expired timeout the node itself has lost its peers.
func (h *Host) Freeze() {
	defer h.lan.lock()()
	h.frozen = true
	h.wakeWaiters()
}

// Thaw ends Freeze.
func (h *Host) Thaw() {
	defer h.lan.lock()()
	h.frozen = false
	h.wakeWaiters()
}

// wakeWaiters makes all waiting calls check again.
func (h *Host) wakeWaiters() {
	for _, c := range h.lan.sortedConns() {
		if c.host == h {
			c.readable.Broadcast()
			c.writable.Broadcast()
		}
	}
	for _, li := range h.machine.listeners {
		li.ready.Broadcast()
	}
	for _, s := range h.machine.sockets {
		if s.host == h {
			s.setFrozen(h.frozen)
		}
	}
}

// Kill ends the process like SIGKILL: it sends no farewell, and the system closes its connections. The node only notices that its sockets
// are closed; close the node at some point. Another process on the machine can start with Process.
func (h *Host) Kill() {
	defer h.lan.lock()()
	h.closeSockets((*conn).closeNotifying, (*conn).abort)
}

// Crash is a power cut: all processes of the machine are gone, and their connections close without a word. Others notice it by timeouts, or
// after Boot when they learn that their connections are unknown.
func (h *Host) Crash() {
	defer h.lan.lock()()
	for _, p := range h.machine.processes {
		p.closeSockets((*conn).closeSilently, (*conn).closeSilently)
	}
	h.machine.off = true
	h.lan.topologyChanged()
}

// Boot starts the machine again after Crash. New processes, made with Process, can use it.
func (h *Host) Boot() {
	defer h.lan.lock()()
	h.machine.off = false
	h.lan.topologyChanged()
}

// closeSockets closes all sockets of the process, and its connections with the given methods.
func (h *Host) closeSockets(closeAccepted, closePending func(*conn)) {
	if h.dead {
		return
	}
	h.dead, h.frozen = true, false
	for _, s := range slices.Clone(h.machine.sockets) {
		if s.host == h {
			s.close()
		}
	}
	for _, li := range h.machine.listeners {
		if li.host == h {
			li.close(closePending)
		}
	}
	for _, c := range h.lan.sortedConns() {
		if c.host == h {
			closeAccepted(c)
		}
	}
}

// ResetConnections breaks all connections of the process at both ends, at once (ECONNRESET).
func (h *Host) ResetConnections() {
	defer h.lan.lock()()
	for _, c := range h.lan.sortedConns() {
		if c.host == h {
			c.fail(errReset)
			c.peer.fail(errReset)
		}
	}
}

// ResetConnectionsTo breaks, at both ends and at once, the connections that the process has dialled to processes of another machine.
// Connections that it accepted from there stay.
func (h *Host) ResetConnectionsTo(other *Host) {
	defer h.lan.lock()()
	for _, c := range h.lan.sortedConns() {
		if c.host == h && c.dialled && c.peer.host.machine == other.machine {
			c.fail(errReset)
			c.peer.fail(errReset)
		}
	}
}
