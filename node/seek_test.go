package node

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/msg"
)

// addPeer adds an endpoint to a node, as Config.Peers does.
func (r *testNode) addPeer(endpoint string) {
	r.t.Helper()
	r.do(func() { r.seeker.AddEndpoint(configuredSource(endpoint), endpoint, nil) })
}

// A peer without identity gets one HELLO, and is known by its answer, even if it is found another way meanwhile.
func TestCandidate(t *testing.T) {
	for _, test := range []struct {
		name string
		turn func(f *fakePeer) // between HELLO and its answer
	}{
		{"answers", func(*fakePeer) {}},
		{"beacons too", func(f *fakePeer) { f.beacon(f.port()) }},
		{"is named twice", func(f *fakePeer) { f.node.addPeer("tcp://localhost:" + fmt.Sprint(f.port())) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := start(t, onLoopback(beaconPort(), Config{}))
			f := newFakePeer(t, n)
			n.addPeer(f.endpoint())
			f.expect(msg.Hello)
			test.turn(f)
			f.send(f.hello(1, nil))
			n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)"})
			if err := n.Whisper(t.Context(), f.uuid, []byte("you")); err != nil {
				t.Fatal(err)
			}
			f.expect(msg.Whisper)
			if got := len(f.hellos); got != 1 {
				t.Errorf("the peer got %d HELLOs, want 1", got)
			}
			if got := n.eventsOf(f.uuid); len(got) != 2 {
				t.Errorf("got events %q, want ENTER and JOIN", got)
			}
		})
	}
}

// An address that accepts connections but sends no HELLO is one problem, reported once for any number of attempts. A HELLO solves it.
func TestCandidateWithoutHello(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{EvasiveTimeout: 40 * time.Millisecond, ExpiredTimeout: 100 * time.Millisecond}))
	f := newFakePeer(t, n)
	n.addPeer(f.endpoint())
	for range 3 {
		f.expect(msg.Hello)
	}
	problem := "unreachable " + f.endpoint()
	n.wait("PROBLEM", func(e Event) bool { return e.Kind == ProblemChanged })
	if got, want := n.log(), "PROBLEM("+problem+")"; got != want {
		t.Errorf("events: %s, want %s", got, want)
	}
	f.send(f.hello(1, nil))
	n.wait("SOLVED", func(e Event) bool { return describe(e) == "SOLVED("+problem+")" })
}

// A peer that is reached at another endpoint than the one in its HELLO, for example through a NAT, is known by its answer to a PING. It gets no
// second HELLO at an endpoint that may lead nowhere.
func TestCandidateBehindRelay(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	asked := make(chan struct{}, 100)
	answer := func(m *msg.Message) {
		if m.ID == msg.Ping {
			asked <- struct{}{}
		}
	}
	f.listen.Store(&answer)
	at := relay(t, f.mailbox.Addr().String())
	n.addPeer("tcp://" + at)
	f.expect(msg.Hello)
	f.send(f.hello(1, nil))
	<-asked
	f.send(msg.AppendPingOK(nil, 2))
	n.waitFor(t, f.uuid, []string{"ENTER(fake)", "JOIN(G)"})
	if err := n.Whisper(t.Context(), f.uuid, []byte("you")); err != nil {
		t.Fatal(err)
	}
	f.expect(msg.Whisper)
	if got := len(f.hellos); got != 1 {
		t.Errorf("the peer got %d HELLOs, want 1", got)
	}
	if got := n.eventsOf(f.uuid); len(got) != 2 {
		t.Errorf("got events %q, want ENTER and JOIN", got)
	}
	if p, _ := n.Peer(f.uuid); p.Endpoint != "tcp://"+at {
		t.Errorf("the peer is at %s, want tcp://%s", p.Endpoint, at)
	}
}

// relay forwards connections to an address, and returns its own address.
func relay(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var passing sync.WaitGroup
	over := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		close(over)
		passing.Wait()
	})
	passing.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			passing.Go(func() {
				<-over
				in.Close()
				out.Close()
			})
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				passing.Go(func() {
					io.Copy(pair[0], pair[1])
					pair[0].Close()
					pair[1].Close()
				})
			}
		}
	})
	return l.Addr().String()
}

