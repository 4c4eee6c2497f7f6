package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/uuid"
)

// failingNetwork is a network whose mailbox listener fails on request.
type failingNetwork struct {
	Network
	fail chan error // the next result of Accept

	mu        sync.Mutex
	listeners []net.Listener // of the mailbox, one after the other
	refuse    error          // the error of Listen
}

func (f *failingNetwork) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	l, err := f.Network.Listen(ctx, network, address)
	if err != nil || network != "tcp" {
		return l, err
	}
	f.listeners = append(f.listeners, l)
	return failingListener{l, f}, nil
}

func (f *failingNetwork) last() net.Listener {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listeners[len(f.listeners)-1]
}

type failingListener struct {
	net.Listener
	network *failingNetwork
}

func (l failingListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	select {
	case failure := <-l.network.fail:
		if err == nil {
			nc.Close()
		}
		return nil, failure
	default:
		return nc, err
	}
}

func notAccepting(solved bool) func(Event) bool {
	return func(e Event) bool {
		return e.Kind == ProblemChanged && e.Problem.Kind == ProblemNotAccepting && e.Problem.Solved == solved
	}
}

// Whatever error the system returns for one connection, the node accepts the next. It reports the problem until it is over.
func TestAcceptFails(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EPERM, syscall.EPROTO} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			network := &failingNetwork{Network: System, fail: make(chan error, 1)}
			n := start(t, onLoopback(beaconPort(), Config{Network: network}))
			network.fail <- &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
			lost := attackers(t, n.port).connect(1, nil)
			await(t, "the end of the connection that failed", lost.closed)
			p := n.wait("the problem", notAccepting(false)).Problem
			if !errors.Is(p.Err, errno) || !strings.HasSuffix(p.About, ":"+strconv.Itoa(int(n.port))) {
				t.Errorf("the problem is about %q, with the cause %v", p.About, p.Err)
			}
			served(t, n)
			n.wait("the end of the problem", notAccepting(true))
			if left := n.Problems(); len(left) > 0 {
				t.Errorf("problems that are left: %v", left)
			}
		})
	}
}

// A node whose listener is gone listens again: on the same port, or, if that is taken, on another one that its beacons announce.
func TestListenerGone(t *testing.T) {
	for _, isTaken := range []bool{false, true} {
		t.Run(fmt.Sprintf("port taken: %t", isTaken), func(t *testing.T) {
			t.Parallel()
			network := &failingNetwork{Network: System}
			port := beaconPort()
			n := start(t, onLoopback(port, Config{Network: network, Transports: []string{TCP}}))
			other := start(t, onLoopback(port, Config{Transports: []string{TCP}}))
			n.waitKind(Enter, other.UUID())
			other.waitKind(Enter, n.UUID())
			network.mu.Lock()
			network.refuse = errors.New("no listener now")
			network.mu.Unlock()
			network.last().Close()
			n.wait("the problem", notAccepting(false))
			if isTaken {
				l, err := net.Listen("tcp", fmt.Sprintf(":%d", n.port))
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
			}
			network.mu.Lock()
			network.refuse = nil
			network.mu.Unlock()
			n.wait("the end of the problem", notAccepting(true))
			if moved := n.mailboxPort() != n.port; moved != isTaken {
				t.Errorf("the port was %d and is now %d", n.port, n.mailboxPort())
			}
			late := start(t, onLoopback(port, Config{Transports: []string{TCP}}))
			n.waitKind(Enter, late.UUID())
			late.waitKind(Enter, n.UUID())
			if p, ok := late.Peer(n.UUID()); !ok || !strings.HasSuffix(p.Endpoint, fmt.Sprint(":", n.mailboxPort())) {
				t.Errorf("the new peer knows the node at %q", p.Endpoint)
			}
			if got := n.count(Exit, other.UUID()); got > 0 {
				t.Error("the peer that was present exited")
			}
		})
	}
}

// Idle connections, each from its own address, fill all pending handshakes. They keep no other connection out.
func TestFloodOfAddresses(t *testing.T) {
	port := beaconPort()
	n := start(t, onLoopback(port, Config{}))
	old := start(t, onLoopback(port, Config{Transports: []string{TCP}}))
	n.waitKind(Enter, old.UUID())
	var conns []net.Conn
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	dial := func(from net.IP) net.Conn {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: patience}
		nc, err := dialer.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", n.port))
		if err != nil {
			t.Skipf("this system has 127.0.0.1 alone: %v", err)
		}
		conns = append(conns, nc)
		return nc
	}
	for i := range 2 * n.cfg.Limits.Handshakes {
		_, _ = dial(net.IPv4(127, 3, byte(i>>8), byte(i))).Write([]byte{0xff})
	}
	for i := range 20 { // from a host with peers, and from others
		for _, from := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(127, 4, 0, byte(i+1))} {
			nc := dial(from)
			_, _ = nc.Write(append(zmtpGreeting(), zmtpReady(uuid.New())...))
			if _, err := io.ReadFull(nc, make([]byte, 66)); err != nil {
				t.Errorf("a connection from %v is refused: %v", from, err)
			}
		}
	}
	served(t, n)
	b := start(t, onLoopback(port, Config{Name: "b"}))
	n.waitKind(Enter, b.UUID())
	b.waitKind(Enter, n.UUID())
}

// Addresses count as hosts of peers while peers from there are present.
func TestHosts(t *testing.T) {
	n := start(t, onLoopback(beaconPort(), Config{}))
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	if n.hasPeerFrom(from) {
		t.Error("the address counts as a peer's before a peer came")
	}
	a, b := newFakePeer(t, n), newFakePeer(t, n)
	a.enter()
	b.enter()
	if !n.hasPeerFrom(from) || n.hasPeerFrom(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: 1}) || n.hasPeerFrom(&net.UnixAddr{Name: "x"}) {
		t.Error("hasPeerFrom does not match the addresses of the peers")
	}
	for _, f := range []*fakePeer{a, b} {
		if !n.hasPeerFrom(from) {
			t.Error("the address is forgotten while a peer from there is present")
		}
		f.beacon(0)
		f.router.Close()
		f.hangUp()
		n.waitKind(Exit, f.uuid)
	}
	eventually(t, "the address is forgotten when the peers have gone", func() bool { return !n.hasPeerFrom(from) })
}
