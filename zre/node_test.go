package zre_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

const patience = 20 * time.Second

// start makes and starts a node on loopback and closes it at the end of the test.
func start(t *testing.T, port int, options ...zre.Option) *zre.Node {
	t.Helper()
	node, err := zre.NewNode(onLoopback(port, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return node
}

// port returns a beacon port for a test. Neither it nor the port 10,000 above it is in the range of ephemeral ports.
func port() int { return 12_000 + int(portsTaken.Add(1))%10_000 }

var portsTaken atomic.Uint32 // begins anywhere, since another process may run the same tests

func init() { portsTaken.Store(rand.Uint32N(10_000)) }

// next returns the next event of type E.
func next[E zre.Event](t *testing.T, node *zre.Node) E {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case event, ok := <-node.Events():
			if e, is := event.(E); is {
				return e
			} else if !ok {
				t.Fatal("the events ended")
			}
		case <-deadline:
			t.Fatalf("%s: no %v", node.Name(), reflect.TypeFor[E]())
		}
	}
}

func TestConversation(t *testing.T) {
	t.Parallel()
	port, id := port(), uuid.New()
	a := start(t, port, zre.WithName("a"), zre.WithUUID(id), zre.WithHeader("k", "v"), zre.WithHeader("l", "w"))
	b := start(t, port, zre.WithName("b"))
	enter := next[zre.Enter](t, b)
	if p := enter.Peer; p.UUID != id || p.Name != "a" || len(p.Headers) != 2 || p.Headers["k"] != "v" || p.Headers["l"] != "w" ||
		p.Transport != "inproc" || p.Endpoint != a.Endpoints()[0] {
		t.Errorf("entered: %+v; its endpoint is %s", p, a.Endpoints()[0])
	}
	if err := a.Join("G"); err != nil {
		t.Fatal(err)
	}
	if join := next[zre.Join](t, b); join.Group != "G" || !slices.Equal(join.Peer.Groups, []string{"G"}) {
		t.Errorf("joined: %+v, %+v", join, join.Peer)
	}
	if peers := b.PeersIn("G"); len(peers) != 1 || peers[0].UUID != id {
		t.Errorf("peers in G: %v", peers)
	}
	if groups := b.PeerGroups(); !slices.Equal(groups, []string{"G"}) {
		t.Errorf("groups of peers: %q", groups)
	}
	if groups := a.Groups(); !slices.Equal(groups, []string{"G"}) {
		t.Errorf("own groups: %q", groups)
	}
	if p, ok := b.Peer(id); !ok || p.Name != "a" {
		t.Errorf("peer: %v, %v", p, ok)
	}
	if err := b.Shout(t.Context(), "G", []byte("1"), nil, []byte("3")); err != nil {
		t.Fatal(err)
	}
	if shout := next[zre.Shout](t, a); shout.Group != "G" || len(shout.Frames) != 3 || string(shout.Frames[2]) != "3" {
		t.Errorf("shout: %+v", shout)
	}
	if err := b.Whisper(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if whisper := next[zre.Whisper](t, a); len(whisper.Frames) != 1 || len(whisper.Frames[0]) != 0 {
		t.Errorf("a whisper without frames came as %q", whisper.Frames)
	}
	if err := a.Leave("G"); err != nil {
		t.Fatal(err)
	}
	if leave := next[zre.Leave](t, b); leave.Group != "G" || len(leave.Peer.Groups) != 0 {
		t.Errorf("left: %+v, %+v", leave, leave.Peer)
	}
	a.Close()
	if exit := next[zre.Exit](t, b); exit.Reason != zre.ReasonLeft || exit.From().UUID != id {
		t.Errorf("exit: %+v", exit)
	}
}

// A loop over AllEvents can stop and be resumed without losing an event. It ends with its context.
func TestAll(t *testing.T) {
	t.Parallel()
	port := port()
	a := start(t, port)
	b := start(t, port)
	next[zre.Enter](t, b)
	for i := range 100 {
		if err := b.Whisper(t.Context(), a.UUID(), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for want := byte(0); want < 100; {
		for event := range a.AllEvents(t.Context()) {
			if whisper, ok := event.(zre.Whisper); ok {
				if whisper.Frames[0][0] != want {
					t.Fatalf("got %d, want %d", whisper.Frames[0][0], want)
				}
				want++
				break
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for event := range a.AllEvents(ctx) {
		if _, ok := event.(zre.StateChange); !ok { // a beacon with it may come at any time
			t.Errorf("unexpected %+v", event)
		}
	}
}

// Close ends every waiting call, from any goroutine, whether or not the node was started or its events were read.
func TestClose(t *testing.T) {
	t.Parallel()
	port := port()
	peer := start(t, port)
	for _, test := range []struct {
		name string
		use  func(t *testing.T, node *zre.Node)
	}{
		{"not started", func(*testing.T, *zre.Node) {}},
		{"not read", func(t *testing.T, node *zre.Node) { must(t, node.Start(t.Context())) }},
		{"being read", func(t *testing.T, node *zre.Node) {
			must(t, node.Start(t.Context()))
			next[zre.Enter](t, node)
			go func() {
				for range node.Events() {
				}
			}()
		}},
		{"closed by its reader", func(t *testing.T, node *zre.Node) {
			must(t, node.Start(t.Context()))
			for range node.Events() {
				node.Close()
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			node, err := zre.NewNode(onLoopback(port)...)
			must(t, err)
			test.use(t, node)
			must(t, node.Close())
			must(t, node.Close())
			deadline := time.After(patience)
			for open := true; open; {
				select {
				case _, open = <-node.Events():
				case <-deadline:
					t.Fatal("the events do not end")
				}
			}
			for range node.AllEvents(t.Context()) {
				t.Error("an event of a closed node")
			}
			if err := node.Shout(t.Context(), "G", nil); !errors.Is(err, zre.ErrClosed) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("shout: %v", err)
			}
		})
	}
	if peer.UUID() == uuid.Nil {
		t.Error("no UUID")
	}
}

func TestBadOptions(t *testing.T) {
	for _, test := range []struct {
		name   string
		option zre.Option
	}{
		{"WithUUID", zre.WithUUID(uuid.Nil)},
		{"WithBeaconPort(0)", zre.WithBeaconPort(0)},
		{"WithBeaconInterval(0s)", zre.WithBeaconInterval(0)},
		{"WithEvasiveTimeout(-1ns)", zre.WithEvasiveTimeout(-1)},
		{"WithExpiredTimeout(0s)", zre.WithExpiredTimeout(0)},
		{"WithSilentTimeout(0s)", zre.WithSilentTimeout(0)},
		{"silent timeout 5s: choose one between the evasive timeout, 5s, and the expired timeout, 30s", zre.WithSilentTimeout(5 * time.Second)},
		{"silent timeout 30s", zre.WithSilentTimeout(30 * time.Second)},
		{"WithSendTimeout(0s)", zre.WithSendTimeout(0)},
		{"WithLinger(-1ns)", zre.WithLinger(-1)},
		{"name", zre.WithName(strings.Repeat("x", 256))},
		{"Peers", zre.WithLimits(zre.Limits{Peers: -1})},
		{"header", zre.WithHeader(strings.Repeat("x", 256), "")},
	} {
		if _, err := zre.NewNode(test.option); err == nil || !strings.Contains(err.Error(), test.name) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
