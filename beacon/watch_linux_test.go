package beacon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-zre/go-zre/internal/testbed"
)

// A scripted reader yields these results and then the end.
type scripted []error

func (s *scripted) Read(b []byte) (int, error) {
	if len(*s) == 0 {
		return 0, os.ErrClosed
	}
	err := (*s)[0]
	*s = (*s)[1:]
	return len(b), err
}

// TestReadMessages: each message is a change, and so are those for which the system had no room.
func TestReadMessages(t *testing.T) {
	calls := 0
	readMessages(&scripted{nil, nil, unix.ENOBUFS, nil, io.ErrUnexpectedEOF, nil}, func() { calls++ })
	if calls != 4 {
		t.Errorf("%d calls, want 4: two, one for the lost, one", calls)
	}
}

// A realNetwork is the network of a host of the testbed, for agents in this process.
type realNetwork struct {
	*testbed.Host
	sent chan Destination // destinations of datagrams that the system took
}

func newRealNetwork(h *testbed.Host) *realNetwork {
	return &realNetwork{h, make(chan Destination, 1000)}
}

func (r *realNetwork) Interfaces() (all []Interface, err error) {
	doErr := r.Do(func() error {
		all, err = System.Interfaces()
		return nil
	})
	if err == nil {
		err = doErr
	}
	return all, err
}

func (r *realNetwork) ListenPacket(network string, port int) (conn PacketConn, err error) {
	err = r.Do(func() error {
		conn, err = System.ListenPacket(network, port)
		return err
	})
	return realConn{conn, r}, err
}

func (r *realNetwork) ListenGroups(network string, port int) (conn PacketConn, err error) {
	err = r.Do(func() error {
		conn, err = System.(GroupListener).ListenGroups(network, port)
		return err
	})
	return realConn{conn, r}, err
}

func (r *realNetwork) Watch(changed func()) (stop func(), err error) {
	err = r.Do(func() error {
		stop, err = System.(Watcher).Watch(changed)
		return err
	})
	return stop, err
}

type realConn struct {
	PacketConn
	resident *realNetwork
}

func (c realConn) WriteTo(b []byte, to Destination) error {
	err := c.PacketConn.WriteTo(b, to)
	if err == nil {
		select {
		case c.resident.sent <- to:
		default:
		}
	}
	return err
}

func (c realConn) Leave(group netip.Addr, index int) error {
	return c.PacketConn.(Leaver).Leave(group, index)
}

func (c realConn) SetTTL(ttl int) error { return c.PacketConn.(TTLSetter).SetTTL(ttl) }

// awaitSource waits for a beacon from that address.
func (r *realNetwork) awaitSource(t *testing.T, src string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case to := <-r.sent:
			if to.Src.String() == src {
				return
			}
		case <-deadline:
			t.Fatalf("no beacon from %s within %v", src, patience)
		}
	}
}

