package zretest_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A silentRouter is a program that has taken the port of a peer and answers no HELLO.
type silentRouter struct {
	hangsUp bool // after the first message; otherwise it listens forever
	conns   atomic.Int32
}

func (m *silentRouter) Receive([][]byte) error {
	if m.hangsUp {
		return errors.New("no")
	}
	return nil
}

func (*silentRouter) Closed(error) {}

// serve accepts connections. It does the ZMTP handshake unless the program does not speak ZMTP.
func (m *silentRouter) serve(t *testing.T, h *zretest.Host, address string, zmtpToo bool) {
	t.Helper()
	l, err := h.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	stop := func() { l.Close() }
	if zmtpToo {
		router := zmtp.NewRouter(zmtp.Config{}, func(*zmtp.Conn) (zmtp.Receiver, error) {
			m.conns.Add(1)
			return m, nil
		})
		serving.Go(func() { router.Serve(l) })
		stop = func() { router.Close() }
	} else {
		serving.Go(func() {
			var accepted []net.Conn
			for {
				c, err := l.Accept()
				if err != nil {
					break
				}
				m.conns.Add(1)
				accepted = append(accepted, c)
			}
			for _, c := range accepted {
				c.Close()
			}
		})
	}
	t.Cleanup(func() { stop(); serving.Wait() })
}

// beacons sends a beacon of the peer's.
func beacons(t *testing.T, h *zretest.Host, _ *zretest.Watched, f *zretest.Foreign) func() {
	at := netip.MustParseAddrPort(strings.TrimPrefix(f.Endpoint(), "tcp://"))
	socket := listen(t, h, 5670)
	datagram := beacon.Beacon{UUID: f.UUID(), Port: at.Port(), State: beacon.Unknown}.Append(nil)
	return func() { socket.sendFrom(t, string(datagram), at.Addr().String(), "10.0.0.255:5670") }
}

// pings sends a PING as the peer, on a connection without a HELLO.
func pings(t *testing.T, h *zretest.Host, a *zretest.Watched, f *zretest.Foreign) func() {
	return func() {
		nc, err := h.Dial(t.Context(), "tcp", strings.TrimPrefix(endpointOf(a), "tcp://"))
		if err != nil {
			t.Error(err)
			return
		}
		id, q := f.UUID(), zmtp.NewQueue(10, 1<<20)
		conn, err := zmtp.Open(t.Context(), nc, zmtp.Config{Identity: append([]byte{1}, id[:]...)}, q, nil, ignore{})
		if err != nil {
			t.Error(err)
			return
		}
		if err := errors.Join(q.Push(msg.AppendPing(nil, 7)), q.Flush(t.Context())); err != nil {
			t.Error(err)
		}
		conn.Close(nil)
	}
}

// A session whose peer never sends HELLO ends when the peer was silent for the expired timeout. Dials that succeed, and later sessions, are
// no sign of life. Beacons and messages are: with them the session stays and waits for HELLO.
func TestPeerThatNeverEnters(t *testing.T) {
	for _, c := range []struct {
		name        string
		zmtp, hangs bool
		sign        func(*testing.T, *zretest.Host, *zretest.Watched, *zretest.Foreign) func() // sign of life, each second
		least, most int32                                                                      // connections between the second and the eleventh minute
	}{
		{"hangs up", true, true, nil, 0, 0},
		{"listens", true, false, nil, 0, 0},
		{"knows no ZMTP", false, false, nil, 0, 0},
		{"hangs up and beacons", true, true, beacons, 50, 200}, // after pauses of up to 5 s
		{"listens and beacons", true, false, beacons, 0, 0},
		{"listens and talks without HELLO", true, false, pings, 10, 20}, // another HELLO after pauses of up to 40 s
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				a := zretest.Start(t, lan.Host("10.0.0.1"))
				host := lan.Host("10.0.0.2")
				f := zretest.NewForeign(t, host, zretest.Zyre)
				zretest.Next[zre.Enter](a)
				advance(time.Minute)
				host.Kill()
				f.Kill()
				m := &silentRouter{hangsUp: c.hangs}
				endpoint := strings.TrimPrefix(f.Endpoint(), "tcp://")
				m.serve(t, host.Process(), endpoint, c.zmtp)
				if c.sign != nil {
					repeatEach(t, c.sign(t, host.Process(), a, f))
				}
				advance(time.Minute)
				first := m.conns.Load()
				if first == 0 {
					t.Error("no node connected")
				}
				advance(10 * time.Minute)
				if got := m.conns.Load() - first; got < c.least || got > c.most {
					t.Errorf("%d more connections, want %d to %d", got, c.least, c.most)
				}
				expectEqual(t, "exits", exitReasons(a), []string{"crashed"})
			})
		})
	}
}
