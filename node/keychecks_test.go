package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/curve"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// aKey returns some valid public key.
func aKey(t *testing.T, first byte) PublicKey {
	t.Helper()
	pair, err := curve.NewKeyPair([32]byte{first, 1})
	if err != nil {
		t.Fatal(err)
	}
	return PublicKey(pair.Public())
}

// startAlone starts a secure node whose dials end in nothing.
func startAlone(t *testing.T, cfg Config) *testNode {
	t.Helper()
	cfg.Certificate, cfg.Network = certificate(t), holeNetwork{System, false}
	return start(t, onLoopback(beaconPort(), cfg))
}

// sight lets the control loop take a beacon that comes from an address of another host.
func (r *testNode) sight(id uuid.UUID, port uint16, key PublicKey) {
	r.do(func() {
		r.handleSighting(beacon.Sighting{
			Beacon: beacon.Beacon{UUID: id, Port: port, State: beacon.Unknown, Key: beacon.Key(key)},
			Addr:   netip.MustParseAddr("10.1.0.2"),
		})
	})
}

// keyTried returns the key of the session with a UUID; ok is false if there is no session.
func (r *testNode) keyTried(id uuid.UUID) (key PublicKey, ok bool) {
	r.do(func() {
		if s := r.sessions[id]; s != nil {
			key, ok = s.key, true
		}
	})
	return key, ok
}

// age makes the session with a UUID older than it is.
func (r *testNode) age(id uuid.UUID, by time.Duration) {
	r.do(func() { s := r.sessions[id]; s.since = s.since.Add(-by) })
}

// While a key is a hint, only a farewell with the same key ends the attempt to connect, and another key is tried only after some time.
func TestBeaconsBeforeTheKeyIsProven(t *testing.T) {
	hint, other := aKey(t, 7), aKey(t, 8)
	for _, c := range []struct {
		name string
		port uint16
		key  PublicKey
		age  time.Duration // of the session when the second beacon comes
		want PublicKey     // that is tried afterwards; zero for none
	}{
		{"the same beacon again", 5671, hint, 0, hint},
		{"a farewell with another key", 0, other, 0, hint},
		{"a farewell with another key, later", 0, other, time.Minute, hint},
		{"its farewell", 0, hint, 0, PublicKey{}},
		{"another key at once", 5671, other, 0, hint},
		{"another key after a while", 5671, other, hintTime, other},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, id := startAlone(t, Config{}), uuid.New()
			n.sight(id, 5671, hint)
			if key, ok := n.keyTried(id); !ok || key != hint {
				t.Fatalf("after the first beacon the key %v is tried (%v), want %v", key, ok, hint)
			}
			n.age(id, c.age)
			n.sight(id, c.port, c.key)
			if key, ok := n.keyTried(id); key != c.want || ok == c.want.IsZero() {
				t.Errorf("after the second beacon the key %v is tried (%v), want %v", key, ok, c.want)
			}
		})
	}
}

// A hint that leads to a connection without an answer gets as much time as an answer takes.
func TestHadItsTime(t *testing.T) {
	for _, c := range []struct {
		state state
		age   time.Duration
		want  bool
	}{
		{dialling, hintTime - time.Second/10, false}, {dialling, hintTime, true},
		{greeting, hintTime, false}, {greeting, greetGrace - time.Second/10, false}, {greeting, greetGrace, true},
		{confirming, time.Hour, false}, {ready, time.Hour, false},
	} {
		s := &session{state: c.state, since: time.Now().Add(-c.age)}
		if got := s.wasTriedLongEnough(); got != c.want {
			t.Errorf("in state %v after %v: got %v, want %v", c.state, c.age, got, c.want)
		}
	}
}

// Beacons that do not concern a node: another key beside its own UUID, or no key. Its own key beside its UUID is a twin with its certificate.
func TestBeaconsWithOurUUID(t *testing.T) {
	for _, c := range []struct {
		name string
		key  func(n *testNode) PublicKey
		want int // problems
	}{
		{"another key", func(*testNode) PublicKey { return aKey(t, 7) }, 0},
		{"no key", func(*testNode) PublicKey { return PublicKey{} }, 0},
		{"its key", func(n *testNode) PublicKey { return n.publicKey() }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := startAlone(t, Config{})
			n.sight(n.UUID(), 5671, c.key(n))
			if list := n.Problems(); len(list) != c.want {
				t.Errorf("got the problems %v, want %d", list, c.want)
			}
		})
	}
}

