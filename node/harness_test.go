package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// patience bounds every wait of a test; none should come near it.
const patience = 20 * time.Second

// beaconPort returns a UDP port for one test's nodes. Neither it nor the port 10,000 above is in the range that systems assign. All tests stay
// on loopback.
func beaconPort() int { return 12_000 + rand.IntN(10_000) }

// onLoopback completes a configuration for nodes that see each other on loopback only.
func onLoopback(port int, cfg Config) Config {
	cfg.Interfaces = []string{"127.0.0.1"}
	cfg.BeaconPort = port
	return cfg
}

// testNode is a started node whose events are recorded.
type testNode struct {
	*Node
	t testing.TB

	taking sync.WaitGroup

	mu     sync.Mutex
	events []Event
	news   chan struct{}    // closed at the next event
	skip   func(Event) bool // says which events not to record; nil to record all
}

// start starts a node, and closes it at the end of the test.
func start(t testing.TB, cfg Config) *testNode {
	t.Helper()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return record(t, n)
}

func record(t testing.TB, n *Node) *testNode {
	t.Helper()
	r := startDeaf(t, n)
	r.listen()
	return r
}

// startDeaf starts a node whose events are not taken until listen.
func startDeaf(t testing.TB, n *Node) *testNode {
	t.Helper()
	r := &testNode{Node: n, t: t, news: make(chan struct{})}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil && len(losses(err)) == 0 {
			t.Errorf("close: %v", err)
		}
		r.taking.Wait()
	})
	return r
}

// listen begins to take events.
func (r *testNode) listen() {
	r.taking.Go(func() {
		var batch []Event
		for ok := true; ok; {
			if batch, ok = r.Take(batch, nil); ok {
				r.mu.Lock()
				for _, e := range batch {
					if r.skip == nil || !r.skip(e) {
						r.events = append(r.events, e)
					}
				}
				close(r.news)
				r.news = make(chan struct{})
				r.mu.Unlock()
			}
		}
	})
}

// wait waits for the first event that matches, and returns it.
func (r *testNode) wait(what string, match func(Event) bool) Event {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		if i := slices.IndexFunc(r.events, match); i >= 0 {
			defer r.mu.Unlock()
			return r.events[i]
		}
		news := r.news
		r.mu.Unlock()
		select {
		case <-news:
		case <-deadline:
			r.t.Fatalf("%s: no %s; events: %s", r.Name(), what, r.log())
		}
	}
}

func (r *testNode) waitKind(kind Kind, id uuid.UUID) Event {
	r.t.Helper()
	return r.wait(fmt.Sprintf("event %d of %v", kind, id), func(e Event) bool { return e.Kind == kind && e.Peer.UUID == id })
}

// eventsOf returns the events of one peer in words.
func (r *testNode) eventsOf(id uuid.UUID) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, e := range r.events {
		if e.Peer.UUID == id {
			list = append(list, describe(e))
		}
	}
	return list
}

func (r *testNode) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, e := range r.events {
		list = append(list, describe(e))
	}
	return strings.Join(list, ", ")
}

// describe formats an event: ENTER(name), WHISPER:2f, EXIT(reason).
func describe(e Event) string {
	switch e.Kind {
	case Enter:
		return fmt.Sprintf("ENTER(%s)", e.Peer.Name)
	case Exit:
		return fmt.Sprintf("EXIT(%s)", e.Reason)
	case Join:
		return fmt.Sprintf("JOIN(%s)", e.Group)
	case Leave:
		return fmt.Sprintf("LEAVE(%s)", e.Group)
	case Whisper:
		return fmt.Sprintf("WHISPER:%df", len(e.Frames))
	case Shout:
		return fmt.Sprintf("SHOUT(%s):%df", e.Group, len(e.Frames))
	case State:
		return fmt.Sprintf("STATE(%v)", e.State)
	case HeadersChanged:
		return fmt.Sprintf("HEADERS(%v)", e.Peer.Headers)
	case Leader:
		return fmt.Sprintf("LEADER(%s)", e.Group)
	case Evasive:
		return "EVASIVE"
	case Silent:
		return "SILENT"
	case ProblemChanged:
		if e.Problem.Solved {
			return fmt.Sprintf("SOLVED(%v %s)", e.Problem.Kind, e.Problem.About)
		}
		return fmt.Sprintf("PROBLEM(%v %s)", e.Problem.Kind, e.Problem.About)
	}
	return "?"
}

// fakePeer plays a peer byte by byte: it sends beacons, has a mailbox, and connects to a node's mailbox on request.
type fakePeer struct {
	t          testing.TB
	node       *testNode
	uuid       uuid.UUID
	identity   []byte
	properties map[string]string // of its DEALER's READY
	mailbox    net.Listener
	udp        *net.UDPConn
	router     *zmtp.Router
	got        chan msg.ID // what the node sends to the mailbox
	hellos     chan msg.HelloFields
	queue      *zmtp.Queue
	conn       *zmtp.Conn
	mailboxed  atomic.Pointer[zmtp.Conn] // the node's last connection to the mailbox
	beaconed   []byte                    // the last beacon
	frozen     atomic.Bool
	listen     atomic.Pointer[func(*msg.Message)] // called with each message
	done       chan struct{}
}

func newFakePeer(t testing.TB, node *testNode) *fakePeer {
	t.Helper()
	return newFakePeerWith(t, node, zmtp.Config{}) // like libzmq: a ROUTER without identity
}

