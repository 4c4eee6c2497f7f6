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
	learn(t, a, b)
	learn(t, b, a)
}

// learn waits until who knows everything that options say about whom.
func learn(t *testing.T, who, whom *testbed.Peer) {
	t.Helper()
	enter := who.Wait(t, "ENTER of "+whom.String(), testbed.Is("enter", whom))
	want := options(whom.Name)
	if enter.Name != whom.Name {
		t.Errorf("%s sees %s by the name of %q", who, whom, enter.Name)
	}
	for key, value := range want.Headers {
		if enter.Headers[key] != value {
			t.Errorf("%s sees header %s of %s as %q, want %q", who, key, whom, enter.Headers[key], value)
		}
	}
	if enter.Transport == "tcp" {
		// Our nodes hear each other by IPv6 too, from the link-local address.
		text, _ := strings.CutPrefix(enter.Endpoint, "tcp://")
		address, err := netip.ParseAddrPort(text)
		six := who.Kind == testbed.Zre && whom.Kind == testbed.Zre && address.Addr().Is6()
		if err != nil || !six && address.Addr() != whom.Host.Addr || six && address.Addr().WithZone("") != whom.Host.LinkLocal() {
			t.Errorf("%s sees the endpoint of %s as %q, which is not at %v", who, whom, enter.Endpoint, whom.Host.Addr)
		}
		if whom.Endpoint != "" && !strings.HasSuffix(whom.Endpoint, ":"+strconv.Itoa(int(address.Port()))) {
			t.Errorf("%s sees the endpoint of %s as %q, want the port of %q", who, whom, enter.Endpoint, whom.Endpoint)
		}
	}
	for _, group := range want.Groups {
		who.Wait(t, "JOIN of "+group+" by "+whom.String(), testbed.InGroup("join", whom, group))
	}
	if !traitsOf[who.Kind].groupsFirst {
		who.Never(t, testbed.Event{}, enter, "anything of "+whom.String()+" before its ENTER", from(whom))
	}
}

// from matches every event that comes from a peer.
func from(p *testbed.Peer) testbed.Match {
	return func(e testbed.Event) bool { return e.Peer == p.UUID }
}

// gone waits until whom has left for who: exactly one EXIT, for the right reason, and nothing after it. Only ours reports reasons.
func gone(t *testing.T, who, whom *testbed.Peer, reason string) {
	t.Helper()
	exit := who.Wait(t, "EXIT of "+whom.String(), testbed.Is("exit", whom))
	if who.Kind == testbed.Zre && exit.Reason != reason {
		t.Errorf("%s says that %s has %s, want %s", who, whom, exit.Reason, reason)
	}
	for _, known := range who.Peers(t) {
		if known.Peer == whom.UUID {
			t.Errorf("%s still lists %s after its EXIT", who, whom)
		}
	}
	answer := who.WaitAfter(t, exit, "the answer to peers", func(e testbed.Event) bool { return e.Event == "peers" })
	who.Never(t, exit, answer, "anything of "+whom.String()+" after its EXIT", func(e testbed.Event) bool {
		// zyre.js reports an EXIT without a name for each further beacon that says goodbye.
		return from(whom)(e) && !(who.Kind == testbed.ZyreJS && e.Event == "exit" && e.Name == "")
	})
}
