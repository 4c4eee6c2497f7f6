package node

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/ipc"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// An ipcPeer plays a node of this host on its unix socket, with the given extensions in its READYs.
type ipcPeer struct {
	t      *testing.T
	node   *testNode
	id     uuid.UUID
	words  string
	router *zmtp.Router
	came   chan *ipcCall // the node's calls
}

// An ipcCall is a connection with the node, made by either end.
type ipcCall struct {
	t    *testing.T
	conn *zmtp.Conn
	got  chan msg.ID
}

func (c *ipcCall) Receive(frames [][]byte) error {
	var m msg.Message
	if err := m.Decode(frames, msg.DefaultLimits()); err != nil {
		c.t.Errorf("the node sent %x: %v", frames, err)
	}
	c.got <- m.ID
	return nil
}

func (c *ipcCall) Closed(error) { close(c.got) }

// next waits for a message; 0 means the end of the connection.
func (c *ipcCall) next(want msg.ID) {
	c.t.Helper()
	for id := range c.got {
		if id == want {
			return
		}
	}
	if want != 0 {
		c.t.Fatalf("no %v came", want)
	}
}

func newIPCPeer(t *testing.T, n *testNode, id uuid.UUID, words string) *ipcPeer {
	t.Helper()
	f := &ipcPeer{t: t, node: n, id: id, words: words, came: make(chan *ipcCall, 10)}
	cfg := zmtp.Config{Identity: identity(id), Properties: map[string]string{extensionsProperty: words}}
	f.router = zmtp.NewRouter(cfg, func(conn *zmtp.Conn) (zmtp.Receiver, error) {
		c := &ipcCall{t: t, conn: conn, got: make(chan msg.ID, 1000)}
		f.came <- c
		return c, nil
	})
	l, err := ipc.Default().Listen(id)
	if err != nil {
		t.Fatal(err)
	}
	go f.router.Serve(l)
	t.Cleanup(func() { f.router.Close() })
	return f
}

func (f *ipcPeer) hello() []byte {
	hello := msg.OutHello{Endpoint: "tcp://127.0.0.1:1", Name: "fake"}
	header, err := msg.AppendHello(nil, 1, &hello, msg.Limits{})
	if err != nil {
		f.t.Fatal(err)
	}
	return header
}

// call calls the node and says HELLO.
func (f *ipcPeer) call() *ipcCall {
	f.t.Helper()
	nc, err := ipc.Default().Dial(f.t.Context(), f.node.UUID())
	if err != nil {
		f.t.Fatal(err)
	}
	c := &ipcCall{t: f.t, got: make(chan msg.ID, 1000)}
	cfg := zmtp.Config{Identity: identity(f.id), Properties: map[string]string{extensionsProperty: f.words}}
	c.conn, err = zmtp.Open(context.Background(), nc, cfg, zmtp.NewQueue(1000, 1<<20), nil, c)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.conn.Close(nil) })
	if err := c.conn.Queue().Push(f.hello()); err != nil {
		f.t.Fatal(err)
	}
	return c
}

// What a node does, message by message.
func TestDuplexProtocol(t *testing.T) {
	begin := func(t *testing.T, nodeIsLow bool, words string) (*testNode, *ipcPeer) {
		t.Parallel()
		low, high := orderedUUIDs()
		if !nodeIsLow {
			low, high = high, low
		}
		n := start(t, onLoopback(beaconPort(), Config{UUID: low}))
		return n, newIPCPeer(t, n, high, words)
	}
	whisper := func(t *testing.T, n *testNode, f *ipcPeer, by *ipcCall) {
		t.Helper()
		n.waitKind(Enter, f.id)
		n.until(t, "it is connected", func() bool { return n.sessions[f.id].mailbox != nil })
		if err := n.Whisper(t.Context(), f.id, []byte("x")); err != nil {
			t.Fatal(err)
		}
		by.next(msg.Whisper)
	}
	t.Run("answers an offered call", func(t *testing.T) {
		n, f := begin(t, true, ipcExtensions)
		c := f.call()
		c.next(msg.Hello)
		whisper(t, n, f, c)
		if len(f.came) > 0 {
			t.Error("the node called too")
		}
		c.conn.Close(nil)
		n.waitKind(Exit, f.id)
	})
	t.Run("refuses an offered call if it has called", func(t *testing.T) {
		n, f := begin(t, true, ipcExtensions)
		n.meetNear(t, f.id)
		called := <-f.came
		called.next(msg.Hello)
		n.until(t, "it is connected", func() bool { return n.sessions[f.id].mailbox != nil })
		f.call().next(0) // it hangs up, and sends nothing
		if err := called.conn.Queue().Push(f.hello()); err != nil {
			t.Fatal(err)
		}
		whisper(t, n, f, called)
	})
	t.Run("offers a call, and continues on it", func(t *testing.T) {
		n, f := begin(t, false, ipcExtensions)
		n.meetNear(t, f.id)
		offer := <-f.came
		offer.next(msg.Hello)
		if err := offer.conn.Queue().Push(f.hello()); err != nil {
			t.Fatal(err)
		}
		whisper(t, n, f, offer)
	})
	t.Run("offers a call, and continues where it is called", func(t *testing.T) {
		n, f := begin(t, false, ipcExtensions)
		n.meetNear(t, f.id)
		offer := <-f.came
		offer.next(msg.Hello)
		c := f.call()
		c.next(msg.Hello)
		offer.next(0)
		whisper(t, n, f, c)
	})
	t.Run("offers another call if the first is refused", func(t *testing.T) {
		n, f := begin(t, false, ipcExtensions)
		n.meetNear(t, f.id)
		(<-f.came).conn.Close(nil)
		offer := <-f.came
		offer.next(msg.Hello)
		if err := offer.conn.Queue().Push(f.hello()); err != nil {
			t.Fatal(err)
		}
		whisper(t, n, f, offer)
	})
	for _, nodeIsLow := range []bool{true, false} {
		t.Run(fmt.Sprintf("uses two connections with a peer without the extension, low %v", nodeIsLow), func(t *testing.T) {
			n, f := begin(t, nodeIsLow, ourExtensions)
			n.meetNear(t, f.id)
			called := <-f.came
			called.next(msg.Hello)
			f.call()
			whisper(t, n, f, called)
		})
	}
	t.Run("accepts one HELLO on a connection", func(t *testing.T) {
		n, f := begin(t, true, ipcExtensions)
		c := f.call()
		c.next(msg.Hello)
		n.waitKind(Enter, f.id)
		if err := c.conn.Queue().Push(f.hello()); err != nil {
			t.Fatal(err)
		}
		c.next(0)
		n.waitKind(Exit, f.id)
	})
}

// meetNear makes a node learn of a peer on this host.
func (r *testNode) meetNear(t *testing.T, id uuid.UUID) {
	t.Helper()
	if err := r.do(func() { r.meet(peerClaim{uuid: id}, r.newPaths(nil, false), true) }); err != nil {
		t.Fatal(err)
	}
}

// The extension is announced only on unix sockets.
func TestDuplexIsNotAnnouncedByTCP(t *testing.T) {
	t.Parallel()
	n := start(t, onLoopback(beaconPort(), Config{}))
	f := newFakePeer(t, n)
	f.enter()
	for _, conn := range []*zmtp.Conn{f.conn, f.mailboxed.Load()} {
		if words := conn.Property(extensionsProperty); words != ourExtensions {
			t.Errorf("the node announces %q, want %q", words, ourExtensions)
		}
	}
	if f.conn.Property(stateProperty) != "" {
		t.Error("the ROUTER announces a state")
	}
}
