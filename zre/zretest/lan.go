package zretest

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// A LAN is a simulated network of hosts. Its methods may be called at any time, from any goroutine of the test.
type LAN struct {
	t      testing.TB
	seed   uint64
	ipv6   bool       // has IPv6
	random *rand.Rand // the test's own

	mu           sync.Mutex // guards all fields below, and all machines, hosts, listeners and connections
	rng          *rand.Rand // decides the fate of each datagram and segment
	clock        clock
	machines     []*machine
	processCount uint64 // so far
	link         Link
	links        map[path]Link
	blocked      map[path]bool
	busyUntil    map[path]time.Duration // until when a path of limited bandwidth is busy
	routes       map[route][]target     // cache of where datagrams go, until something changes
	routing      bool                   // a router joins all subnets
	switchedOff  map[netip.Prefix]bool  // wires whose switch is off
	names        map[string][]netip.Addr
	connCount    int                // ends of connections created so far, to number them
	conns        map[*conn]struct{} // both ends of every connection, until both are closed
}

// A path leads from one machine to another.
type path struct{ from, to *machine }

// An Option sets something of a LAN when it is made.
type Option func(*LAN)

// Seed chooses the random decisions of the LAN. The default is 1; the flag -zretest.seed overrides it.
func Seed(seed uint64) Option {
	return func(l *LAN) { l.seed = seed }
}

// IPv6 makes a LAN with both address families. Every Ethernet interface then has a link-local address, as it has by default on any system.
// More addresses can be set.
func IPv6() Option {
	return func(l *LAN) { l.ipv6 = true }
}

// NewLAN makes an IPv4 network without hosts, with a latency of 200 µs and no faults. Call it inside the bubble of testing/synctest, so
// that it uses the bubble's time. If the test fails, its log says how to repeat it with the same seed. When the test ends, sockets that are
// still open fail it.
func NewLAN(t testing.TB, options ...Option) *LAN {
	t.Helper()
	l := &LAN{
		t:           t,
		seed:        1,
		link:        Link{Latency: 200 * time.Microsecond},
		links:       make(map[path]Link),
		blocked:     make(map[path]bool),
		busyUntil:   make(map[path]time.Duration),
		routes:      make(map[route][]target),
		conns:       make(map[*conn]struct{}),
		switchedOff: make(map[netip.Prefix]bool),
		names:       make(map[string][]netip.Addr),
	}
	for _, option := range options {
		option(l)
	}
	if *seedFlag != 0 {
		l.seed = *seedFlag
	}
	l.clock.start = time.Now()
	l.random = rand.New(rand.NewPCG(l.seed, 1))
	l.rng = rand.New(rand.NewPCG(l.seed, 2))
	t.Cleanup(func() {
		l.checkClosed()
		if t.Failed() {
			t.Logf("to repeat this: %s", repeatCommand(t.Name(), l.seed))
		}
	})
	return l
}

// Seed returns the seed of the LAN's decisions.
func (l *LAN) Seed() uint64 { return l.seed }

// Rand returns a source of random numbers for the test's own decisions, which depends on the seed alone: the network draws
// from another. It is not safe for concurrent use.
func (l *LAN) Rand() *rand.Rand { return l.random }

// checkClosed fails the test for every socket that is still open. Nodes that are not closed are the usual reason.
func (l *LAN) checkClosed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.machines {
		for _, s := range m.sockets {
			l.t.Errorf("zretest: %v still has UDP port %d open at the end of the test: close its nodes", s.host, s.port)
		}
		for address, listener := range m.listeners {
			l.t.Errorf("zretest: %v still listens on %s at the end of the test: close its nodes", listener.host, address)
		}
	}
}

// lock takes the lock and returns the function that releases it.
func (l *LAN) lock() (unlock func()) {
	l.mu.Lock()
	return l.mu.Unlock
}

// topologyChanged updates everything that depends on the hosts, addresses and obstacles. The caller holds the lock.
func (l *LAN) topologyChanged() {
	clear(l.routes)
	for _, c := range l.sortedConns() {
		c.checkPath()
	}
}

// sortedConns returns the ends of all connections in the order of their creation, so that each run is deterministic.
func (l *LAN) sortedConns() []*conn {
	return slices.SortedFunc(maps.Keys(l.conns), func(a, b *conn) int { return cmp.Compare(a.order, b.order) })
}

// reaches reports whether what one machine sends from an address arrives at an address of another, or the same, machine.
func (l *LAN) reaches(from *machine, src netip.Addr, to *machine, dst netip.Addr) bool {
	if from.off || to.off {
		return false
	}
	if from == to {
		return !dst.IsValid() || to.hasAddress(dst) && from.hasAddress(src)
	}
	if l.blocked[path{from, to}] {
		return false
	}
	return l.connected(from, src, to, dst)
}

// connected reports whether two machines have these addresses on the same wire, or on two that a router joins. An interface that is down
// has no wire.
func (l *LAN) connected(from *machine, src netip.Addr, to *machine, dst netip.Addr) bool {
	if isLinkLocal(netip.PrefixFrom(src, 64)) && isLinkLocal(netip.PrefixFrom(dst, 64)) {
		i, has := from.interfaceOf(src)
		j, hasToo := to.interfaceOf(dst)
		return has && hasToo && onSameWire(i, j)
	}
	here, there := from.wireOf(src), to.wireOf(dst)
	return here.IsValid() && there.IsValid() && !l.switchedOff[here] && !l.switchedOff[there] && (here == there || l.routing && src.Is4() == dst.Is4())
}

// SetRouting adds or removes a router between all subnets. With it connections reach hosts of other subnets. Broadcasts and multicasts
// still stay on their own subnet, so nodes must be told about each other.
func (l *LAN) SetRouting(on bool) {
	defer l.lock()()
	l.routing = on
	l.topologyChanged()
}

// SetSwitch turns the switch of a subnet, such as "10.1.0.0/24", off or on again. While it is off only traffic within a host gets through,
// and no interface reports it.
func (l *LAN) SetSwitch(subnet string, on bool) {
	l.t.Helper()
	wire, err := netip.ParsePrefix(subnet)
	if err != nil {
		l.t.Fatalf("zretest: subnet %q: %v", subnet, err)
	}
	defer l.lock()()
	l.switchedOff[wire.Masked()] = !on
	l.topologyChanged()
}

// SetHostName maps a host name to these addresses for all hosts, in place of earlier ones. Without addresses the name is unknown.
func (l *LAN) SetHostName(name string, addresses ...string) {
	l.t.Helper()
	defer l.lock()()
	var list []netip.Addr
	for _, text := range addresses {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			l.t.Fatalf("zretest: address of %s: %v", name, err)
		}
		list = append(list, addr)
	}
	l.names[name] = list
}