// run runs a program on a host, such as ip.
func run(t *testing.T, h *testbed.Host, args ...string) {
	t.Helper()
	if out, err := h.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// cable makes a pair of interfaces on a host, v0 with an address and its other end.
func cable(t *testing.T, h *testbed.Host, address string) {
	t.Helper()
	run(t, h, "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
	run(t, h, "ip", "addr", "add", address, "broadcast", "+", "dev", "v0")
	run(t, h, "ip", "link", "set", "v0", "up")
	run(t, h, "ip", "link", "set", "v1", "up")
}

// withoutIPv6 keeps a host from having IPv6 addresses, whose changes would be reported too.
func withoutIPv6(t *testing.T, h *testbed.Host) {
	t.Helper()
	err := h.Do(func() error {
		for _, name := range []string{"all", "default"} {
			err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Logf("IPv6 stays on, so its changes may hide that others are not reported: %v", err)
	}
}

// TestNetlink: beacons follow each change on a real network. In this test neither is a beacon due, nor are the interfaces polled, so they
// follow the system's messages.
func TestNetlink(t *testing.T) {
	for _, c := range []struct {
		name    string
		before  func(t *testing.T, h *testbed.Host)
		change  func(t *testing.T, l *testbed.LAN, h *testbed.Host)
		source  string // of the first new beacon; empty: the host's address
		options Config
	}{
		{name: "address replaced",
			change: func(_ *testing.T, l *testbed.LAN, h *testbed.Host) { h.Readdress(l.Address()) }},
		{name: "address added",
			change: func(_ *testing.T, _ *testbed.LAN, h *testbed.Host) {
				h.AddAddress(netip.MustParsePrefix("10.99.0.1/24"))
			},
			source: "10.99.0.1"},
		{name: "address removed, so lo",
			change: func(t *testing.T, _ *testbed.LAN, h *testbed.Host) {
				run(t, h, "ip", "addr", "flush", "dev", h.Interface)
			},
			source: "127.0.0.1"},
		{name: "link down, so lo",
			change: func(_ *testing.T, _ *testbed.LAN, h *testbed.Host) { h.Link(false) },
			source: "127.0.0.1"},
		{name: "link up",
			before: func(_ *testing.T, h *testbed.Host) { h.Link(false) },
			change: func(_ *testing.T, _ *testbed.LAN, h *testbed.Host) { h.Link(true) }},
		{name: "cable plugged in",
			before: func(_ *testing.T, h *testbed.Host) { h.Cable(false) },
			change: func(_ *testing.T, _ *testbed.LAN, h *testbed.Host) { h.Cable(true) }},
		{name: "new interface",
			change: func(t *testing.T, _ *testbed.LAN, h *testbed.Host) { cable(t, h, "10.98.0.1/24") },
			source: "10.98.0.1"},
		{name: "new interface for a glob",
			change:  func(t *testing.T, _ *testbed.LAN, h *testbed.Host) { cable(t, h, "10.98.0.1/24") },
			source:  "10.98.0.1",
			options: Config{Interfaces: []string{"v?"}}},
		{name: "interface deleted and made again",
			before: func(t *testing.T, h *testbed.Host) { cable(t, h, "10.98.0.1/24") },
			change: func(t *testing.T, _ *testbed.LAN, h *testbed.Host) {
				run(t, h, "ip", "link", "del", "v0")
				cable(t, h, "10.98.0.1/24")
			},
			source: "10.98.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := testbed.NewLAN(t, "")
			h := l.Host("alice")
			withoutIPv6(t, h)
			if c.before != nil {
				c.before(t, h)
			}
			r := newRealNetwork(h)
			c.options.Network, c.options.Interval, c.options.poll = r, time.Hour, time.Hour
			a := open(t, c.options)
			a.Announce(49152, Idle)
			awaitSent(t, a, r)
			c.change(t, l, h)
			start := time.Now()
			if c.source == "" {
				c.source = h.Addr.String()
			}
			r.awaitSource(t, c.source)
			t.Logf("beacons followed within %v", time.Since(start).Round(time.Millisecond))
		})
	}
}

// awaitSent waits until an agent has sent a newcomer's beacons, and none of them is left in sent.
func awaitSent(t *testing.T, a *Agent, r *realNetwork) {
	t.Helper()
	v := a.view.Load()
	for range 3 * (len(v.classic) + len(v.state)) {
		select {
		case <-r.sent:
		case <-time.After(patience):
			t.Fatal("the agent sends no beacons")
		}
	}
}

// connect makes a cable between two hosts, with an interface v0 of that address at each end.
func connect(t *testing.T, one *testbed.Host, address string, two *testbed.Host, peer string) {
	t.Helper()
	there := two.Command("sleep", "100") // lends its namespace
	if err := there.Start(); err != nil {
		t.Fatal(err)
	}
	defer there.Wait()
	defer there.Process.Kill()
	for !sameNamespace(t, there.Process.Pid, two) { // ip, which becomes it, has not got there yet
		runtime.Gosched()
	}
	run(t, one, "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", strconv.Itoa(there.Process.Pid))
	for h, a := range map[*testbed.Host]string{one: address, two: peer} {
		args := []string{"ip", "addr", "add", a, "dev", "v0"}
		if netip.MustParsePrefix(a).Addr().Is4() {
			args = append(args, "broadcast", "+")
		}
		run(t, h, args...)
		run(t, h, "ip", "link", "set", "v0", "up")
	}
}

// sameNamespace tells whether a process is on a host.
func sameNamespace(t *testing.T, pid int, h *testbed.Host) bool {
	t.Helper()
	process, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	var host string
	doErr := h.Do(func() (err error) {
		host, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	})
	if err = errors.Join(err, doErr); err != nil {
		t.Fatal(err)
	}
	return process == host
}

// TestNetlinkHeardAgain: a node on a recreated interface is heard there, also by multicast.
func TestNetlinkHeardAgain(t *testing.T) {
	l := testbed.NewLAN(t, "")
	alice, bob := l.Host("alice"), l.Host("bob")
	const a, b = "10.98.0.1/24", "10.98.0.2/24"
	connect(t, alice, a, bob, b)
	heard := make(chan Sighting, 1000)
	open(t, Config{Network: newRealNetwork(alice), poll: time.Hour, Interfaces: []string{"v0"}, Handler: func(s Sighting) { heard <- s }})
	open(t, Config{Network: newRealNetwork(bob), poll: time.Hour, Interfaces: []string{"v0"}}).Announce(49152, Idle)
	fromBob := func(s Sighting) bool { return s.Multicast && s.Addr.String() == "10.98.0.2" && s.Interface == "v0" }
	before := await(t, "bob", heard, fromBob)
	run(t, alice, "ip", "link", "del", "v0")
	connect(t, alice, a, bob, b)
	await(t, "bob by the new cable", heard, func(s Sighting) bool { return fromBob(s) && s.IfIndex != before.IfIndex })
}

// TestNetlinkEnds: stop waits for a call under way, and none comes after it.
func TestNetlinkEnds(t *testing.T) {
	h := testbed.NewLAN(t, "").Host("alice")
	calling, stopping := make(chan struct{}, 1), make(chan struct{})
	var late, running atomic.Bool
	stop, err := newRealNetwork(h).Watch(func() {
		if late.Load() {
			t.Error("changed was called after stop")
		}
		running.Store(true)
		signal(calling)
		<-stopping
		for range 1000 { // a call that takes a while
			runtime.Gosched()
		}
		running.Store(false)
	})
	if err != nil {
		t.Fatal(err)
	}
	h.AddAddress(netip.MustParsePrefix("10.99.0.1/24"))
	select {
	case <-calling:
	case <-time.After(patience):
		t.Fatal("no change was reported")
	}
	close(stopping)
	stop()
	if running.Load() {
		t.Error("a call of changed runs after stop has returned")
	}
	late.Store(true)
	h.AddAddress(netip.MustParsePrefix("10.99.1.1/24"))
}

// TestBareBridge: the nodes of a host also find each other if its only interface is a bridge with nothing on it, which has no carrier: that
// of a container engine on a machine without a network.
func TestBareBridge(t *testing.T) {
	h := testbed.NewLAN(t, "").Host("alice")
	h.Link(false)
	run(t, h, "ip", "link", "add", "docker0", "type", "bridge")
	run(t, h, "ip", "addr", "add", "172.17.0.1/16", "broadcast", "+", "dev", "docker0")
	run(t, h, "ip", "link", "set", "docker0", "up")
	r := newRealNetwork(h)
	heard := make(chan Sighting, 1000)
	open(t, Config{Network: r, Handler: func(s Sighting) { heard <- s }})
	open(t, Config{Network: r}).Announce(49152, Idle)
	for _, multicast := range []bool{false, true} {
		await(t, fmt.Sprint("multicast ", multicast), heard, func(s Sighting) bool {
			return s.Multicast == multicast && s.Interface == "docker0" && s.Addr.String() == "172.17.0.1"
		})
	}
}

// until waits for something that follows changes of the interfaces.
func until(t *testing.T, r *realNetwork, what string, happens func() bool) {
	t.Helper()
	news := make(chan struct{}, 1)
	stop, err := r.Watch(func() { signal(news) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for deadline := time.After(patience); !happens(); {
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