func newFakePeerWith(t testing.TB, node *testNode, cfg zmtp.Config) *fakePeer {
	t.Helper()
	f := &fakePeer{
		t: t, node: node, uuid: fakeUUID(cfg),
		got:    make(chan msg.ID, 10_000),
		hellos: make(chan msg.HelloFields, 10),
		done:   make(chan struct{}),
	}
	f.identity = identity(f.uuid)
	var err error
	if f.mailbox, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	f.router = zmtp.NewRouter(cfg, func(conn *zmtp.Conn) (zmtp.Receiver, error) {
		f.mailboxed.Store(conn)
		return f, nil
	})
	go f.router.Serve(f.mailbox)
	if f.udp, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	allowBroadcast(t, f.udp)
	t.Cleanup(func() {
		close(f.done)
		f.hangUp()
		f.router.Close()
		f.udp.Close()
	})
	return f
}

// fakeUUID returns the UUID of the ROUTER's identity, if it has one.
func fakeUUID(cfg zmtp.Config) uuid.UUID {
	if id, ok := parseIdentity(cfg.Identity); ok {
		return id
	}
	return uuid.New()
}

// Receive handles what the node sends to the mailbox.
func (f *fakePeer) Receive(frames [][]byte) error {
	if f.frozen.Load() {
		<-f.done
	}
	var m msg.Message
	if err := m.Decode(frames, msg.DefaultLimits()); err != nil {
		f.t.Errorf("the node sent %x: %v", frames, err)
		return nil
	}
	if listen := f.listen.Load(); listen != nil {
		(*listen)(&m)
	}
	if m.ID == msg.Hello {
		f.hellos <- m.Hello
	}
	select {
	case f.got <- m.ID:
	default: // a test that sends so many sets listen
	}
	return nil
}

func (f *fakePeer) Closed(error) {}

// freeze makes the peer stop reading.
func (f *fakePeer) freeze() { f.frozen.Store(true) }

func (f *fakePeer) endpoint() string { return "tcp://" + f.mailbox.Addr().String() }

func (f *fakePeer) port() uint16 { return f.mailbox.Addr().(*net.TCPAddr).AddrPort().Port() }

// datagram broadcasts bytes to the node's beacon port, on loopback.
func (f *fakePeer) datagram(octets []byte) {
	f.t.Helper()
	to := netip.AddrPortFrom(netip.MustParseAddr("127.255.255.255"), uint16(f.node.cfg.BeaconPort))
	if _, err := f.udp.WriteToUDPAddrPort(octets, to); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakePeer) beacon(port uint16) {
	f.t.Helper()
	f.beaconed = beacon.Beacon{UUID: f.uuid, Port: port, State: beacon.Unknown}.Append(nil)
	f.datagram(f.beaconed)
}

// connect connects to the node's mailbox.
func (f *fakePeer) connect() {
	f.t.Helper()
	nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.node.port))
	if err != nil {
		f.t.Fatal(err)
	}
	f.queue = zmtp.NewQueue(300_000, 1<<30) // tests push without waiting
	f.conn, err = zmtp.Open(context.Background(), nc, zmtp.Config{Identity: f.identity, Properties: f.properties}, f.queue, nil, deaf{})
	if err != nil {
		f.t.Fatal(err)
	}
}

// hangUp closes the connection to the node's mailbox.
func (f *fakePeer) hangUp() {
	if f.conn != nil {
		f.queue.Flush(context.Background())
		f.conn.Close(nil)
		<-f.conn.Done()
	}
}

func (f *fakePeer) send(frames ...[]byte) {
	f.t.Helper()
	if f.conn == nil {
		f.connect()
	}
	err := f.queue.Push(frames...)
	for err == zmtp.ErrFull {
		<-f.queue.Room()
		err = f.queue.Push(frames...)
	}
	if err != nil {
		f.t.Logf("push: %v", err) // the node hung up, as some cases expect
	}
}

// hello makes a HELLO; change may corrupt it.
func (f *fakePeer) hello(sequence uint16, change func(*msg.OutHello)) []byte {
	hello := msg.OutHello{Endpoint: f.endpoint(), Groups: []string{"G"}, Status: 1, Name: "fake"}
	if change != nil {
		change(&hello)
	}
	header, err := msg.AppendHello(nil, sequence, &hello, msg.Limits{})
	if err != nil {
		f.t.Fatal(err)
	}
	return header
}

// expect waits until the node has sent a message of a kind. It sends another beacon if the first one got lost.
func (f *fakePeer) expect(id msg.ID) {
	f.t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case got := <-f.got:
			if got == id {
				return
			}
		case <-again.C:
			if f.beaconed != nil {
				f.datagram(f.beaconed)
			}
		case <-deadline:
			f.t.Fatalf("the node sent no %v; its events: %s", id, f.node.log())
		}
	}
}

// enter makes the peer known to the node, and waits until it has entered.
func (f *fakePeer) enter() {
	f.t.Helper()
	f.beacon(f.port())
	f.expect(msg.Hello)
	f.send(f.hello(1, nil))
	f.node.waitKind(Join, f.uuid)
}

// deaf is the Receiver of a fake peer's connection to the node's ROUTER, which sends nothing.
type deaf struct{}

func (deaf) Receive([][]byte) error { return nil }
func (deaf) Closed(error)           {}

// parseEndpoint parses an endpoint whose host is an address.
func parseEndpoint(endpoint string) (netip.AddrPort, error) {
	host, port, err := paths.Parse(endpoint)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("node: %w", err)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("node: endpoint %q: the host is no IP address", endpoint)
	}
	return netip.AddrPortFrom(addr.Unmap(), port), nil
}