// A dead endpoint, or the node's own, is tried again and again; the error is logged once.
func TestDeadCandidate(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused := free.Addr().(*net.TCPAddr).AddrPort()
	free.Close()
	var log lockedBuffer
	port := beaconPort()
	n := start(t, onLoopback(port, Config{
		Peers: []string{paths.Format(unused), "tcp://does-not-exist.invalid:5671"},
		Log:   zerolog.New(&log).Level(zerolog.WarnLevel),
	}))
	n.addPeer(n.Endpoint())
	tries := func() (tries int) {
		n.do(func() {
			tries = n.seeker.Failures(unused)
		})
		return tries
	}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(patience); tries() < 4 || !strings.Contains(n.log(), "does-not-exist"); {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("timed out after %d tries; the log: %s", tries(), log.String())
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 {
		t.Errorf("the log has %d lines, want 2: %s", lines, log.String())
	}
	events := strings.Split(n.log(), ", ")
	slices.Sort(events)
	want := []string{"PROBLEM(DNS tcp://does-not-exist.invalid:5671)", fmt.Sprintf("PROBLEM(unreachable %s)", paths.Format(unused))}
	if !slices.Equal(events, want) {
		t.Errorf("got events %s, want %s", events, want)
	}
	late, err := New(onLoopback(beaconPort(), Config{Listen: paths.Format(unused)}))
	if err != nil {
		t.Fatal(err)
	}
	other := record(t, late)
	n.waitKind(Enter, other.UUID())
	other.waitKind(Enter, n.UUID())
}

// lockedBuffer is a buffer for logs.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// An advertised endpoint replaces the connection's own address in HELLO.
func TestAdvertise(t *testing.T) {
	t.Parallel()
	const endpoint = "tcp://203.0.113.7:5671"
	n := start(t, onLoopback(beaconPort(), Config{Advertise: endpoint}))
	f := newFakePeer(t, n)
	f.beacon(f.port())
	f.expect(msg.Hello)
	if hello := <-f.hellos; string(hello.Endpoint) != endpoint {
		t.Errorf("HELLO names another endpoint than the advertised one: %s", hello.Endpoint)
	}
	if got := n.Endpoint(); got != endpoint {
		t.Errorf("Endpoint returned %s, want %s", got, endpoint)
	}
}

// Errors of invalid configurations name the option and the value.
func TestBadSources(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cfg  Config
		want []string
	}{
		{Config{Peers: []string{"udp://a:1"}}, []string{"WithPeers", `"udp://a:1"`}},
		{Config{Peers: []string{"tcp://a:0"}}, []string{"WithPeers", `"tcp://a:0"`}},
		{Config{Peers: []string{"tcp://*:5671"}}, []string{"WithPeers", `"tcp://*:5671"`}},
		{Config{Peers: []string{"tcp://[a]:5671"}}, []string{"WithPeers", `"tcp://[a]:5671"`}},
		{Config{Advertise: "tcp://0.0.0.0:5671"}, []string{"WithAdvertise", `"tcp://0.0.0.0:5671"`}},
		{Config{SRV: []string{"10.0.0.1"}}, []string{"WithSRV", `"10.0.0.1"`}},
		{Config{Resolver: "a b"}, []string{"WithDNSServer", `"a b"`}},
		{Config{GossipBind: []string{"tcp://*:*"}}, []string{"WithGossipBind", `"tcp://*:*"`}},
		{Config{GossipConnect: []string{"hub:1"}}, []string{"WithGossipConnect", `"hub:1"`}},
		{Config{Listen: "tcp://a:1"}, []string{"WithListen", `"tcp://a:1"`}},
	} {
		_, err := New(test.cfg)
		for _, text := range test.want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%+v: %v", test.want, err)
			}
		}
	}
}

// Idle peers whose beacons do not reach us are asked in time, and never become evasive.
func TestBeaconlessPeersAreNotEvasive(t *testing.T) {
	t.Parallel()
	timers := func(cfg Config) Config {
		cfg.EvasiveTimeout, cfg.ExpiredTimeout = 400*time.Millisecond, 1200*time.Millisecond
		return onLoopback(beaconPort(), cfg) // its own port
	}
	a := start(t, timers(Config{UUID: uuid.New(), Name: "a"}))
	b := start(t, timers(Config{UUID: uuid.New(), Name: "b", Peers: []string{a.Endpoint()}, Transports: []string{TCP}}))
	a.waitKind(Enter, b.UUID())
	b.waitKind(Enter, a.UUID())
	c := start(t, timers(Config{UUID: uuid.New(), Name: "c"})) // its silence shows that the time has passed
	f := newFakePeer(t, c)
	f.enter()
	c.wait("EXIT", func(e Event) bool { return e.Kind == Exit && e.Peer.UUID == f.uuid && e.Reason == Expired })
	for _, n := range []*testNode{a, b} {
		if strings.Contains(n.log(), "EVASIVE") || strings.Contains(n.log(), "EXIT") {
			t.Errorf("%s has an evasive or lost peer: %s", n.Name(), n.log())
		}
	}
}

// A HELLO from a known endpoint does not end a wait before another dial; one that shows a new endpoint does.
func TestHelloWakesForNewEndpoints(t *testing.T) {
	t.Parallel()
	n, err := New(onLoopback(beaconPort(), Config{}))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	here, there := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:1")
	p := n.newSession(uuid.New(), n.newPaths([]netip.AddrPort{here}, true))
	p.addHelloEndpoints([]netip.AddrPort{here}, false)
	if len(p.wake) != 0 || len(p.better) != 1 {
		t.Errorf("a known endpoint: %d tokens in wake, %d in better; want 0 and 1", len(p.wake), len(p.better))
	}
	p.addHelloEndpoints([]netip.AddrPort{there}, false)
	if len(p.wake) != 1 {
		t.Error("a new endpoint does not end the pause")
	}
}
