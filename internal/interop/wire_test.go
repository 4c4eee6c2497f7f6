//go:build linux

package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/internal/testbed"
)

// Where beacons go: classic ones by broadcast, or to all nodes of a link, those with a state octet by multicast on another port.
const (
	classicPort = 5670
	statePort   = 15670
)

var (
	stateGroup = net.IPv4(239, 255, 90, 82)
	groups6    = []net.IP{net.IPv6linklocalallnodes, net.ParseIP("ff12::5a:5245")}
)

// wire listens on a port of a host that has no node: it hears what goes to all hosts.
type wire struct {
	conn   net.PacketConn
	length int                // length of a beacon there: 22, 23, or 32 more for a CURVE key
	heard  map[string]*beacon // by UUID, in hexadecimal
}

// beacon is what was heard from one node.
type beacon struct {
	count int
	left  bool // with the last one
}

func listen(t *testing.T, host *testbed.Host, network string, port, length int) *wire {
	t.Helper()
	w := &wire{length: length, heard: map[string]*beacon{}}
	err := host.Do(func() (err error) {
		if w.conn, err = net.ListenPacket(network, fmt.Sprint(":", port)); err != nil {
			return err
		}
		card, err := net.InterfaceByName(host.Interface)
		if err != nil {
			return err
		}
		if network == "udp4" {
			return ipv4.NewPacketConn(w.conn).JoinGroup(card, &net.UDPAddr{IP: stateGroup})
		}
		for _, group := range groups6 {
			err = errors.Join(err, ipv6.NewPacketConn(w.conn).JoinGroup(card, &net.UDPAddr{IP: group}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.conn.Close() })
	return w
}

// until reads datagrams until enough is heard, and fails the test for each that is not a beacon of the right size.
func (w *wire) until(t *testing.T, what string, enough func() bool) {
	t.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(testbed.Patience))
	for buffer := make([]byte, 1<<16); !enough(); {
		n, source, err := w.conn.ReadFrom(buffer)
		if err != nil {
			t.Fatalf("%v did not hear %s: %v; heard %v", w.conn.LocalAddr(), what, err, w)
		}
		w.hear(t, buffer[:n], source)
	}
}

// rest reads what has arrived already.
func (w *wire) rest(t *testing.T) {
	t.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	for buffer := make([]byte, 1<<16); ; {
		n, source, err := w.conn.ReadFrom(buffer)
		if err != nil {
			if !os.IsTimeout(err) {
				t.Error(err)
			}
			return
		}
		w.hear(t, buffer[:n], source)
	}
}

// hear notes a datagram.
func (w *wire) hear(t *testing.T, datagram []byte, source net.Addr) {
	t.Helper()
	version := byte(1)
	if w.length > 23 {
		version = 3
	}
	if !bytes.HasPrefix(datagram, []byte{'Z', 'R', 'E', version}) || len(datagram) != w.length {
		t.Errorf("%v got %d bytes from %v: %x; want beacons of %d", w.conn.LocalAddr(), len(datagram), source, datagram, w.length)
		return
	}
	id := fmt.Sprintf("%x", datagram[4:20])
	if w.heard[id] == nil {
		w.heard[id] = &beacon{}
	}
	w.heard[id].count++
	w.heard[id].left = datagram[20] == 0 && datagram[21] == 0
}

// all tells whether something is true of each node's beacons.
func (w *wire) all(nodes []*testbed.Peer, is func(b *beacon) bool) bool {
	for _, p := range nodes {
		b := w.heard[strings.ReplaceAll(p.UUID, "-", "")]
		if b == nil || !is(b) {
			return false
		}
	}
	return true
}

func (w *wire) String() string {
	var s strings.Builder
	for id, b := range w.heard {
		fmt.Fprintf(&s, "%s: %+v; ", id, *b)
	}
	return s.String()
}

// The lives of several nodes of ours, heard by a stranger. On the port of classic beacons there must never be anything else: other
// implementations crash on it.
func TestBeaconsOnTheWire(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		beaconsOnTheWire(t, testbed.NewLAN(t, ""), 22, 23, func(string) []string { return nil })
	})
	t.Run("with CURVE", func(t *testing.T) {
		t.Parallel()
		k, lan := newKeyring(t), testbed.NewLAN(t, "")
		needsCurve(t, lan.Host("tool"))
		beaconsOnTheWire(t, lan, 54, 55, func(name string) []string { return []string{"--cert", k.path(name) + cert.SecretSuffix} })
	})
}

func beaconsOnTheWire(t *testing.T, lan *testbed.LAN, classic, state int, args func(name string) []string) {
	stranger := lan.Host("stranger")
	stranger.LinkLocal() // or the kernel has no IPv6
	var wires []*wire
	for _, network := range []string{"udp4", "udp6"} {
		wires = append(wires, listen(t, stranger, network, classicPort, classic), listen(t, stranger, network, statePort, state))
	}

	host := lan.Host("a")
	var nodes []*testbed.Peer
	for i, where := range []*testbed.Host{host, host, lan.Host("b")} {
		o := options(fmt.Sprint("node", i))
		o.Interval, o.Args = 100*time.Millisecond, args(o.Name)
		nodes = append(nodes, testbed.Start(t, where, testbed.Zre, o))
	}
	for _, p := range nodes {
		for _, q := range nodes {
			if p != q {
				expectKnown(t, p, q)
			}
		}
	}
	for _, w := range wires {
		w.until(t, "twenty beacons of each", func() bool {
			return w.all(nodes, func(b *beacon) bool { return b.count >= 20 })
		})
	}
	for _, p := range nodes {
		p.Quit(t)
	}
	for _, w := range wires {
		w.until(t, "the farewell of each", func() bool {
			return w.all(nodes, func(b *beacon) bool { return b.left })
		})
		w.rest(t) // also after the farewells
		if len(w.heard) != len(nodes) || !w.all(nodes, func(b *beacon) bool { return b.left }) {
			t.Errorf("%v heard at the end: %v", w.conn.LocalAddr(), w)
		}
	}
}
