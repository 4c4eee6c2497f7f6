package zretest_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A gate is a network on which one step of a start waits until the gate opens, or fails.
type gate struct {
	*zretest.Host
	step string        // "tcp :5672": the prefix of an address that is dialled or listened on
	open chan struct{} // closed to continue the step
	err  error         // the result of the step then; nil to execute it
}

func (g *gate) wait(ctx context.Context, network, address string) error {
	if !strings.HasPrefix(network+" "+address, g.step) {
		return nil
	}
	select {
	case <-g.open:
		return g.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gate) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := g.wait(ctx, network, address); err != nil {
		return nil, err
	}
	return g.Host.Dial(ctx, network, address)
}

func (g *gate) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	if err := g.wait(ctx, network, address); err != nil {
		return nil, err
	}
	return g.Host.Listen(ctx, network, address)
}

// The steps of a start that can wait.
var steps = []struct {
	name    string
	step    string
	options []zre.Option
}{
	{"mailbox", "tcp :", nil},
	{"ipc", "unix", nil},
	{"gossip", "tcp :5672", []zre.Option{zre.WithGossipBind("tcp://*:5672"), zre.WithGossipConnect("tcp://10.0.0.3:5672")}},
}

// atEachStep runs a test with a node whose start waits at one of the steps, for each.
func atEachStep(t *testing.T, test func(t *testing.T, lan *zretest.LAN, g *gate, node *zre.Node)) {
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				g := &gate{Host: lan.Host("10.0.0.1"), step: s.step, open: make(chan struct{})}
				node, err := zre.NewNode(append(s.options, zre.WithNetwork(g))...)
				if err != nil {
					t.Fatal(err)
				}
				defer node.Close()
				test(t, lan, g, node)
			})
		})
	}
}

// startAsync begins to start a node and returns when the start waits.
func startAsync(node *zre.Node) <-chan error {
	started := make(chan error, 1)
	go func() { started <- node.Start(context.Background()) }()
	synctest.Wait()
	return started
}

// No call waits for a waiting start. Close ends the start and closes what it opened, as the LAN checks at the end.
func TestCallsBesideStart(t *testing.T) {
	atEachStep(t, func(t *testing.T, _ *zretest.LAN, _ *gate, node *zre.Node) {
		started := startAsync(node)
		for _, c := range []struct {
			name string
			call func() error
			want error
		}{
			{"Join", func() error { return node.Join("G") }, nil},
			{"Leave", func() error { return node.Leave("G") }, nil},
			{"SetState", func() error { return node.SetState(zre.StateProcessing) }, nil},
			{"Start", func() error { return node.Start(t.Context()) }, zre.ErrStarted},
			{"Whisper", func() error { return node.Whisper(t.Context(), uuid.New()) }, zre.ErrNotStarted},
			{"Shout", func() error { return node.Shout(t.Context(), "G") }, zre.ErrNotStarted},
			{"Ping", func() error { _, err := node.Ping(t.Context(), uuid.New()); return err }, zre.ErrNotStarted},
			{"Endpoint", func() error {
				if endpointOf(node) != "" {
					return errors.New("there is none yet")
				}
				return nil
			}, nil},
			{"Close", node.Close, nil},
			{"Close again", node.Close, nil},
			{"Join of a closed node", func() error { return node.Join("G") }, zre.ErrClosed},
			{"Whisper of a closed node", func() error { return node.Whisper(t.Context(), uuid.New()) }, zre.ErrClosed},
			{"Start of a closed node", func() error { return node.Start(t.Context()) }, zre.ErrClosed},
		} {
			began := time.Now()
			if err := c.call(); !errors.Is(err, c.want) || time.Since(began) > 0 {
				t.Errorf("%s: %v after %v, want %v at once", c.name, err, time.Since(began), c.want)
			}
		}
		if err := <-started; !errors.Is(err, zre.ErrClosed) {
			t.Errorf("Start: %v", err)
		}
	})
}

// Groups and states set while the node starts are in its HELLO and its beacon.
func TestJoinAndSetStateBesideStart(t *testing.T) {
	atEachStep(t, func(t *testing.T, lan *zretest.LAN, g *gate, node *zre.Node) {
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		if err := errors.Join(node.Join("before"), node.Join("not any more"), node.SetState(zre.StateReceiving)); err != nil {
			t.Fatal(err)
		}
		started := startAsync(node)
		if err := errors.Join(node.Join("meanwhile"), node.Leave("not any more"), node.SetState(zre.StateProcessing)); err != nil {
			t.Fatal(err)
		}
		close(g.open)
		if err := <-started; err != nil {
			t.Fatal(err)
		}
		if e := zretest.Next[zre.Enter](b); e.Peer.State != zre.StateProcessing || node.State() != zre.StateProcessing {
			t.Errorf("it enters in state %v, and is in %v", e.Peer.State, node.State())
		}
		advance(5 * time.Second)
		if p, _ := b.Peer(node.UUID()); !slices.Equal(p.Groups, []string{"before", "meanwhile"}) || !slices.Equal(node.Groups(), p.Groups) {
			t.Errorf("it is in groups %q, and says %q", p.Groups, node.Groups())
		}
		expectEqual(t, "events", changes(b), []string{"Enter", "Join", "Join"})
	})
}

// changes names the events of a node, in order.
func changes(w *zretest.Watched) (names []string) {
	for _, e := range w.Seen() {
		switch e.(type) {
		case zre.Enter:
			names = append(names, "Enter")
		case zre.Join:
			names = append(names, "Join")
		case zre.StateChange:
			names = append(names, "StateChange")
		case zre.Exit:
			names = append(names, "Exit")
		}
	}
	return names
}

// A failed start, at any step, leaves nothing behind: the node works as before and can be started again.
func TestStartAfterOneThatFailed(t *testing.T) {
	broken := errors.New("broken")
	atEachStep(t, func(t *testing.T, lan *zretest.LAN, g *gate, node *zre.Node) {
		g.err = broken
		close(g.open)
		if err := node.Start(t.Context()); g.step == "unix" && err != nil {
			t.Fatal(err) // the others connect by TCP
		} else if g.step == "unix" {
			t.Skip("it starts without ipc")
		} else if !errors.Is(err, broken) {
			t.Fatalf("Start: %v", err)
		}
		advance(time.Second)
		if err := errors.Join(node.SetState(zre.StateProcessing), node.Join("G")); err != nil {
			t.Error(err)
		}
		if endpointOf(node) != "" {
			t.Errorf("it is at %s", endpointOf(node))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(broken)
		if err := node.Start(ctx); !errors.Is(err, broken) {
			t.Errorf("Start with a context that has ended: %v", err)
		}
		g.err = nil
		if err := node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		if e := zretest.Next[zre.Enter](b); e.Peer.State != zre.StateProcessing {
			t.Errorf("state %v", e.Peer.State)
		}
		if e := zretest.Next[zre.Join](b); e.Group != "G" {
			t.Errorf("group %q", e.Group)
		}
	})
}

// The context of Start limits it. Start says why it ended, and can be called again.
func TestStartIsCancelled(t *testing.T) {
	atEachStep(t, func(t *testing.T, _ *zretest.LAN, g *gate, node *zre.Node) {
		if g.step == "unix" {
			t.Skip("it starts without ipc")
		}
		began := time.Now()
		if err := node.Start(contextFor(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Start: %v after %v", err, time.Since(began))
		}
		if err := node.Start(contextFor(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("another Start: %v", err)
		}
	})
}
