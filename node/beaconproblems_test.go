package node

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/beacon"
)

// An unready network lacks what tests choose: it is a network of cables whose system refuses some calls.
type unready struct {
	*cables

	mu       sync.Mutex
	list     error         // the error of Interfaces
	listen   map[int]error // the error of ListenPacket, by port
	write    error         // the error of sending
	nowhere  bool          // there is no interface
	listened int
}

func (u *unready) Interfaces() ([]beacon.Interface, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.nowhere {
		return nil, u.list
	}
	all, _ := u.cables.Interfaces()
	return all, u.list
}

func (u *unready) ListenPacket(network string, port int) (beacon.PacketConn, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.listened++
	if err := u.listen[port]; err != nil {
		return nil, err
	}
	conn, err := u.cables.ListenPacket(network, port)
	return &refusingConn{conn, u}, err
}

type refusingConn struct {
	beacon.PacketConn
	network *unready
}

func (c *refusingConn) WriteTo([]byte, beacon.Destination) error {
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	return c.network.write
}

func (u *unready) set(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change()
}

// problemEvents counts the events about problems.
func (r *testNode) problemEvents() (times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == ProblemChanged {
			times++
		}
	}
	return times
}

// TestStartsBeforeItsNetwork: a node starts without resources that may appear later, and reports what is missing until it is there.
func TestStartsBeforeItsNetwork(t *testing.T) {
	refused := errors.Join(syscall.EADDRINUSE) // wrapped like the system's
	for _, c := range []struct {
		name  string
		cfg   Config
		lacks func(u *unready)
		kind  ProblemKind
		about string
		is    error
	}{
		{"an interface", Config{Interfaces: []string{"lan"}}, func(u *unready) { u.nowhere = true }, ProblemInterfaceMissing, "lan", beacon.ErrMissing},
		{"an address", Config{Interfaces: []string{nodeAddr.String()}}, func(u *unready) { u.nowhere = true }, ProblemInterfaceMissing, nodeAddr.String(), beacon.ErrMissing},
		{"the list of interfaces", Config{}, func(u *unready) { u.list = syscall.EAFNOSUPPORT }, ProblemInterfacesUnknown, "", syscall.EAFNOSUPPORT},
		{"a port", Config{}, func(u *unready) { u.listen = map[int]error{5670: refused} }, ProblemBeaconPort, "UDP port 5670", syscall.EADDRINUSE},
		{"permission to send", Config{}, func(u *unready) { u.write = syscall.EPERM }, ProblemBeacons, "lan", syscall.EPERM},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &unready{cables: newCables()}
				c.lacks(u)
				c.cfg.Network = u
				n := start(t, c.cfg)
				time.Sleep(100 * time.Millisecond) // fake time
				problems := n.Problems()
				if len(problems) != 1 || problems[0].Kind != c.kind || problems[0].About != c.about || !errors.Is(problems[0].Err, c.is) {
					t.Fatalf("got problems %v, want one of kind %v about %q", problems, c.kind, c.about)
				}
				var failure *beacon.Failure
				if !errors.As(problems[0].Err, &failure) {
					t.Errorf("got %T, want a beacon.Failure", problems[0].Err)
				}
				time.Sleep(time.Minute) // fake time
				if events := n.problemEvents(); events != 1 {
					t.Errorf("%d events in a minute, want 1", events)
				}
				u.set(func() { u.nowhere, u.list, u.write, u.listen = false, nil, nil, nil })
				time.Sleep(2 * time.Second) // fake time
				if problems := n.Problems(); len(problems) > 0 || n.problemEvents() != 2 {
					t.Errorf("after what was missing appeared: problems %v, %d events", problems, n.problemEvents())
				}
			})
		})
	}
}

// TestCloseBeforeItsNetwork: a node that waits for its network closes at once.
func TestCloseBeforeItsNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &unready{cables: newCables(), nowhere: true, listen: map[int]error{5670: syscall.EADDRINUSE, 15670: syscall.EACCES}}
		expectClosesAtOnce(t, Config{Network: u, Interfaces: []string{"lan"}})
	})
}

// expectClosesAtOnce starts a node and closes it; nothing may hold that up.
func expectClosesAtOnce(t *testing.T, cfg Config) {
	t.Helper()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := n.Close(); err != nil || time.Since(began) > 0 {
		t.Errorf("Close took %[2]v and returned %[1]v", err, time.Since(began))
	}
}

// TestNoBeacons: a node without beacons opens no UDP port, and needs none.
func TestNoBeacons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &unready{cables: newCables(), listen: map[int]error{5670: net.ErrClosed, 15670: net.ErrClosed}}
		n := start(t, Config{Network: u, NoBeacons: true})
		time.Sleep(time.Minute) // fake time
		u.set(func() {
			if u.listened > 0 {
				t.Errorf("%d UDP ports were opened, want none", u.listened)
			}
		})
		if problems := n.Problems(); len(problems) > 0 {
			t.Errorf("problems: %v", problems)
		}
		if at, err := parseEndpoint(n.Endpoint()); err != nil || at.Addr() != nodeAddr || at.Addr() == (netip.Addr{}) {
			t.Errorf("the endpoint is %s, want one at %v", n.Endpoint(), nodeAddr)
		}
	})
}
