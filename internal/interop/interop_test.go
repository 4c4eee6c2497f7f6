//go:build linux

package interop

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// ours is the implementation under test. ZRE_INTEROP_SUBJECT replaces it by another one (pyre, zyre, zyre.js). That shows whether a failure
// is ours or theirs, and whether the tests themselves are right.
var ours = func() testbed.Kind {
	if kind := os.Getenv("ZRE_INTEROP_SUBJECT"); kind != "" {
		return testbed.Kind(kind)
	}
	return testbed.Zre
}()

// theirs are the implementations that ours is tested against.
var theirs = []testbed.Kind{testbed.Pyre, testbed.ZyreJS, testbed.Zyre}

// traits is what the tests must know about an implementation.
type traits struct {
	// oneFrame: it sends, and passes up, only the first content frame of a message.
	oneFrame bool
	// groupsFirst: it reports a peer's groups before the peer.
	groupsFirst bool
	// ignoresSecondHello: it reacts to a HELLO from a peer that it knows already by dropping the peer. It sends the peer HELLO again at its
	// next beacon, but only a failed message tells the peer that it must send HELLO once more.
	ignoresSecondHello bool
	// wrap is the sequence number after which 0 comes, both when it sends and when it receives.
	wrap int
}

var traitsOf = map[testbed.Kind]traits{
	testbed.Zre:    {wrap: 65535},
	testbed.Pyre:   {wrap: 65534},
	testbed.ZyreJS: {wrap: 65534, oneFrame: true, groupsFirst: true, ignoresSecondHello: true},
	testbed.Zyre:   {wrap: 65535},
}

// eachKind runs a test against every other implementation, in parallel.
func eachKind(t *testing.T, test func(t *testing.T, kind testbed.Kind)) {
	for _, kind := range theirs {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

// options are what every node of these tests has.
func options(name string) testbed.Options {
	return testbed.Options{
		Name:    name,
		Groups:  []string{"CHAT", "group with spaces"},
		Headers: map[string]string{"X-ROLE": "role of " + name, "X-LONG": strings.Repeat("long", 100)},
	}
}

// meet waits until a knows everything that options say about b, and b about a.
func meet(t *testing.T, a, b *testbed.Peer) {
	t.Helper()
	expectKnown(t, a, b)
	expectKnown(t, b, a)
}

// expectKnown waits until a node knows everything that options say about a peer.
func expectKnown(t *testing.T, node, peer *testbed.Peer) {
	t.Helper()
	enter := node.Wait(t, "ENTER of "+peer.String(), testbed.Is("enter", peer))
	want := options(peer.Name)
	if enter.Name != peer.Name {
		t.Errorf("%s sees %s by the name of %q", node, peer, enter.Name)
	}
	for key, value := range want.Headers {
		if enter.Headers[key] != value {
			t.Errorf("%s sees header %s of %s as %q, want %q", node, key, peer, enter.Headers[key], value)
		}
	}
	if enter.Transport == "tcp" {
		// Our nodes hear each other by IPv6 too, from the link-local address.
		text, _ := strings.CutPrefix(enter.Endpoint, "tcp://")
		address, err := netip.ParseAddrPort(text)
		six := node.Kind == testbed.Zre && peer.Kind == testbed.Zre && address.Addr().Is6()
		if err != nil || !six && address.Addr() != peer.Host.Addr || six && address.Addr().WithZone("") != peer.Host.LinkLocal() {
			t.Errorf("%s sees the endpoint of %s as %q, which is not at %v", node, peer, enter.Endpoint, peer.Host.Addr)
		}
		if peer.Endpoint != "" && !strings.HasSuffix(peer.Endpoint, ":"+strconv.Itoa(int(address.Port()))) {
			t.Errorf("%s sees the endpoint of %s as %q, want the port of %q", node, peer, enter.Endpoint, peer.Endpoint)
		}
	}
	for _, group := range want.Groups {
		node.Wait(t, "JOIN of "+group+" by "+peer.String(), testbed.InGroup("join", peer, group))
	}
	if !traitsOf[node.Kind].groupsFirst {
		node.Never(t, testbed.Event{}, enter, "anything of "+peer.String()+" before its ENTER", eventsFrom(peer))
	}
}

// eventsFrom matches every event that comes from a peer.
func eventsFrom(p *testbed.Peer) testbed.Match {
	return func(e testbed.Event) bool { return e.Peer == p.UUID }
}

// expectExit waits until a node has reported that a peer left: exactly one EXIT, for the right reason, and nothing after it. Only ours reports reasons.
func expectExit(t *testing.T, node, peer *testbed.Peer, reason string) {
	t.Helper()
	exit := node.Wait(t, "EXIT of "+peer.String(), testbed.Is("exit", peer))
	if node.Kind == testbed.Zre && exit.Reason != reason {
		t.Errorf("%s says that %s has %s, want %s", node, peer, exit.Reason, reason)
	}
	for _, known := range node.Peers(t) {
		if known.Peer == peer.UUID {
			t.Errorf("%s still lists %s after its EXIT", node, peer)
		}
	}
	answer := node.WaitAfter(t, exit, "the answer to peers", func(e testbed.Event) bool { return e.Event == "peers" })
	node.Never(t, exit, answer, "anything of "+peer.String()+" after its EXIT", func(e testbed.Event) bool {
		// zyre.js reports an EXIT without a name for each further beacon that says goodbye.
		return eventsFrom(peer)(e) && !(node.Kind == testbed.ZyreJS && e.Event == "exit" && e.Name == "")
	})
}
