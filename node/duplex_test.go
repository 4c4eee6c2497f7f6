package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
)

// A countingNetwork is the system's network as one process of this host sees it. It counts dialled unix sockets that are open.
type countingNetwork struct {
	Network
	open *atomic.Int32
}

func (c *countingNetwork) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := c.Network.Dial(ctx, network, address)
	if err != nil || network != "unix" {
		return nc, err
	}
	c.open.Add(1)
	return &countedConn{Conn: nc, open: c.open}, nil
}

type countedConn struct {
	net.Conn
	once sync.Once
	open *atomic.Int32
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// orderedUUIDs returns two UUIDs, the lower first.
func orderedUUIDs() (low, high uuid.UUID) {
	low, high = uuid.New(), uuid.New()
	low[0], high[0] = 1, 2
	return low, high
}

// waitForOneConnection waits until two nodes have met and use one connection.
func waitForOneConnection(t *testing.T, open *atomic.Int32, a, b *testNode) {
	t.Helper()
	for _, pair := range [][2]*testNode{{a, b}, {b, a}} {
		one, other := pair[0], pair[1]
		one.waitKind(Enter, other.UUID())
		one.until(t, "it is connected", func() bool { return one.sessions[other.UUID()].mailbox != nil })
		if p, _ := one.Peer(other.UUID()); p == nil || p.Transport != IPC {
			t.Errorf("%s knows the peer as %+v, want one by ipc", one.Name(), p)
		}
	}
	eventually(t, "one connection is left", func() bool { return open.Load() == 1 })
}

// Two nodes of one host have one connection, whichever starts or leaves first, and nothing that was sent before its end is lost.
func TestOneConnection(t *testing.T) {
	for i := range 8 {
		lowFirst, lowLeaves, flood := i&1 != 0, i&2 != 0, i&4 != 0
		t.Run(fmt.Sprintf("low first %v, low leaves %v, flood back %v", lowFirst, lowLeaves, flood), func(t *testing.T) {
			t.Parallel()
			low, high := orderedUUIDs()
			var open atomic.Int32
			port := beaconPort()
			node := func(id uuid.UUID, name string) *testNode {
				return start(t, onLoopback(port, Config{UUID: id, Name: name, Network: &countingNetwork{System, &open}}))
			}
			var a, b *testNode
			if lowFirst {
				a = node(low, "low")
				b = node(high, "high")
			} else {
				b = node(high, "high")
				a = node(low, "low")
			}
			waitForOneConnection(t, &open, a, b)
			if err := errors.Join(a.Join("G"), a.SetState(5)); err != nil {
				t.Fatal(err)
			}
			b.waitKind(Join, low)
			b.waitKind(State, low)
			leaver, stayer := a, b
			if !lowLeaves {
				leaver, stayer = b, a
			}
			ctx, stop := context.WithCancel(t.Context())
			var talking sync.WaitGroup
			if flood { // the leaving node has much to read at that moment
				talking.Go(func() {
					for ctx.Err() == nil && stayer.Whisper(ctx, leaver.UUID(), make([]byte, 1000)) == nil {
					}
				})
			}
			const words = 2000
			for i := range words {
				if err := leaver.Whisper(t.Context(), stayer.UUID(), binary.BigEndian.AppendUint32(nil, uint32(i)), make([]byte, 500)); err != nil {
					t.Fatal(err)
				}
			}
			if err := leaver.Close(); err != nil {
				t.Fatal(err)
			}
			if e := stayer.waitKind(Exit, leaver.UUID()); e.Reason != Left {
				t.Errorf("the peer exited as %v, want left", e.Reason)
			}
			stop()
			talking.Wait()
			if got := stayer.count(Whisper, leaver.UUID()); got != words {
				t.Errorf("%d of %d messages came", got, words)
			}
			if n := stayer.count(Enter, leaver.UUID()) + stayer.count(Exit, leaver.UUID()); n != 2 {
				t.Errorf("got events %q, want one Enter and one Exit", stayer.eventsOf(leaver.UUID()))
			}
			eventually(t, "no connection is left", func() bool { return open.Load() == 0 })
		})
	}
}

// The death of a process is noticed at once by its one connection, whichever end made it. Its successor is met like the first one.
func TestOneConnectionRestart(t *testing.T) {
	for _, lowDies := range []bool{true, false} {
		t.Run(fmt.Sprintf("low dies %v", lowDies), func(t *testing.T) {
			t.Parallel()
			low, high := orderedUUIDs()
			if !lowDies {
				low, high = high, low
			}
			var open atomic.Int32
			port := beaconPort()
			stays := start(t, onLoopback(port, Config{UUID: high, Name: "stays", Network: &countingNetwork{System, &open}}))
			cfg := onLoopback(port, Config{UUID: low, Name: "dies", Network: &countingNetwork{System, &open}})
			dies := start(t, cfg)
			waitForOneConnection(t, &open, dies, stays)
			// Like SIGKILL: the connections end without GOODBYE, and nothing listens any more.
			dies.agent.Silence()
			if err := dies.do(func() { dies.stopping = true }); err != nil {
				t.Fatal(err)
			}
			dies.cfg.Linger = -1
			if err := dies.router.Close(); err != nil {
				t.Fatal(err)
			}
			if err := dies.do(func() {
				for _, p := range dies.sessions {
					p.close(ErrClosed)
				}
			}); err != nil {
				t.Fatal(err)
			}
			if e := stays.waitKind(Exit, low); e.Reason != Crashed {
				t.Errorf("the peer exited as %v, want crashed", e.Reason)
			}
			if err := dies.Close(); err != nil {
				t.Fatal(err)
			}
			again := start(t, cfg)
			eventually(t, "its successor enters", func() bool { return stays.count(Enter, low) == 2 })
			again.waitKind(Enter, high)
			eventually(t, "one connection is left", func() bool { return open.Load() == 1 })
			if err := again.Whisper(t.Context(), high, []byte("back")); err != nil {
				t.Fatal(err)
			}
			stays.waitKind(Whisper, low)
		})
	}
}

// Many nodes that start at once have one connection per pair, and miss no node.
func TestOneConnectionOfMany(t *testing.T) {
	t.Parallel()
	const many = 12
	var open atomic.Int32
	port := beaconPort()
	nodes := make([]*testNode, many)
	for i := range nodes {
		n, err := New(onLoopback(port, Config{Name: fmt.Sprint(i), Network: &countingNetwork{System, &open}}))
		if err != nil {
			t.Fatal(err)
		}
		nodes[i] = &testNode{Node: n, t: t, news: make(chan struct{})}
	}
	var starting sync.WaitGroup
	for _, n := range nodes {
		starting.Go(func() {
			if err := n.Start(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	for _, n := range nodes {
		n.listen()
		t.Cleanup(func() { _ = n.Close(); n.taking.Wait() })
	}
	for _, n := range nodes {
		for _, o := range nodes {
			if o != n {
				n.waitKind(Enter, o.UUID())
				n.until(t, "it is connected", func() bool { return n.sessions[o.UUID()].mailbox != nil })
			}
		}
	}
	eventually(t, "one connection a pair is left", func() bool { return open.Load() == many*(many-1)/2 })
	for _, n := range nodes {
		for _, o := range nodes {
			if got := n.count(Exit, o.UUID()); got > 0 {
				t.Errorf("%s lost %s: %q", n.Name(), o.Name(), n.eventsOf(o.UUID()))
			}
		}
	}
}

// A peer that does not read fills its queue; then the sender waits. The peer can still send. When it reads, nothing is missing.
func TestFloodBothWays(t *testing.T) {
	t.Parallel()
	low, high := orderedUUIDs()
	var open atomic.Int32
	port := beaconPort()
	limits := Limits{Events: 10, QueueMessages: 100}
	deafNode := func(id uuid.UUID) *testNode {
		n, err := New(onLoopback(port, Config{UUID: id, Network: &countingNetwork{System, &open}, Limits: limits, SendTimeout: patience}))
		if err != nil {
			t.Fatal(err)
		}
		return startDeaf(t, n)
	}
	a, b := deafNode(low), deafNode(high)
	for _, pair := range [][2]*testNode{{a, b}, {b, a}} {
		eventually(t, "they meet", func() bool { p, ok := pair[0].Peer(pair[1].UUID()); return ok && p.Transport == IPC })
	}
	fill := func(from, to *testNode) (sent int) {
		for {
			if from.queueFull(to.UUID()) {
				return sent
			}
			if err := from.Whisper(t.Context(), to.UUID(), make([]byte, 10_000)); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	fromA := fill(a, b)
	a.listen()
	if err := b.Whisper(t.Context(), low, []byte("while I am flooded")); err != nil {
		t.Fatal(err)
	}
	a.wait("the message", func(e Event) bool { return e.Kind == Whisper && len(e.Frames[0]) < 100 })
	b.listen()
	eventually(t, "all is read", func() bool { return b.count(Whisper, low) == fromA })
	if open.Load() != 1 {
		t.Errorf("%d connections are open, want 1", open.Load())
	}
}

// A slow reader reads everything that was sent before the other node left, though it can no longer answer.
func TestSlowReaderGetsLastMessages(t *testing.T) {
	for _, lowLeaves := range []bool{true, false} {
		t.Run(fmt.Sprintf("low leaves %v", lowLeaves), func(t *testing.T) {
			t.Parallel()
			low, high := orderedUUIDs()
			if !lowLeaves {
				low, high = high, low
			}
			var open atomic.Int32
			port := beaconPort()
			n, err := New(onLoopback(port, Config{UUID: high, Network: &countingNetwork{System, &open}, Limits: Limits{Events: 10}}))
			if err != nil {
				t.Fatal(err)
			}
			slow := startDeaf(t, n)
			leaver := start(t, onLoopback(port, Config{UUID: low, Network: &countingNetwork{System, &open}}))
			leaver.waitKind(Enter, high)
			eventually(t, "they meet", func() bool { p, ok := slow.Peer(low); return ok && p.Transport == IPC && open.Load() == 1 })
			const words = 200
			for range words {
				if err := leaver.Whisper(t.Context(), high, make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			if err := leaver.Close(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a whisper to it fails", func() bool { return slow.Whisper(t.Context(), low, []byte("x")) != nil })
			slow.listen()
			if e := slow.waitKind(Exit, low); e.Reason != Left {
				t.Errorf("the peer exited as %v, want left", e.Reason)
			}
			if got := slow.count(Whisper, low); got != words {
				t.Errorf("%d of %d messages came", got, words)
			}
		})
	}
}

// queueFull reports whether a message to a peer would wait.
func (r *testNode) queueFull(id uuid.UUID) bool {
	r.Node.mu.RLock()
	defer r.Node.mu.RUnlock()
	messages, _ := r.sessions[id].out.Depth()
	return messages >= r.cfg.Limits.QueueMessages
}
