package node

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/msg"
)

// What exceeds a limit is refused, at the cost of its sender: a good peer beside it is served, and the heap stays bounded.
func TestEveryLimit(t *testing.T) {
	for _, test := range []struct {
		name   string
		limits Limits
		heap   int64 // what the attack may add, in bytes
		full   bool  // no other peer can enter meanwhile
		attack func(t *testing.T, n *testNode)
	}{
		{"FrameSize", Limits{FrameSize: 64 << 10}, 4 << 20, false, func(t *testing.T, n *testNode) {
			whispers(t, n, [][]byte{make([]byte, 64<<10)}, [][]byte{make([]byte, 64<<10+1)})
		}},
		{"MessageSize", Limits{MessageSize: 64 << 10}, 4 << 20, false, func(t *testing.T, n *testNode) {
			half := make([]byte, 32<<10)
			whispers(t, n, [][]byte{half, half[6:]}, [][]byte{half, half[5:]}) // 6 bytes of header
		}},
		{"Frames", Limits{Frames: 8}, 4 << 20, false, func(t *testing.T, n *testNode) {
			whispers(t, n, make([][]byte, 7), make([][]byte, 8)) // and the header
		}},
		{"HelloSize", Limits{HelloSize: 1000}, 4 << 20, false, func(t *testing.T, n *testNode) {
			rest := 1000 - len(newFakePeer(t, n).hello(1, withHeader("")))
			hellos(t, n, withHeader(strings.Repeat("x", rest)), withHeader(strings.Repeat("x", rest+1)))
		}},
		{"Headers", Limits{Headers: 4}, 4 << 20, false, func(t *testing.T, n *testNode) {
			hellos(t, n, withHeader(make([]string, 4)...), withHeader(make([]string, 5)...))
		}},
		{"GroupsPerPeer, in HELLO", Limits{GroupsPerPeer: 4}, 4 << 20, false, func(t *testing.T, n *testNode) {
			hellos(t, n, withGroups(4), withGroups(5))
		}},
		{"GroupsPerPeer, by JOIN", Limits{GroupsPerPeer: 4}, 16 << 20, false, joins},
		{"Peers", Limits{Peers: 8}, 8 << 20, true, tooManyPeers},
		{"Unverified", Limits{Unverified: 4}, 8 << 20, false, func(t *testing.T, n *testNode) { unknownBeacons(t, n, 4) }},
		{"UnverifiedPerAddress", Limits{UnverifiedPerAddress: 2}, 8 << 20, false, func(t *testing.T, n *testNode) { unknownBeacons(t, n, 2*8) }},
		{"UnverifiedPerAddress, back-off", Limits{UnverifiedPerAddress: 1}, 8 << 20, false, dialsBackOff},
		{"Handshakes", Limits{Handshakes: 8}, 8 << 20, false, func(t *testing.T, n *testNode) { handshakes(t, n, 8, 2) }},
		{"HandshakesPerAddress", Limits{HandshakesPerAddress: 4}, 8 << 20, false, func(t *testing.T, n *testNode) { handshakes(t, n, 4, 1) }},
		{"QueueMessages", Limits{QueueMessages: 20}, 16 << 20, false, func(t *testing.T, n *testNode) { readsNothing(t, n) }},
		{"QueueBytes", Limits{QueueBytes: 1 << 20}, 16 << 20, false, func(t *testing.T, n *testNode) { readsNothing(t, n) }},
		{"Events", Limits{Events: 10}, heapBound, false, func(t *testing.T, n *testNode) { flood(t, n, []byte("x")) }},
		{"EventBytes", Limits{EventBytes: 64 << 10}, heapBound, false, func(t *testing.T, n *testNode) { flood(t, n, make([]byte, 60<<10)) }},
		{"Requests", Limits{Requests: 8}, 4 << 20, false, answersNoRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := start(t, onLoopback(beaconPort(), Config{Limits: test.limits, SendTimeout: 300 * time.Millisecond, Network: &dials{Network: System}}))
			b := newBystander(t, n)
			before := heap()
			test.attack(t, n)
			if test.full {
				b.servedOld()
			} else {
				b.served()
			}
			if grown := heap() - before; grown > test.heap {
				t.Errorf("the heap grew by %d bytes, want %d at most", grown, test.heap)
			}
		})
	}
}

