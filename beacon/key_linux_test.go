package beacon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-zre/go-zre/internal/testbed"
)

// pyreSocket opens a socket as pyre does on Linux: bound to the broadcast address of its subnet.
func pyreSocket(t *testing.T, h *testbed.Host) (conn net.PacketConn) {
	t.Helper()
	share := func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) {
			for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT, unix.SO_BROADCAST} {
				err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1))
			}
		})
		return errors.Join(failed, err)
	}
	err := h.Do(func() (err error) {
		subnet, _ := h.Addr.Prefix(24)
		lc := net.ListenConfig{Control: share}
		conn, err = lc.ListenPacket(context.Background(), "udp4", fmt.Sprintf("%v:%d", lastAddr(subnet), DefaultPort))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestKeyedPair: on another host, and in another process of the same host, everything that a node with a key sends is heard with the key. A
// socket like pyre's on either host receives none of it, but everything that plain nodes send.
func TestKeyedPair(t *testing.T) {
	t.Parallel()
	l := testbed.NewLAN(t, "")
	alice, bob := l.Host("alice"), l.Host("bob")
	alice.LinkLocal()
	bob.LinkLocal()
	pyres := []net.PacketConn{pyreSocket(t, alice), pyreSocket(t, bob)}
	ears := make([]chan Sighting, 2)
	for i, h := range []*testbed.Host{alice, bob} {
		ears[i] = make(chan Sighting, 1000)
		open(t, Config{Network: newRealNetwork(h), Handler: func(s Sighting) { ears[i] <- s }})
	}
	network := newRealNetwork(bob)
	speaker := open(t, Config{Network: network, UUID: testUUID, Key: testKey}) // a separate network, so separate sockets
	speaker.Announce(49152, Idle)
	for i, heard := range ears {
		for _, six := range []bool{false, true} {
			for _, state := range []State{Unknown, Idle} {
				s := await(t, fmt.Sprintf("listener %d: IPv6 %v, %v", i, six, state), heard, func(s Sighting) bool { return s.Addr.Is6() == six && s.State == state })
				if s.UUID != testUUID || s.Key != testKey || s.Local != (i == 1) || !six && s.Addr != bob.Addr {
					t.Errorf("listener %d heard %+v", i, s)
				}
			}
		}
	}
	if f := speaker.Failures(); len(f) > 0 {
		t.Errorf("failures: %v", f)
	}
	speaker.Close()
	for i, heard := range ears {
		await(t, fmt.Sprintf("listener %d: the farewell", i), heard, func(s Sighting) bool { return s.Port == 0 && s.State == Unknown && s.Key == testKey })
	}
	plain := open(t, Config{Network: network})
	plain.Announce(49153, Idle)
	for i, pyre := range pyres {
		b := make([]byte, 100)
		_ = pyre.SetReadDeadline(time.Now().Add(patience))
		n, _, err := pyre.ReadFrom(b)
		if err != nil || !slices.Equal(b[:n], Beacon{UUID: plain.config.UUID, Port: 49153, State: Unknown}.Append(nil)) {
			t.Errorf("pyre's socket %d: first came %x, %v", i, b[:n], err)
		}
	}
}

// TestKeyedLoopback: if there is only lo, nodes with keys hear each other by it.
func TestKeyedLoopback(t *testing.T) {
	t.Parallel()
	heard := make(chan Sighting, 100)
	listener := openOnLo(t, 0, heard)
	speaker := open(t, Config{Port: listener.config.Port, Interfaces: []string{loopback(t).Name}, Key: testKey})
	speaker.Announce(49152, Idle)
	for _, multicast := range []bool{false, true} {
		s := await(t, fmt.Sprint("multicast ", multicast), heard, func(s Sighting) bool { return s.Multicast == multicast })
		if s.Key != testKey || s.Addr.String() != "127.0.0.1" || !s.Local {
			t.Errorf("heard %+v", s)
		}
	}
}
