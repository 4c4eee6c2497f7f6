package beacon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

// A lan is a simulated network, without loss. Interfaces of the same name are on the same link, except lo, which is separate on each host.
// Like the system's network it sends only from an address that the interface has.
type lan struct {
	start time.Time

	mu    sync.Mutex // guards what follows, and all of the hosts and their sockets
	hosts []*host
	log   []sent
}

// A host is a Network.
type host struct {
	lan        *lan
	six        bool // it has IPv6; most tests use only IPv4
	interfaces []Interface
	conns      []*conn
	listenErr  map[int]error // the error of ListenPacket for an IPv4 port
	listenErr6 error         // and for any IPv6 port
	scanErr    error         // the error of Interfaces
	joinErr    error
	room       int           // how many groups a socket can be in; 0 for any number
	readErr    error         // the error of ReadFrom, always
	lateRead   time.Duration // from Close to the end of ReadFrom
	readers    int           // calls of ReadFrom that wait
	scans      int
	opened     int
}

type conn struct {
	host   *host
	six    bool
	port   int
	in     chan packet
	closed chan struct{}
	member map[membership]bool
}

type packet struct {
	b    []byte
	from Origin
}

// sent is a datagram that left a host.
type sent struct {
	at     time.Duration
	host   *host
	port   int // of the socket that sent it
	octets []byte
	to     Destination
}

// The simulated system's errors, in the words of Linux.
var (
	errNoDevice    = errors.New("no such device")
	errUnreachable = errors.New("network is unreachable")
	errBusy        = errors.New("too many open files")
)

func newLAN() *lan { return &lan{start: time.Now()} }

// host adds a host with lo (index 1) and these interfaces (2, 3, …).
func (l *lan) host(interfaces ...Interface) *host {
	h := &host{lan: l, listenErr: make(map[int]error)}
	h.interfaces = append(h.interfaces, iface(1, "lo", net.FlagUp|net.FlagLoopback, "127.0.0.1/8", "::1/128"))
	h.interfaces = append(h.interfaces, interfaces...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hosts = append(l.hosts, h)
	return h
}

const ethernet = net.FlagUp | net.FlagBroadcast | net.FlagMulticast | net.FlagRunning

func iface(index int, name string, flags net.Flags, addrs ...string) Interface {
	i := Interface{Index: index, Name: name, Flags: flags}
	for _, a := range addrs {
		i.Addrs = append(i.Addrs, netip.MustParsePrefix(a))
	}
	return i
}

// eth0 is the usual interface of the tests: index 2, in 10.0.0.0/24.
func eth0(addr string) Interface { return iface(2, "eth0", ethernet, addr) }

// set changes the host's interfaces; memberships of removed indexes are removed too.
func (h *host) set(interfaces ...Interface) {
	h.lan.mu.Lock()
	defer h.lan.mu.Unlock()
	h.interfaces = interfaces
	for _, c := range h.conns {
		for m := range c.member {
			if _, ok := h.byIndex(m.ifIndex); !ok {
				delete(c.member, m)
			}
		}
	}
}

// do changes or reads the host while nothing else does.
func (h *host) do(f func()) {
	h.lan.mu.Lock()
	defer h.lan.mu.Unlock()
	f()
}

func (h *host) byIndex(index int) (Interface, bool) {
	i := slices.IndexFunc(h.interfaces, func(i Interface) bool { return i.Index == index })
	if i < 0 {
		return Interface{}, false
	}
	return h.interfaces[i], true
}

func (h *host) Interfaces() ([]Interface, error) {
	h.lan.mu.Lock()
	defer h.lan.mu.Unlock()
	h.scans++
	return slices.Clone(h.interfaces), h.scanErr
}

func (h *host) ListenPacket(network string, port int) (PacketConn, error) {
	h.lan.mu.Lock()
	defer h.lan.mu.Unlock()
	six := network == "udp6"
	switch {
	case six && h.listenErr6 != nil:
		return nil, h.listenErr6
	case six && !h.six:
		return nil, errors.ErrUnsupported
	case !six && h.listenErr[port] != nil:
		return nil, h.listenErr[port]
	}
	c := &conn{host: h, six: six, port: port, in: make(chan packet, 1000), closed: make(chan struct{}), member: make(map[membership]bool)}
	h.conns = append(h.conns, c)
	h.opened++
	return c, nil
}

func (c *conn) ReadFrom(b []byte) (int, Origin, error) {
	var err error
	c.host.do(func() { err = c.host.readErr; c.host.readers++ })
	defer c.host.do(func() { c.host.readers-- })
	if err != nil {
		return 0, Origin{}, err
	}
	select {
	case p := <-c.in:
		return copy(b, p.b), p.from, nil
	case <-c.closed:
		time.Sleep(c.host.lateRead) // fake time
		return 0, Origin{}, net.ErrClosed
	}
}

func (c *conn) WriteTo(b []byte, to Destination) error {
	l := c.host.lan
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := c.host.byIndex(to.IfIndex)
	switch {
	case !ok:
		return errNoDevice
	case i.Flags&net.FlagUp == 0 || !slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Addr() == to.Src }):
		return errUnreachable
	}
	l.log = append(l.log, sent{time.Since(l.start), c.host, c.port, slices.Clone(b), to})
	for _, h := range l.hosts {
		if h == c.host || i.Name != "lo" {
			h.deliver(i.Name, netip.AddrPortFrom(to.Src, uint16(c.port)), to.Dst, slices.Clone(b))
		}
	}
	return nil
}

