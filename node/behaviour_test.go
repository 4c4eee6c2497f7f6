package node

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

func TestBackoff(t *testing.T) {
	for n := 1; n < 100; n++ {
		if d := backoff(System, n); d < minBackoff/2 || d > maxBackoff {
			t.Errorf("the pause before attempt %d is %v, out of bounds", n, d)
		}
	}
	if d := backoff(System, 50); d < maxBackoff/2 {
		t.Errorf("the pause before attempt 50 is %v, too short", d)
	}
}

// Views show at any time which peers are present and in which groups.
func TestViews(t *testing.T) {
	t.Parallel()
	port := beaconPort()
	n := start(t, onLoopback(port, Config{Name: "n"}))
	for _, name := range []string{"b", "a"} {
		other := start(t, onLoopback(port, Config{Name: name}))
		for _, group := range []string{"G", name} {
			if err := other.Join(group); err != nil {
				t.Fatal(err)
			}
		}
		n.wait("joins of "+name, func(e Event) bool { return e.Kind == Join && e.Group == name })
		if p, ok := n.Peer(other.UUID()); !ok || p.Name != name || p.Endpoint != other.Endpoint() || !slices.Contains(p.Groups, "G") {
			t.Errorf("peer %s: %+v, %v", name, p, ok)
		}
	}
	names := func(peers []*Peer) (list []string) {
		for _, p := range peers {
			list = append(list, p.Name)
		}
		return list
	}
	if got := names(n.Peers()); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("Peers returned %q, want a and b", got)
	}
	if got := names(n.PeersIn("G")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("PeersIn(G) returned %q, want a and b", got)
	}
	if got := names(n.PeersIn("a")); !slices.Equal(got, []string{"a"}) {
		t.Errorf("PeersIn(a) returned %q, want a alone", got)
	}
	if got := n.PeerGroups(); !slices.Equal(got, []string{"G", "a", "b"}) {
		t.Errorf("PeerGroups returned %q, want G, a and b", got)
	}
	if p, ok := n.Peer(uuid.New()); ok {
		t.Errorf("a peer that never came is present: %v", p)
	}
	if n.Name() != "n" {
		t.Errorf("name is %q, want n", n.Name())
	}
}

// JOIN and LEAVE reach connected peers; HELLO brings the groups to later ones.
func TestLeave(t *testing.T) {
	t.Parallel()
	port := beaconPort()
	a, b := start(t, onLoopback(port, Config{})), start(t, onLoopback(port, Config{}))
	a.waitKind(Enter, b.UUID())
	for _, change := range []func(string) error{a.Join, a.Leave, a.Leave, a.Join, a.Join} {
		if err := change("G"); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Join("last"); err != nil {
		t.Fatal(err)
	}
	b.wait("join of last", func(e Event) bool { return e.Kind == Join && e.Group == "last" })
	if got, want := b.eventsOf(a.UUID())[1:], []string{"JOIN(G)", "LEAVE(G)", "JOIN(G)", "JOIN(last)"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	c := start(t, onLoopback(port, Config{}))
	c.waitFor(t, a.UUID(), []string{fmt.Sprintf("ENTER(%s)", a.Name()), "JOIN(G)", "JOIN(last)"})
}

// If another node answers at a peer's port, it does not learn who we are.
func TestWrongNode(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeerWith(t, n, zmtp.Config{Identity: identity(uuid.New())})
	f.datagram(beacon.Beacon{UUID: uuid.New(), Port: f.port(), State: beacon.Unknown}.Append(nil)) // another node's stale beacon
	n.until(t, "the session is dismissed", func() bool { return n.unverified.Failing() == 1 && len(n.sessions) == 0 })
	f.enter()
	if len(f.hellos) != 1 {
		t.Errorf("the peer got %d HELLOs, want 1", len(f.hellos))
	}
}

// HELLO's endpoint is the local address by which the node reaches the peer.
func TestHelloEndpoint(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	hello := <-f.hellos
	if want := fmt.Sprintf("tcp://127.0.0.1:%d", n.port); string(hello.Endpoint) != want {
		t.Errorf("endpoint %q, want %s", hello.Endpoint, want)
	}
	if n.port < firstPort {
		t.Errorf("port %d is not of RFC 36's range", n.port)
	}
}

// If interfaces are chosen, connections to other local addresses are closed before anything is sent.
func TestAllow(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.2:%d", n.port))
	if err != nil {
		t.Skip("this system has 127.0.0.1 alone")
	}
	defer nc.Close()
	nc.SetReadDeadline(time.Now().Add(patience))
	if answer, err := io.ReadAll(nc); len(answer) > 0 {
		t.Errorf("the node sent %q, %v; want nothing", answer, err)
	}
}

// A message without frames arrives as one empty frame, from any sender and by any call, because applications look at the first one.
func TestNoFrames(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	if err := n.Join("G"); err != nil {
		t.Fatal(err)
	}
	f := newFakePeer(t, n)
	f.enter()
	neighbour := start(t, onLoopback(n.cfg.BeaconPort, Config{}))
	neighbour.waitKind(Join, n.UUID())
	for _, test := range []struct {
		name string
		from uuid.UUID
		send func() error
		kind Kind
	}{
		{"WHISPER", f.uuid, func() error { f.send(msg.AppendWhisper(nil, 2)); return nil }, Whisper},
		{"SHOUT", f.uuid, func() error { f.send(must(msg.AppendShout(nil, 3, "G"))); return nil }, Shout},
		{"WHISPER handed over", neighbour.UUID(), func() error { return neighbour.Whisper(t.Context(), n.UUID()) }, Whisper},
		{"SHOUT handed over", neighbour.UUID(), func() error { return neighbour.Shout(t.Context(), "G") }, Shout},
	} {
		if err := test.send(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		e := n.waitKind(test.kind, test.from)
		if len(e.Frames) != 1 || len(e.Frames[0]) != 0 {
			t.Errorf("%s: got frames %q, want one empty frame", test.name, e.Frames)
		}
		memory.Recycle(e.Frames, e.Origin)
	}
}

// There is a bound on what a peer can make the node hold.
func TestLimits(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{Limits: Limits{GroupsPerPeer: 2, Peers: 2}}))
	f := newFakePeer(t, n)
	f.enter()
	for i := range uint16(10) {
		f.send(must(msg.AppendJoin(nil, 2+i, fmt.Sprint("g", i), uint8(2+i))))
	}
	f.send(msg.AppendWhisper(nil, 12), []byte("x"))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "JOIN(g0)", "WHISPER:1f"})

	second, third := newFakePeer(t, n), newFakePeer(t, n)
	second.enter()
	third.send(third.hello(1, nil))
	<-third.conn.Done() // refused
	f.beacon(0)
	n.waitKind(Exit, f.uuid)
	third.conn = nil
	third.enter() // there is room again
}

