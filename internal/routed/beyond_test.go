//go:build linux

package routed

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// TestMain lets many tests run at once: they mostly wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if !slices.ContainsFunc(flagsGiven(), func(name string) bool { return name == "test.parallel" }) {
		_ = flag.Set("test.parallel", "16")
	}
	testbed.Main(m)
}

func flagsGiven() (names []string) {
	flag.Visit(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

const (
	group = "CHAT"
	// port is where nodes listen that others must know; hub is where gossip hubs listen.
	port = "5671"
	hub  = "5672"
	// calmTime is how long no peer may come or go when nothing happens: far longer than any grace of a session, and longer than the next
	// round of a storm of sessions.
	calmTime = 3 * time.Second
)

// world is two networks with a router between them, and a host in each.
type world struct {
	here, there *testbed.LAN
	router      *testbed.Router
	a, b        *testbed.Host
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{here: testbed.NewLAN(t, ""), there: testbed.NewLAN(t, "")}
	w.router = testbed.NewRouter(t, "router", w.here, w.there)
	w.a, w.b = w.host(w.here, "a"), w.host(w.there, "b")
	return w
}

// host adds a host with routes to the other networks.
func (w *world) host(l *testbed.LAN, name string) *testbed.Host {
	h := l.Host(name)
	h.Via(w.router)
	return h
}

// endpoint returns an endpoint at a host.
func endpoint(h *testbed.Host, port string) string { return "tcp://" + h.Addr.String() + ":" + port }

// options are those of a node that notices lost peers quickly, but not faster than a busy machine is slow.
func options(name string, args ...string) testbed.Options {
	return testbed.Options{Name: name, Groups: []string{group}, Evasive: 2 * time.Second, Expired: 5 * time.Second, Args: args}
}

// listening are options of a node that others know by its endpoint.
func listening(name string, args ...string) testbed.Options {
	return options(name, append(args, "--listen", "tcp://*:"+port)...)
}

func start(t *testing.T, h *testbed.Host, kind testbed.Kind, o testbed.Options) *testbed.Peer {
	t.Helper()
	return testbed.Start(t, h, kind, o)
}

// meet waits until two nodes know each other and their group, and messages pass both ways.
func meet(t *testing.T, a, b *testbed.Peer) {
	t.Helper()
	met(t, a, b, testbed.Event{}, testbed.Event{})
}

// meetAll is meet for all pairs with at least one of ours.
func meetAll(t *testing.T, peers ...*testbed.Peer) {
	t.Helper()
	for i, p := range peers {
		for _, o := range peers[i+1:] {
			if p.Kind == testbed.Zre || o.Kind == testbed.Zre {
				meet(t, p, o)
			}
		}
	}
}

// met is meet for what comes after an event of each.
func met(t *testing.T, a, b *testbed.Peer, afterA, afterB testbed.Event) {
	t.Helper()
	a.WaitAfter(t, afterA, "JOIN of "+b.String(), testbed.InGroup("join", b, group))
	b.WaitAfter(t, afterB, "JOIN of "+a.String(), testbed.InGroup("join", a, group))
	a.WaitAfter(t, afterA, "ENTER of "+b.String(), testbed.Is("enter", b))
	b.WaitAfter(t, afterB, "ENTER of "+a.String(), testbed.Is("enter", a))
	exchangeMessages(t, a, b)
}

// exchangeMessages makes two nodes that know each other whisper and shout to each other.
func exchangeMessages(t *testing.T, a, b *testbed.Peer) {
	t.Helper()
	for _, pair := range [][2]*testbed.Peer{{a, b}, {b, a}} {
		from, to := pair[0], pair[1]
		last := lastOf(to)
		from.Whisper(t, to, []byte("whisper of "+from.Name))
		from.Shout(t, group, []byte("shout of "+from.Name))
		to.WaitAfter(t, last, "the whisper", testbed.Whisper(from, []byte("whisper of "+from.Name)))
		to.WaitAfter(t, last, "the shout", testbed.Shout(from, group, []byte("shout of "+from.Name)))
	}
}

// lastOf returns the latest event of a node.
func lastOf(p *testbed.Peer) testbed.Event {
	events := p.Events()
	return events[len(events)-1]
}

// counts returns how many events of a type from a peer there were.
func counts(p *testbed.Peer, event string, from *testbed.Peer) (n int) {
	for _, e := range p.Events() {
		if testbed.Is(event, from)(e) {
			n++
		}
	}
	return n
}

// isEnterOrExit matches events about a session's beginning, end or doubt.
func isEnterOrExit(e testbed.Event) bool {
	return slices.Contains([]string{"enter", "exit", "evasive", "silent"}, e.Event)
}

// calm fails the test if any of these nodes sees another one come, go or be evasive within calmTime.
func calm(t *testing.T, peers ...*testbed.Peer) {
	t.Helper()
	deadline := time.Now().Add(calmTime)
	from := make([]testbed.Event, len(peers))
	for i, p := range peers {
		from[i] = lastOf(p)
	}
	ours := func(id string) bool {
		return slices.ContainsFunc(peers, func(p *testbed.Peer) bool { return p.UUID == id && p.Kind == testbed.Zre })
	}
	for i, p := range peers {
		// C zyre nodes may think of each other what they like: each calls idle peers evasive and then asks. We ask before.
		news := func(e testbed.Event) bool { return isEnterOrExit(e) && (p.Kind == testbed.Zre || ours(e.Peer)) }
		if e, ok := p.Try(from[i], time.Until(deadline), news); ok {
			t.Errorf("%s saw, where nothing happens: %v\n%s", p, e, life(p))
		}
	}
}

// settles waits until a node sees no peer come or go for longer than the expired timeout, after which a session that its peer does not hear
// is begun again.
func settles(t *testing.T, p *testbed.Peer) {
	t.Helper()
	const window = 7 * time.Second
	for deadline := time.Now().Add(2 * window); time.Now().Before(deadline); {
		if _, ok := p.Try(lastOf(p), window, isEnterOrExit); !ok {
			return
		}
	}
	t.Errorf("%s does not come to rest\n%s", p, life(p))
}

// once fails the test unless each of these nodes saw each other one enter once, and none of them leave.
func once(t *testing.T, peers ...*testbed.Peer) {
	t.Helper()
	for _, p := range peers {
		for _, o := range peers {
			if p.Kind != testbed.Zre && o.Kind != testbed.Zre {
				continue // pairs of theirs do not count
			}
			if enters, exits := counts(p, "enter", o), counts(p, "exit", o); p != o && (enters != 1 || exits != 0) {
				t.Errorf("%s saw %d ENTERs and %d EXITs of %s\n%s", p, enters, exits, o, life(p))
			}
		}
	}
}

// gone waits for the EXIT of a peer, for one of these reasons if the node is one of ours.
func gone(t *testing.T, p, whom *testbed.Peer, reasons ...string) testbed.Event {
	t.Helper()
	exit := p.Wait(t, "EXIT of "+whom.String(), testbed.Is("exit", whom))
	if p.Kind == testbed.Zre && !slices.Contains(reasons, exit.Reason) {
		t.Errorf("%s says that %s has %s, want one of %v", p, whom, exit.Reason, reasons)
	}
	return exit
}

// life formats how a node saw others come and go, for messages.
func life(p *testbed.Peer) string {
	var lines []string
	for _, e := range p.Events() {
		if isEnterOrExit(e) {
			lines = append(lines, "    "+e.String())
		}
	}
	return strings.Join(lines, "\n")
}
