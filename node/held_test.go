package node

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/msg"
)

// withDeadEndpoint makes a HELLO name an endpoint that leads nowhere.
func withDeadEndpoint(h *msg.OutHello) { h.Endpoint = "tcp://127.0.0.1:1" }

// startWithPeers starts a node that knows peers only by their endpoints; the peers have no identity.
func startWithPeers(t *testing.T, fakes ...*fakePeer) *testNode {
	t.Helper()
	cfg := onLoopback(beaconPort(), Config{Transports: []string{TCP}})
	for _, f := range fakes {
		cfg.Peers = append(cfg.Peers, f.endpoint())
	}
	n := start(t, cfg)
	for _, f := range fakes {
		f.node = n
		f.expect(msg.Hello)
	}
	return n
}

// want waits for the last of a peer's events, and checks them all.
func (r *testNode) want(id uuid.UUID, events ...string) {
	r.t.Helper()
	last := events[len(events)-1]
	r.wait(last, func(e Event) bool { return e.Peer.UUID == id && describe(e) == last })
	if got := r.eventsOf(id); !slices.Equal(got, events) {
		r.t.Errorf("events %v, want %v", got, events)
	}
}

// reaches checks that the node's messages to a peer arrive in its mailbox, which got one HELLO.
func (f *fakePeer) reaches() {
	f.t.Helper()
	if err := f.node.Whisper(f.t.Context(), f.uuid, []byte("x")); err != nil {
		f.t.Fatal(err)
	}
	f.expect(msg.Whisper)
	if more := len(f.hellos) - 1; more > 0 {
		f.t.Errorf("the peer got %d HELLOs too many", more)
	}
}

// A HELLO that names another endpoint belongs to the peer that answers the PING. Messages before the answer are not lost.
func TestHelloMatchedByPing(t *testing.T) {
	t.Parallel()
	f := newFakePeer(t, nil)
	n := startWithPeers(t, f)
	f.send(f.hello(1, withDeadEndpoint))
	f.send(msg.AppendWhisper(nil, 2), []byte("x"))
	f.expect(msg.Ping)
	f.send(msg.AppendPingOK(nil, 3))
	n.want(f.uuid, "ENTER(fake)", "JOIN(G)", "WHISPER:1f")
	f.reaches()
}

// A late answer of a peer must not count as that of the next peer asked.
func TestLateAnswerIsNotMistaken(t *testing.T) {
	t.Parallel()
	f, mute := newFakePeer(t, nil), newFakePeer(t, nil)
	n := startWithPeers(t, f, mute)
	f.send(f.hello(1, withDeadEndpoint))
	f.expect(msg.Ping) // at once, or after the other one has not answered
	f.send(msg.AppendPingOK(nil, 2))
	n.want(f.uuid, "ENTER(fake)", "JOIN(G)")
	f.reaches()
}

// An unknown peer gets its own session once it is clear that it is not the one that was asked. It sent more than is held.
func TestUnknownPeerBesideCandidate(t *testing.T) {
	t.Parallel()
	f := newFakePeer(t, nil)
	n := startWithPeers(t, f)
	g := newFakePeer(t, n)
	g.send(g.hello(1, nil))
	events := []string{"ENTER(fake)", "JOIN(G)"}
	for i := range maxHeldMessages + 100 {
		g.send(msg.AppendWhisper(nil, uint16(i+2)), []byte("x"))
		events = append(events, "WHISPER:1f")
	}
	g.send(msg.AppendWhisper(nil, maxHeldMessages+102), []byte("x"), []byte("y"))
	n.want(g.uuid, append(events, "WHISPER:2f")...)
	g.expect(msg.Hello)
	g.reaches()
	f.send(f.hello(1, nil)) // names the endpoint where the peer was found
	n.want(f.uuid, "ENTER(fake)", "JOIN(G)")
	f.reaches()
}

// An unknown peer that leaves while its HELLO is held never entered. A HELLO that names the endpoint where its peer was found is not held.
func TestPeerLeavesWhileHeld(t *testing.T) {
	t.Parallel()
	f := newFakePeer(t, nil)
	n := startWithPeers(t, f)
	g, h := newFakePeer(t, n), newFakePeer(t, n)
	g.send(g.hello(1, nil))
	f.expect(msg.Ping)
	g.hangUp()
	h.send(h.hello(1, nil))
	n.want(h.uuid, "ENTER(fake)", "JOIN(G)")
	if events := n.eventsOf(g.uuid); len(events) > 0 {
		t.Errorf("events of the peer that left: %v", events)
	}
	f.send(f.hello(1, nil))
	n.want(f.uuid, "ENTER(fake)", "JOIN(G)")
	f.reaches()
}
