package node

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/msg"
)

// heapBound is how many bytes an attack of these tests may add to the heap. Each attack sends or announces far more.
const heapBound = 32 << 20

// heap returns the bytes in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the second collection frees what pools held
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// served checks that a good peer enters and is heard during an attack.
func served(t *testing.T, n *testNode) {
	t.Helper()
	good := newFakePeer(t, n)
	good.send(good.hello(1, nil))
	good.send(msg.AppendWhisper(nil, 2), []byte("good"))
	n.waitKind(Whisper, good.uuid)
	good.expect(msg.Hello)
}

// A farewell is a datagram that any host can forge. A peer that still answers has not left.
func TestForgedFarewell(t *testing.T) {
	for _, test := range []struct {
		name   string
		forged beacon.Beacon
	}{
		{"port 0", beacon.Beacon{State: beacon.Unknown}},
		{"state EXIT", beacon.Beacon{Port: 1, State: beacon.Exit}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := start(t, onLoopback(beaconPort(), Config{}))
			f := newFakePeer(t, n)
			f.enter()
			forged := test.forged
			forged.UUID = f.uuid
			sequence := uint16(1)
			for range 3 {
				f.datagram(forged.Append(nil))
				f.expect(msg.Ping)
				sequence++
				f.send(msg.AppendPingOK(nil, sequence))
				n.until(t, "the farewell is forgotten", func() bool { return n.sessions[f.uuid] != nil && n.sessions[f.uuid].state == ready })
			}
			f.send(msg.AppendWhisper(nil, sequence+1), []byte("still here"))
			n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "WHISPER:1f"})
			f.datagram(forged.Append(nil)) // and this one does not answer
			n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "WHISPER:1f", "EXIT(left)"})
		})
	}
}

// until waits until a condition on the control loop's state holds.
func (r *testNode) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for ok := false; !ok; {
		if err := r.do(func() { ok = holds() }); err != nil {
			t.Fatal(err)
		}
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out: %s", what)
		}
	}
}

// Beacons with ever new UUIDs make the node dial a bounded number of times, and keep no good peer out.
func TestBeaconFlood(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0") // its port is free again after this
	if err != nil {
		t.Fatal(err)
	}
	closedPort := uint16(closed.Addr().(*net.TCPAddr).Port)
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and sends nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	silentPort := uint16(silent.Addr().(*net.TCPAddr).Port)

	for _, test := range []struct {
		name string
		port func(i int) uint16
	}{
		{"a closed port", func(int) uint16 { return closedPort }},
		{"a silent port", func(int) uint16 { return silentPort }},
		{"every port", func(i int) uint16 { return uint16(i%60_000 + 1_000) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := start(t, onLoopback(beaconPort(), Config{}))
			before := heap()
			f := newFakePeer(t, n)
			for i := range 20_000 {
				n.receiveSighting(beacon.Sighting{
					Beacon: beacon.Beacon{UUID: uuid.New(), Port: test.port(i), State: beacon.Unknown},
					Addr:   netip.MustParseAddr("127.0.0.1"),
				})
				f.datagram(beacon.Beacon{UUID: uuid.New(), Port: test.port(i), State: beacon.Unknown}.Append(nil))
			}
			served(t, n)
			var peers, unverified, failing int
			n.do(func() { peers, unverified, failing = len(n.sessions), n.unverified.Count(), n.unverified.Failing() })
			if limit := n.cfg.Limits.UnverifiedPerAddress; unverified > limit || peers > limit+1 || failing > paths.MaxFailing {
				t.Errorf("%d sessions, %d unverified, %d failing endpoints: more than the limits", peers, unverified, failing)
			}
			if grown := heap() - before; grown > heapBound {
				t.Errorf("the heap grew by %d bytes, want %d at most", grown, heapBound)
			}
		})
	}
}

// Connections that never finish their handshake are bounded and end. Good peers from other addresses are served meanwhile.
func TestHandshakeFlood(t *testing.T) {
	n := start(t, onLoopback(beaconPort(), Config{}))
	before := heap()
	var conns []net.Conn
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	// One attacker: it only keeps out its own connections.
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	for range 500 {
		nc, err := dialer.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", n.port))
		if err != nil {
			t.Fatal(err)
		}
		nc.Write([]byte{0xFF})
		conns = append(conns, nc)
	}
	served(t, n)
	if grown := heap() - before; grown > heapBound {
		t.Errorf("the heap grew by %d bytes, want %d at most", grown, heapBound)
	}
}

// A hostile HELLO costs its sender the session, and affects no other peer.
func TestHostileHello(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(h *msg.OutHello)
	}{
		{"too many groups", func(h *msg.OutHello) {
			for i := range 1001 {
				h.Groups = append(h.Groups, fmt.Sprint(i))
			}
		}},
		{"too many headers", func(h *msg.OutHello) {
			for i := range 1001 {
				h.Headers = append(h.Headers, msg.OutHeader{Name: fmt.Sprint(i)})
			}
		}},
		{"too large", func(h *msg.OutHello) {
			for i := range 3 {
				h.Headers = append(h.Headers, msg.OutHeader{Name: fmt.Sprint(i), Value: long(100_000)})
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := start(t, onLoopback(beaconPort(), Config{}))
			f := newFakePeer(t, n)
			hello := msg.OutHello{Endpoint: f.endpoint(), Name: "fake"}
			test.spoil(&hello)
			wide := msg.Limits{Hello: 1 << 20, Groups: 2000, Headers: 2000, LongString: 1 << 20}
			f.send(must(msg.AppendHello(nil, 1, &hello, wide)))
			f.send(msg.AppendWhisper(nil, 2), []byte("x"))
			served(t, n)
			if events := n.eventsOf(f.uuid); len(events) > 0 {
				t.Errorf("got events %q, want none", events)
			}
		})
	}
}

// A peer whose sessions break again and again is dialled with growing pauses.
func TestFlapping(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	for round := range 4 {
		f.hangUp()
		f.expect(msg.Hello)
		f.connect()
		f.send(f.hello(1, nil))
		f.expect(msg.Ping)
		f.send(msg.AppendPingOK(nil, 2))
		n.until(t, "the peer is back", func() bool {
			p := n.sessions[f.uuid]
			return p != nil && p.state.isPresent() && p.flaps == round+1
		})
	}
	if events := n.eventsOf(f.uuid); !alternates(events) {
		t.Errorf("got events %q, want ENTER and EXIT in turn", events)
	}
}

// alternates reports whether a peer entered and exited in turn.
func alternates(events []string) bool {
	present := false
	for _, e := range events {
		switch {
		case e == "ENTER(fake)":
			if present {
				return false
			}
			present = true
		case strings.HasPrefix(e, "EXIT"):
			if !present {
				return false
			}
			present = false
		case !present:
			return false
		}
	}
	return true
}