// answersNoRequest: a peer answers no request. When it is gone, none of them waits any more.
func answersNoRequest(t *testing.T, n *testNode) {
	for range 10 {
		f := newFakePeer(t, n)
		f.send(f.hello(1, nil))
		n.waitKind(Enter, f.uuid)
		var calls []*Call
		for range 8 {
			call, err := n.StartRequest(t.Context(), f.uuid, make([]byte, 1000))
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, call)
		}
		if _, err := n.StartRequest(t.Context(), f.uuid); !errors.Is(err, ErrTooManyRequests) {
			t.Fatalf("one request more: got %v, want ErrTooManyRequests", err)
		}
		f.router.Close()
		f.hangUp()
		for _, call := range calls {
			if _, _, err := call.Result(); !errors.Is(err, ErrPeerGone) {
				t.Errorf("a request to a peer that left: got %v, want ErrPeerGone", err)
			}
		}
	}
}

// whispers checks that a message at the limit arrives, and that one over it ends its connection, again and again.
func whispers(t *testing.T, n *testNode, at, over [][]byte) {
	for range 10 {
		f := newFakePeer(t, n)
		f.send(f.hello(1, nil))
		f.send(append([][]byte{msg.AppendWhisper(nil, 2)}, at...)...)
		f.send(append([][]byte{msg.AppendWhisper(nil, 3)}, over...)...)
		f.send(msg.AppendWhisper(nil, 4), []byte("late"))
		await(t, "the end of the connection", f.conn.Done())
		f.router.Close() // otherwise the node would meet it again
		n.waitKind(Exit, f.uuid)
		if got := n.count(Whisper, f.uuid); got != 1 {
			t.Fatalf("%d messages arrived, want the one at the limit: %q", got, n.eventsOf(f.uuid))
		}
	}
}

// hellos checks that a HELLO at the limit enters, and that one over it does not.
func hellos(t *testing.T, n *testNode, at, over func(*msg.OutHello)) {
	f := newFakePeer(t, n)
	f.send(f.hello(1, at))
	n.waitKind(Enter, f.uuid)
	for range 10 {
		f := newFakePeer(t, n)
		f.send(f.hello(1, over))
		f.send(msg.AppendWhisper(nil, 2), []byte("x"))
		f.send(f.hello(1, nil)) // a discarded message does not count
		n.waitKind(Join, f.uuid)
		if got := n.eventsOf(f.uuid); len(got) != 2 {
			t.Errorf("got events %q, want ENTER and JOIN", got)
		}
	}
}

func withHeader(values ...string) func(*msg.OutHello) {
	return func(h *msg.OutHello) {
		for i, value := range values {
			h.Headers = append(h.Headers, msg.OutHeader{Name: fmt.Sprint(i), Value: value})
		}
	}
}

func withGroups(count int) func(*msg.OutHello) {
	return func(h *msg.OutHello) {
		h.Groups = nil
		for i := range count {
			h.Groups = append(h.Groups, fmt.Sprint("group ", i))
		}
	}
}

// joins: a peer joins ever new groups.
func joins(t *testing.T, n *testNode) {
	f := newFakePeer(t, n)
	f.send(f.hello(1, nil))
	const count = 10_000
	for i := range uint16(count) {
		f.send(must(msg.AppendJoin(nil, 2+i, fmt.Sprint("g", i), uint8(2+i))))
	}
	f.send(msg.AppendWhisper(nil, count+2), []byte("x"))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "JOIN(g0)", "JOIN(g1)", "JOIN(g2)", "WHISPER:1f"})
}

// tooManyPeers: more peers than the limit. Those left out may enter after others leave.
func tooManyPeers(t *testing.T, n *testNode) {
	var peers []*fakePeer
	for range n.cfg.Limits.Peers - 1 { // one place is the good peer's
		f := newFakePeer(t, n)
		f.send(f.hello(1, nil))
		n.waitKind(Join, f.uuid)
		peers = append(peers, f)
	}
	for range 20 {
		f := newFakePeer(t, n)
		f.beacon(f.port())
		f.send(f.hello(1, nil))
		await(t, "the refusal", f.conn.Done())
		if got := n.eventsOf(f.uuid); len(got) > 0 {
			t.Fatalf("a peer beyond the limit has events %q", got)
		}
	}
	peers[0].router.Close()
	peers[0].hangUp()
	n.waitKind(Exit, peers[0].uuid)
	late := newFakePeer(t, n)
	late.send(late.hello(1, nil))
	n.waitKind(Join, late.uuid)
}

// dials counts a node's dials.
type dials struct {
	Network
	count atomic.Int64
}

func (d *dials) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	d.count.Add(1)
	return d.Network.Dial(ctx, network, address)
}

