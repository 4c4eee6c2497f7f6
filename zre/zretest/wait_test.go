package zretest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

func namesOf(peers []*zre.Peer) (names []string) {
	for _, p := range peers {
		names = append(names, p.Name)
	}
	return names
}

// startUnread starts a node whose events are not read.
func startUnread(t *testing.T, network zre.Network, options ...zre.Option) *zre.Node {
	t.Helper()
	node, err := zre.NewNode(append([]zre.Option{zre.WithNetwork(network)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return node
}

// Each change that a predicate can see ends the wait at once: a peer enters, joins, reports a state, or sets a header. No events are read.
func TestWaitFor(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		waiting := startUnread(t, lan.Host("10.0.0.1"), zre.WithName("waiting"))
		cam := startUnread(t, lan.Host("10.0.0.2"), zre.WithName("cam"), zre.WithHeader("role", "camera"))
		advance(3 * time.Second)
		for _, c := range []struct {
			name   string
			count  int
			match  []zre.Match
			change func()
			want   []string
			within time.Duration
		}{
			{"nobody to wait for", 0, []zre.Match{zre.HasName("nobody")}, nil, nil, 0},
			{"it is here", 1, []zre.Match{zre.HasHeader("role", "camera")}, nil, []string{"cam"}, 0},
			{"no predicate", 1, nil, nil, []string{"cam"}, 0},
			{"a group", 1, []zre.Match{zre.InGroup("G")}, func() { cam.Join("G") }, []string{"cam"}, 10 * time.Millisecond},
			{"a state", 1, []zre.Match{zre.InGroup("G"), zre.HasState(zre.StateError, zre.StateProcessing)},
				func() { cam.SetState(zre.StateProcessing) }, []string{"cam"}, 10 * time.Millisecond},
			{"two peers", 2, []zre.Match{zre.InGroup("G")}, func() {
				late := startUnread(t, lan.Host("10.0.0.3"), zre.WithName("a late one"))
				late.Join("G")
			}, []string{"a late one", "cam"}, 3 * time.Second},
			{"a peer less", 1, []zre.Match{func(*zre.Peer) bool { return len(waiting.PeersIn("G")) == 1 }}, // the predicate may call the node
				func() { cam.Leave("G") }, []string{"a late one", "cam"}, 10 * time.Millisecond},
		} {
			before := time.Now()
			if c.change != nil {
				time.AfterFunc(time.Minute, c.change)
				before = before.Add(time.Minute)
			}
			peers, err := waiting.WaitFor(t.Context(), c.count, c.match...)
			if took := time.Since(before); err != nil || !slices.Equal(namesOf(peers), c.want) || took > c.within || took < 0 {
				t.Errorf("%s: %v and error %v after %v, want %v within %v", c.name, namesOf(peers), err, took, c.want, c.within)
			}
		}
		for _, c := range [][]*zre.Peer{waiting.PeersWith("role", "camera"), waiting.PeersWith("role", ""), waiting.PeersWith("lens", "")} {
			if got := strings.Join(namesOf(c), " "); got != map[bool]string{true: "cam"}[len(c) == 1] {
				t.Errorf("peers with a header: %s", got)
			}
		}
	})
}

// WaitFor works in the event loop, which pauses meanwhile.
func TestWaitForInTheLoop(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := startUnread(t, lan.Host("10.0.0.1"))
		startUnread(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		c := startUnread(t, lan.Host("10.0.0.3"), zre.WithName("c"))
		time.AfterFunc(time.Minute, func() { c.Join("G") })
		for event := range a.AllEvents(t.Context()) {
			if _, ok := event.(zre.Enter); !ok {
				continue
			}
			peers, err := a.WaitFor(t.Context(), 1, zre.InGroup("G"))
			if err != nil || len(peers) != 1 || peers[0].UUID != c.UUID() {
				t.Errorf("%v, error %v", namesOf(peers), err)
			}
			if err := a.Whisper(t.Context(), peers[0].UUID, []byte("x")); err != nil {
				t.Error(err)
			}
			break
		}
	})
}

// The wait ends with the context and with the node, and the error says how far it came.
func TestWaitForEnds(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		new, err := zre.NewNode(zre.WithNetwork(lan.Host("10.0.0.9")))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new.WaitFor(t.Context(), 1); !errors.Is(err, zre.ErrNotStarted) {
			t.Errorf("WaitFor before Start: %v", err)
		}
		new.Close()
		if _, err := new.WaitFor(t.Context(), 0); !errors.Is(err, zre.ErrClosed) {
			t.Errorf("WaitFor after Close: %v", err)
		}

		a := startUnread(t, lan.Host("10.0.0.1"))
		startUnread(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		peers, err := a.WaitFor(contextFor(t, time.Minute), 2)
		if !errors.Is(err, context.DeadlineExceeded) || !slices.Equal(namesOf(peers), []string{"b"}) || !strings.Contains(err.Error(), "1 of 2") {
			t.Errorf("%v, error %v", namesOf(peers), err)
		}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := a.WaitFor(context.Background(), 2); !errors.Is(err, zre.ErrClosed) {
					t.Errorf("WaitFor during Close: %v", err)
				}
			})
		}
		advance(time.Second)
		a.Close()
		all.Wait()
	})
}