// What an authorizer is asked, by the role in which the connection is made.
func TestIdentityThatIsJudged(t *testing.T) {
	id, key := uuid.New(), aKey(t, 7)
	var asked []Identity
	n := startAlone(t, Config{Authorize: func(_ context.Context, peer Identity) error {
		asked = append(asked, peer)
		return nil
	}})
	addr := &net.TCPAddr{IP: net.IPv4(10, 1, 0, 2), Port: 40000}
	at := netip.MustParseAddrPort("10.1.0.2:40000")
	from := func(octets []byte) zmtp.Candidate {
		return zmtp.Candidate{RemoteAddr: addr, PublicKey: curve.PublicKey(key), Identity: octets}
	}
	for _, c := range []struct {
		name  string
		judge func() error
		want  Identity
		err   error
	}{
		{"a peer that connects", func() error { return n.authorizeCaller(t.Context(), from(identity(id))) }, Identity{key, id, at, TCP, false, false}, nil},
		{"one that asks for our UUID", func() error { return n.authorizeCaller(t.Context(), from(nil)) }, Identity{key, uuid.Nil, at, TCP, false, false}, nil},
		{"one with no UUID in its identity", func() error { return n.authorizeCaller(t.Context(), from([]byte("x"))) }, Identity{}, errIdentity},
		{"a peer that we connect to", func() error { return n.curveTo(id, key, false).Authorize(t.Context(), from(nil)) }, Identity{key, id, at, TCP, true, false}, nil},
		{"a hub that we connect to", func() error { return n.curveTo(uuid.Nil, key, true).Authorize(t.Context(), from(nil)) }, Identity{key, uuid.Nil, at, TCP, true, true}, nil},
		{"a client of our hub", func() error { return n.curveOfHub().Authorize(t.Context(), from([]byte("x"))) }, Identity{key, uuid.Nil, at, TCP, false, true}, nil},
	} {
		asked = nil
		if err := c.judge(); !errors.Is(err, c.err) {
			t.Errorf("%s: got the error %v, want %v", c.name, err, c.err)
		}
		if c.err != nil && len(asked) > 0 || c.err == nil && (len(asked) != 1 || asked[0] != c.want) {
			t.Errorf("%s: the authorizer was asked about %+v, want %+v", c.name, asked, c.want)
		}
	}
}

// A beacon with another key says nothing of a peer, wherever it comes from.
func TestBeaconOfAnotherKeyIsNews(t *testing.T) {
	hint, other := aKey(t, 7), aKey(t, 8)
	n, id := startAlone(t, Config{}), uuid.New()
	n.sight(id, 5671, hint)
	for key, want := range map[PublicKey]bool{hint: true, other: false} {
		s := beacon.Sighting{Beacon: beacon.Beacon{UUID: id, Port: 5671, State: beacon.Unknown, Key: beacon.Key(key)}, Addr: netip.MustParseAddr("10.1.0.2")}
		n.do(func() {
			if got := n.sessions[id].isUpToDate(s); got != want {
				t.Errorf("the hint is %v: a beacon with %v is known: %v, want %v", hint, key, got, want)
			}
		})
	}
}

// An answer of the authorizer about a session that is over ends nothing, and refuses nobody.
func TestAnswerAboutAnOldSession(t *testing.T) {
	n, id, key := startAlone(t, Config{}), uuid.New(), aKey(t, 7)
	n.sight(id, 5671, key)
	no := errors.New("not on the list")
	n.do(func() {
		old := n.newSession(id, n.newPaths(nil, true))
		old.refusal = no
		n.finishRound([]question{{session: old, peer: Identity{PublicKey: key, UUID: id}, err: no}})
	})
	if _, ok := n.keyTried(id); !ok || len(n.Problems()) > 0 {
		t.Errorf("the session that follows is there: %v; the problems %v", ok, n.Problems())
	}
}

// Which failures of a dial say something about keys, and not about the way to the peer.
func TestKeyFailures(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&zmtp.RefusedError{Err: errors.New("not on the list")}, true},
		{&zmtp.PeerError{Reason: "400"}, true},
		{zmtp.ErrNoWelcome, true},
		{fmt.Errorf("no valid key: %w", curve.ErrKey), true},
		{net.ErrClosed, false},
		{errAddressTaken, false},
		{&zmtp.ProtocolError{Reason: "x"}, false},
	} {
		if got := isKeyFailure(c.err); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}

// Refused keys are listed once each, as many as there is room for. Those that are not refused for a while are forgotten, and one that is let in is
// forgotten at once.
func TestRefusedKeys(t *testing.T) {
	n, no := startAlone(t, Config{}), errors.New("not on the list")
	at := netip.MustParseAddrPort("10.1.0.2:40000")
	listed := func() (about map[string]*Peer) {
		about = make(map[string]*Peer)
		for _, p := range n.Problems() {
			about[p.About] = p.Peer
		}
		return about
	}
	key := func(i int) PublicKey { return PublicKey{1, byte(i), byte(i >> 8)} }
	for i := range 10 * maxRefused {
		n.noteRefused(Identity{PublicKey: key(i), Addr: at, Transport: TCP, Outgoing: i%2 == 1}, no)
	}
	all := listed()
	if _, more := all[""]; len(all) != maxRefused+1 || !more {
		t.Fatalf("%d problems are listed, want %d and one for the others (%v)", len(all), maxRefused, more)
	}
	if caller, dialled := all[key(0).String()], all[key(1).String()]; caller.Endpoint != "" || dialled.Endpoint != "tcp://10.1.0.2:40000" {
		t.Errorf("got the endpoints %q of a peer that connects, want none, and %q of one that we connect to", caller.Endpoint, dialled.Endpoint)
	}
	n.noteAuthorized(key(0))
	n.noteAuthorized(key(10 * maxRefused)) // it was never refused
	if all = listed(); len(all) != maxRefused || all[key(0).String()] != nil {
		t.Errorf("after one key was let in: %d problems, want %d", len(all), maxRefused)
	}
	n.do(func() { n.checkRefused(time.Now().Add(refusedFor - time.Minute)) })
	if all = listed(); len(all) != maxRefused {
		t.Errorf("before the time is over: %d problems, want %d", len(all), maxRefused)
	}
	n.do(func() { n.checkRefused(time.Now().Add(refusedFor)) })
	if all = listed(); len(all) != 0 {
		t.Errorf("after that time: the problems %v", all)
	}
}