// After a stall of our own, no peer expires before a fresh grace.
func TestStall(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	n.until(t, "it is connected", func() bool { return n.sessions[f.uuid].state == ready })
	later := time.Now().Add(time.Hour)
	if err := n.do(func() { n.checkTimeouts(later) }); err != nil {
		t.Fatal(err)
	}
	if _, present := n.Peer(f.uuid); !present {
		t.Fatal("the peer expired because of our own stall")
	}
	// Without a stall the same silence ends it.
	if err := n.do(func() {
		for step := n.tick; step <= n.cfg.ExpiredTimeout+2*n.tick; step += n.tick {
			n.checkTimeouts(later.Add(step))
		}
	}); err != nil {
		t.Fatal(err)
	}
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "EVASIVE", "SILENT", "EXIT(expired)"})
}

// A state in a beacon is the peer's state, and its changes are events.
func TestState(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	for _, state := range []beacon.State{beacon.Idle, beacon.Idle, beacon.Processing} {
		f.datagram(beacon.Beacon{UUID: f.uuid, Port: f.port(), State: state}.Append(nil))
	}
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)", "STATE(idle)", "STATE(processing)"})
	if p, _ := n.Peer(f.uuid); p.State != beacon.Processing {
		t.Errorf("state is %v, want processing", p.State)
	}
}

// A call that waits for room ends with the node.
func TestCloseEndsWait(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{Linger: -1, SendTimeout: time.Hour}))
	f := newFakePeer(t, n)
	f.enter()
	f.freeze()
	if err := fill(n.Node, f.uuid, make([]byte, 1<<20)); !errors.Is(err, ErrPeerBusy) {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			err = n.Whisper(t.Context(), f.uuid, make([]byte, 1<<20))
		}
		result <- err
	}()
	if lost := losses(n.Close()); len(lost) != 1 || lost[0].UUID != f.uuid || lost[0].Messages < 60 {
		t.Errorf("Close lost %v, want the messages to the frozen peer alone", lost)
	}
	if err := <-result; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// A peer that hears our farewell hangs up. It must not be called back while the node is closing.
func TestNoSessionWhileClosing(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	if err := n.do(n.stop); err != nil {
		t.Fatal(err)
	}
	f.hangUp()
	n.until(t, "the session ends", func() bool { return len(n.sessions) == 0 })
	late := newFakePeer(t, n)
	late.beacon(late.port())
	late.send(late.hello(1, nil))
	<-late.conn.Done()
	n.Close()
	if len(f.hellos) != 1 || len(late.hellos) != 0 {
		t.Errorf("%d and %d HELLOs, want 1 and 0", len(f.hellos), len(late.hellos))
	}
}
