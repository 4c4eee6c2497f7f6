package node

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// A given says what is special about the session of a cell. By default nothing is: the peer is foreign, not known from before, and answered
// no PING.
type given uint16

const (
	ours         given = 1 << iota // the peer is a node of this implementation
	beaconed                       // the peer is only known from a beacon
	unnamed                        // it was found at an address, and has not told its UUID
	former                         // it may have us in an older session
	unreached                      // it could not be reached before
	notConnected                   // our connection is not up
	proven                         // it answered a PING
	greetedOften                   // it has had the maximum number of HELLOs
	pinged                         // the second PING that asks whether it knows our HELLO is on its way
	duplexOver                     // the connection was one for both directions
	speaking                       // it sent a message since the time for the state began
	previous                       // the Exit of the previous session is pending
	refused                        // the dial is refused
	wrongPeer                      // the dial leads to another node
	skipped                        // the message does not have the next sequence number
	matched                        // the HELLO says that it answers our last one
	givenCount   = iota
)

var givenNames = [givenCount]string{"ours", "shown by a beacon", "found at an address", "may have us", "not reached before", "not connected",
	"proven", "greeted often", "pinged twice", "duplex", "speaking", "previous exit waits", "refused", "wrong peer", "number skipped", "answers ours"}

func (g given) has(x given) bool { return g&x != 0 }