// deliver gives a datagram on a link to the sockets of a host that the system would give it to.
func (h *host) deliver(link string, src, dst netip.AddrPort, b []byte) {
	for _, i := range h.interfaces {
		if i.Name != link || i.Flags&net.FlagUp == 0 {
			continue
		}
		for _, c := range h.conns {
			if c.port == int(dst.Port()) && c.six == dst.Addr().Is6() && (c.member[membership{dst.Addr(), i.Index, 0}] || i.isBroadcast(dst.Addr())) {
				c.in <- packet{b, Origin{src, dst.Addr(), i.Index}}
			}
		}
	}
}

func (c *conn) Join(group netip.Addr, index int) error {
	c.host.lan.mu.Lock()
	defer c.host.lan.mu.Unlock()
	if c.host.joinErr != nil {
		return c.host.joinErr
	}
	if h := c.host; h.room > 0 && len(c.member) >= h.room && !c.member[membership{group, index, 0}] {
		return syscall.ENOBUFS
	}
	c.member[membership{group, index, 0}] = true
	return nil
}

func (c *conn) Leave(group netip.Addr, index int) error {
	c.host.lan.mu.Lock()
	defer c.host.lan.mu.Unlock()
	delete(c.member, membership{group, index, 0})
	return nil
}

func (c *conn) Close() error {
	c.host.lan.mu.Lock()
	defer c.host.lan.mu.Unlock()
	c.host.conns = slices.DeleteFunc(c.host.conns, func(o *conn) bool { return o == c })
	close(c.closed)
	return nil
}

// take returns what was sent since the last call.
func (l *lan) take() []sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	log := l.log
	l.log = nil
	return log
}

// String shows everything but the time and the UUID, as in "5670: 22 port 49152 to 10.0.0.255:5670 from 10.0.0.1%2".
func (s sent) String() string {
	b, err := Parse(s.octets)
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("%d: %d port %d", s.port, len(s.octets), b.Port)
	if b.State != Unknown {
		text += " " + b.State.String()
	}
	return fmt.Sprintf("%s to %v from %v%%%d", text, s.to.Dst, s.to.Src, s.to.IfIndex)
}

func texts(log []sent) []string {
	var list []string
	for _, s := range log {
		list = append(list, s.String())
	}
	return list
}

// sightingLog collects sightings.
type sightingLog struct {
	mu  sync.Mutex
	all []Sighting
}

func (e *sightingLog) record(s Sighting) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, s)
}

func (e *sightingLog) take() []Sighting {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.all
	e.all = nil
	return all
}

// syncBuffer collects what is written, from any goroutine.
type syncBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = append(s.b, p...)
	return len(p), nil
}

func (s *syncBuffer) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := string(s.b)
	s.b = nil
	return text
}

// open opens an agent that is closed with the test.
func open(t testing.TB, c Config) *Agent {
	t.Helper()
	if c.UUID == uuid.Nil {
		c.UUID = uuid.New()
	}
	a, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return a
}

// inFakeTime runs a test on a simulated network in fake time.
func inFakeTime(t *testing.T, test func(t *testing.T, l *lan)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newLAN()) })
}

// advance lets fake time pass, and everything that is due happen.
func advance(d time.Duration) {
	time.Sleep(d) // fake: in a synctest bubble this takes no time
	synctest.Wait()
}

func equal[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}
