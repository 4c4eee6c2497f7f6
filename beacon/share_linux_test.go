package beacon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-zre/go-zre/internal/testbed"
)

// A sharer is a socket on the port of these tests, ours or like those of other implementations.
type sharer struct {
	name    string
	options []int // of SOL_SOCKET; nil for one of ours
	groups  bool  // ours is for groups
	joins   bool
	strict  bool // without IP_MULTICAST_ALL
	conn    net.PacketConn
}

// Other implementations, by the options that they set. None is known to set only SO_REUSEPORT; programs of other protocols do.
func neighbours() []*sharer {
	return []*sharer{
		{name: "zyre.js, gyre", options: []int{unix.SO_REUSEADDR}},
		{name: "zyre, pyre", options: []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT}},
		{name: "SO_REUSEPORT alone", options: []int{unix.SO_REUSEPORT}},
	}
}

const sharedPort = 5670

var sharedGroup = netip.MustParseAddr("225.25.25.25") // pyre's

// open opens the socket, and joins the group on an interface of that index if joins is set.
func (s *sharer) open(index int) (err error) {
	switch {
	case s.options == nil && s.groups:
		s.conn, err = rawConn(System.(GroupListener).ListenGroups("udp4", sharedPort))
	case s.options == nil:
		s.conn, err = rawConn(System.ListenPacket("udp4", sharedPort))
	default:
		lc := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) (err error) {
			failed := conn.Control(func(fd uintptr) {
				for _, option := range s.options {
					err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1))
				}
				if s.strict {
					err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0))
				}
			})
			return errors.Join(failed, err)
		}}
		s.conn, err = lc.ListenPacket(context.Background(), "udp4", fmt.Sprint("0.0.0.0:", sharedPort))
	}
	if err == nil && s.joins {
		err = optionsOf("udp4", s.conn).JoinGroup(&net.Interface{Index: index}, &net.UDPAddr{IP: sharedGroup.AsSlice()})
	}
	return err
}

func rawConn(conn PacketConn, err error) (net.PacketConn, error) {
	if err != nil {
		return nil, err
	}
	return conn.(*systemConn).udp, nil
}

// count reads what has come, until nothing comes for a while.
func (s *sharer) count() (n int) {
	b := make([]byte, 100)
	for {
		_ = s.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, _, err := s.conn.ReadFrom(b); err != nil {
			return n
		}
		n++
	}
}

// A sharedWorld is two hosts on one LAN.
type sharedWorld struct {
	here, there *testbed.Host
	index       int // of the interface here
}

func newSharedWorld(t *testing.T) *sharedWorld {
	lan := testbed.NewLAN(t, "")
	w := &sharedWorld{here: lan.Host("here"), there: lan.Host("there")}
	w.here.AwaitCarrier()
	w.there.AwaitCarrier()
	err := w.here.Do(func() error {
		i, err := net.InterfaceByName(w.here.Interface)
		if err == nil {
			w.index = i.Index
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// burst is how many datagrams are sent of each kind.
const burst = 30

// measure opens sockets in turn, and returns how many broadcasts and multicasts from the other host each receives.
func (w *sharedWorld) measure(t *testing.T, sockets ...*sharer) (broadcasts, multicasts []int) {
	t.Helper()
	for _, s := range sockets {
		if err := w.here.Do(func() error { return s.open(w.index) }); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		defer s.conn.Close()
	}
	subnet, _ := w.here.Addr.Prefix(24)
	for _, c := range []struct {
		to     netip.Addr
		counts *[]int
	}{{lastAddr(subnet), &broadcasts}, {sharedGroup, &multicasts}} {
		for n := range burst {
			// From a different port each time, because Linux spreads datagrams over the sockets by their origin.
			err := w.there.Do(func() error {
				from := must(net.ListenPacket("udp4", fmt.Sprintf("%v:0", w.there.Addr)))
				defer from.Close()
				index := must(net.InterfaceByName(w.there.Interface)).Index
				if err := optionsOf("udp4", from).SetMulticastInterface(&net.Interface{Index: index}); err != nil {
					return err
				}
				_, err := from.WriteTo([]byte{byte(n)}, &net.UDPAddr{IP: c.to.AsSlice(), Port: sharedPort})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range sockets {
			*c.counts = append(*c.counts, s.count())
		}
	}
	return broadcasts, multicasts
}

// TestSharing: our socket of classic beacons shares its port with every other implementation, in any order, and each hears everything.
func TestSharing(t *testing.T) {
	t.Parallel()
	w := newSharedWorld(t)
	for _, n := range neighbours() {
		for _, joins := range []bool{false, true} {
			for _, oursFirst := range []bool{true, false} {
				n.joins = joins
				sockets := []*sharer{{name: "ours"}, n, {name: "another of ours"}}
				if !oursFirst {
					sockets[0], sockets[1] = sockets[1], sockets[0]
				}
				broadcasts, multicasts := w.measure(t, sockets...)
				at := slices.Index(sockets, n)
				if min(broadcasts[0], broadcasts[1], broadcasts[2]) != burst || joins && multicasts[at] != burst {
					t.Errorf("%s (joined: %v), ours first %v: of %d broadcasts arrive %v, of as many multicasts %v",
						n.name, joins, oursFirst, burst, broadcasts, multicasts)
				}
			}
		}
	}
}

// TestSharingGroups: of our sockets for groups the one that has joined hears everything, and the others nothing.
func TestSharingGroups(t *testing.T) {
	t.Parallel()
	w := newSharedWorld(t)
	for at := range 3 {
		sockets := make([]*sharer, 3)
		for i := range sockets {
			sockets[i] = &sharer{name: "ours", groups: true, joins: i == at}
		}
		want := []int{0, 0, 0}
		want[at] = burst
		_, multicasts := w.measure(t, sockets...)
		equal(t, fmt.Sprintf("heard where socket %d has joined", at), multicasts, want)
	}
}

// TestSharingAtRandom measures the reason: with SO_REUSEPORT and without IP_MULTICAST_ALL, another socket may get what one has joined. It
// fails on no kernel, because one that does better is welcome.
func TestSharingAtRandom(t *testing.T) {
	t.Parallel()
	w := newSharedWorld(t)
	for _, sharing := range [][]int{{unix.SO_REUSEADDR}, {unix.SO_REUSEPORT}, {unix.SO_REUSEADDR, unix.SO_REUSEPORT}} {
		for _, all := range []bool{true, false} {
			sockets := []*sharer{{joins: true}, {}, {}}
			for _, s := range sockets {
				s.name, s.options, s.strict = "measured", sharing, !all
			}
			_, multicasts := w.measure(t, sockets...)
			t.Logf("options %v, IP_MULTICAST_ALL %v: the socket that joined hears %d of %d, the others %v", sharing, all, multicasts[0], burst, multicasts[1:])
			if !all && len(sharing) == 1 && sharing[0] == unix.SO_REUSEADDR && multicasts[0] != burst {
				t.Errorf("with SO_REUSEADDR alone it hears %d of %d", multicasts[0], burst)
			}
		}
	}
}