func (g given) String() string {
	var names []string
	for i, name := range givenNames {
		if g.has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// A tableWorld is a node and one of its sessions, with a peer that the test controls.
type tableWorld struct {
	t       *testing.T
	given   given
	network *cables
	node    *testNode
	session *session // the session of the cell
	peer    *tablePeer
}

// A tablePeer is the peer: a ROUTER that receives the node's messages, and a DEALER.
type tablePeer struct {
	world      *tableWorld
	id         uuid.UUID
	properties map[string]string
	router     *zmtp.Router
	conn       *zmtp.Conn // its connection to the node; nil while there is none
	queue      *zmtp.Queue
	number     uint16 // of its last message

	mu    sync.Mutex
	pings int
	ours  *zmtp.Conn // the node's connection to it, the newest
}

func newTableWorld(t *testing.T, g given) *tableWorld {
	w := &tableWorld{t: t, given: g, network: newCables()}
	w.peer = &tablePeer{world: w, id: uuid.UUID{0xFA, 0xCE}}
	cfg := zmtp.Config{}
	if g.has(ours) {
		w.peer.properties = map[string]string{extensionsProperty: ourExtensions}
		cfg = zmtp.Config{Identity: identity(w.peer.id), Properties: w.peer.properties}
	}
	w.peer.router = zmtp.NewRouter(cfg, func(conn *zmtp.Conn) (zmtp.Receiver, error) {
		w.peer.mu.Lock()
		defer w.peer.mu.Unlock()
		w.peer.ours = conn
		return w.peer, nil
	})
	go w.peer.router.Serve(w.network.mailbox)
	w.node = start(t, Config{ // its timeouts do not matter here
		UUID: uuid.UUID{1}, Name: "node", Network: w.network, EvasiveTimeout: time.Hour, ExpiredTimeout: 2 * time.Hour,
	})
	t.Cleanup(func() { _ = w.peer.router.Close() })
	if g.has(former) {
		w.do(func() { w.node.former.add(w.peer.id) })
	}
	if g.has(unreached) {
		w.do(func() { w.node.unreachable.add(w.peer.id) })
	}
	return w
}

// do runs a function in the control loop, and waits until everything is idle.
func (w *tableWorld) do(f func()) {
	w.t.Helper()
	if err := w.node.do(f); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// happen makes an event happen to the session.
func (w *tableWorld) happen(e event, d detail) { w.do(func() { w.node.handle(w.session, e, d) }) }

// bringInto brings a session into a state.
func (w *tableWorld) bringInto(to state) {
	w.t.Helper()
	w.network.holdDials(to == dialling && !w.given.has(previous) || to == answering || w.given.has(notConnected))
	w.meet()
	if to == confirming && !w.given.has(unreached) {
		w.do(func() { w.node.former.add(w.peer.id) })
	}
	if to > greeting || w.given.has(previous) {
		time.Sleep(10 * time.Millisecond) // fake time: a round trip
		w.peer.hello()
	}
	if w.given.has(proven) || to == awaiting {
		w.peer.send(msg.AppendPingOK)
	}
	switch to {
	case awaiting:
		w.peer.hangUp()
	case draining:
		w.peer.dropOurs()
	case leaving:
		w.farewell()
	}
	w.prepare()
	if w.session.state != to {
		w.t.Fatalf("the session is %v, want %v", w.session.state, to)
	}
	w.network.holdDials(true)
}

// meet begins the session.
func (w *tableWorld) meet() {
	if w.given.has(unnamed) {
		w.meetUnnamed()
		return
	}
	n := w.node
	w.do(func() {
		if w.given.has(beaconed) {
			n.handleSighting(w.peer.beacon(peerAt.Port()))
		} else {
			n.meet(peerClaim{uuid: w.peer.id}, n.newPaths([]netip.AddrPort{peerAt}, true), false)
		}
		w.session = n.sessions[w.peer.id]
	})
}

// meetUnnamed adds the peer's address as a candidate, which is probed first.
func (w *tableWorld) meetUnnamed() {
	hold := w.network.holdDials(true)
	w.do(func() { w.node.seeker.SetSource(configuredSource(paths.Format(peerAt)), []netip.AddrPort{peerAt}) })
	w.network.verdict <- nil
	synctest.Wait()
	w.do(func() { w.session = w.node.unnamed[0] })
	if !hold {
		w.network.verdict <- nil
		synctest.Wait()
	}
	w.network.holdDials(hold)
}

// prepare sets up the other givens.
func (w *tableWorld) prepare() {
	w.do(func() {
		s := w.session
		if w.given.has(greetedOften) {
			s.repeatedHellos = maxRepeatedHellos
		}
		if w.given.has(matched) {
			w.peer.properties = map[string]string{extensionsProperty: ourExtensions, answersProperty: s.helloNumber}
		}
		if w.given.has(pinged) {
			s.unconfirmed = 2
		}
		if w.given.has(duplexOver) {
			s.inbox = nil
		}
		if w.given.has(speaking) {
			s.spoke.Store(true)
		}
		if w.given.has(previous) {
			w.network.holdDials(true)
			w.node.redial(s, detail{})
			w.session = w.node.sessions[w.peer.id]
		}
	})
}

// farewell delivers a beacon that says that the peer leaves.
func (w *tableWorld) farewell() {
	w.do(func() { w.node.handleSighting(w.peer.beacon(0)) })
}

// beacon returns a beacon of the peer; port 0 says that it leaves.
func (p *tablePeer) beacon(port uint16) beacon.Sighting {
	return beacon.Sighting{Beacon: beacon.Beacon{UUID: p.id, Port: port, State: beacon.Unknown}, Addr: peerAt.Addr()}
}

// Receive handles what the node sends.
func (p *tablePeer) Receive(frames [][]byte) error {
	var m msg.Message
	if err := m.Decode(frames, msg.DefaultLimits()); err != nil {
		p.world.t.Errorf("the node sent %x: %v", frames, err)
	}
	if m.ID == msg.Ping {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.pings++
	}
	return nil
}

func (p *tablePeer) Closed(error) {}

// connect makes a connection to the node without a rival: it uses a separate router of the node.
func (p *tablePeer) connect() {
	n, t := p.world.node, p.world.t
	router, door := zmtp.NewRouter(n.zmtp, n.accept), newOutlet()
	go router.Serve(door)
	t.Cleanup(func() { _ = router.Close() })
	its, nodes := newCable(netip.AddrPortFrom(peerAt.Addr(), 40_000), netip.AddrPortFrom(nodeAddr, n.port))
	door.plugs <- nodes
	var err error
	p.queue = zmtp.NewQueue(100, 1<<20)
	cfg := zmtp.Config{Identity: identity(p.id), Properties: p.properties}
	if p.conn, err = zmtp.Open(t.Context(), its, cfg, p.queue, nil, deaf{}); err != nil {
		t.Fatal(err)
	}
}

// hello says HELLO, on the peer's connection or on a new one.
func (p *tablePeer) hello() {
	if p.conn == nil || p.conn.Err() != nil {
		p.connect()
	}
	hello := msg.OutHello{Endpoint: "tcp://" + peerAt.String(), Groups: []string{"G"}, Status: 1, Name: "fake"}
	p.number = 0
	p.send(func(dst []byte, number uint16) []byte {
		header, err := msg.AppendHello(dst, number, &hello, msg.Limits{})
		if err != nil {
			p.world.t.Fatal(err)
		}
		return header
	})
}

// send sends a message with the next number.
func (p *tablePeer) send(encode func(dst []byte, number uint16) []byte) {
	p.world.t.Helper()
	p.number++
	if err := p.queue.Push(encode(nil, p.number)); err != nil {
		p.world.t.Fatal(err)
	}
	synctest.Wait()
}

// hangUp closes the peer's connection.
func (p *tablePeer) hangUp() {
	p.conn.Close(nil)
	p.conn = nil
	synctest.Wait()
}

// dropOurs closes the node's connection to the peer.
func (p *tablePeer) dropOurs() {
	p.mu.Lock()
	ours := p.ours
	p.mu.Unlock()
	ours.Close(nil)
	synctest.Wait()
}