// unknownBeacons: beacons with ever new UUIDs, from eight addresses with eight ports each, where a listener accepts connections and sends nothing.
// At most that many are dialled, until one is given up after 3 s.
func unknownBeacons(t *testing.T, n *testNode, most int) {
	var endpoints []netip.AddrPort
	for i := range byte(64) {
		silent, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:0", i%8+1))
		if err != nil {
			t.Skip("this system has 127.0.0.1 alone")
		}
		t.Cleanup(func() { silent.Close() })
		endpoints = append(endpoints, paths.AddrPortOf(silent.Addr()))
	}
	counted := n.cfg.Network.(*dials)
	began, before := time.Now(), counted.count.Load()
	for range 125 {
		for _, endpoint := range endpoints {
			if err := n.do(func() {
				n.handleSighting(beacon.Sighting{Beacon: beacon.Beacon{UUID: uuid.New(), Port: endpoint.Port(), State: beacon.Unknown}, Addr: endpoint.Addr()})
				if n.unverified.Count() > most {
					t.Errorf("%d unverified peers, want %d at most", n.unverified.Count(), most)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, rounds := counted.count.Load()-before, 1+time.Since(began)/dialTimeout
	if got > int64(most)*int64(rounds) {
		t.Errorf("%d dials in %v, want %d at most", got, time.Since(began), most)
	}
	eventually(t, "as many are dialled as may be", func() bool { return counted.count.Load()-before >= int64(most) })
}

// dialsBackOff: beacons with ever new UUIDs for an endpoint where nothing listens. Each dial waits longer than the one before.
func dialsBackOff(t *testing.T, n *testNode) {
	gone, err := net.Listen("tcp", "127.0.0.1:0") // its port is free after this
	if err != nil {
		t.Fatal(err)
	}
	endpoint := paths.AddrPortOf(gone.Addr())
	gone.Close()
	counted := n.cfg.Network.(*dials)
	began, before := time.Now(), counted.count.Load()
	for time.Since(began) < 400*time.Millisecond {
		n.receiveSighting(beacon.Sighting{Beacon: beacon.Beacon{UUID: uuid.New(), Port: endpoint.Port(), State: beacon.Unknown}, Addr: endpoint.Addr()})
		n.do(func() {})
	}
	got := counted.count.Load() - before
	if most := 4 + bits.Len(uint(time.Since(began)/(minBackoff/2))); got < 2 || got > int64(most) {
		t.Errorf("%d dials in %v, want %d at most", got, time.Since(began), most)
	}
}

// flood: a peer sends faster than the application reads, until the end of the test.
func flood(t *testing.T, n *testNode, content []byte) {
	f := newFakePeer(t, n)
	n.mu.Lock()
	n.skip = func(e Event) bool { return e.Kind == Whisper && e.Peer.UUID == f.uuid }
	n.mu.Unlock()
	f.send(f.hello(1, nil))
	var flooding sync.WaitGroup
	t.Cleanup(flooding.Wait)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	flooding.Go(func() {
		for sequence := uint16(2); ctx.Err() == nil; sequence++ {
			f.queue.Push(msg.AppendWhisper(nil, sequence), content)
			if sequence%32 == 0 {
				f.queue.Flush(ctx)
			}
		}
	})
	eventually(t, "its reader waits for the application", n.Node.events.HasWaiters)
}

// handshakes: silent connections from some addresses take all places and try to take more.
func handshakes(t *testing.T, n *testNode, places, addresses int) {
	a := attackers(t, n.port)
	for i := range 100 {
		a.connect(byte(9+i%addresses), nil)
	}
	eventually(t, "the connections beyond the limit are closed", func() bool { return a.open() == places })
}

// readsNothing: a peer reads nothing. The node keeps a bounded part of the messages to it, and finally drops it.
func readsNothing(t *testing.T, n *testNode) {
	f := newFakePeer(t, n)
	f.enter()
	f.freeze()
	frame := make([]byte, 64<<10)
	var err error
	for err == nil {
		err = n.Whisper(t.Context(), f.uuid, frame)
		if size := f.queued(); size > 20*(64<<10+100) {
			t.Fatalf("%d bytes wait for one peer, want %d at most", size, 20*(64<<10+100))
		}
	}
	if !errors.Is(err, ErrPeerBusy) {
		t.Error(err)
	}
	n.waitKind(Exit, f.uuid)
	if got := n.eventsOf(f.uuid); got[len(got)-1] != "EXIT(not responding)" {
		t.Errorf("got events %q, want EXIT(not responding) last", got)
	}
}

// queued returns how many bytes wait in the node for the peer.
func (f *fakePeer) queued() (octets int64) {
	f.node.Node.mu.RLock()
	defer f.node.Node.mu.RUnlock()
	if p := f.node.Node.present[f.uuid]; p != nil {
		_, octets = p.out.Depth()
	}
	return octets
}

// await waits until a channel is closed.
func await(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("timed out: %s", what)
	}
}
