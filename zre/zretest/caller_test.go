package zretest_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/libzmq"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A barePeer is a bare peer of no implementation. It sends no beacons, sends HELLO when the test asks for it, and answers PINGs. Its
// reaction determines how it reacts to our HELLOs.
type barePeer struct {
	t        testing.TB
	host     *zretest.Host
	id       uuid.UUID
	endpoint string // named in its HELLOs
	to       string // the node's mailbox, "address:port"
	manner   reaction
	inbox    *libzmq.Inbox
	hellos   atomic.Int32 // HELLOs received
	heard    atomic.Int32 // WHISPERs received

	busy     chan struct{} // a lock that may be held while fake time passes
	conn     *zmtp.Conn    // nil before the first greet
	queue    *zmtp.Queue
	sequence uint16
	asked    bool // it has sent a HELLO that our node may answer
}

// A reaction is how a caller reacts to a HELLO that does not answer its own. No reaction answers an answer.
type reaction string

const (
	silent   reaction = "silent"   // it does nothing
	replying reaction = "replying" // it sends HELLO on a new connection, then closes the older one
	renewing reaction = "renewing" // it closes its connection, opens another and sends HELLO, like C zyre
)

// newBarePeer makes a peer that listens at one "address:port" and calls the node at another.
func newBarePeer(t testing.TB, host *zretest.Host, manner reaction, listen, to string) *barePeer {
	t.Helper()
	c := &barePeer{
		t: t, host: host, id: uuid.New(), endpoint: "tcp://" + listen, to: strings.TrimPrefix(to, "tcp://"), manner: manner,
		busy: make(chan struct{}, 1),
	}
	l, err := host.Listen(t.Context(), "tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	c.inbox = libzmq.Bind(l, c.received)
	t.Cleanup(func() {
		c.hangUp()
		c.inbox.Close()
	})
	return c
}

func (c *barePeer) lock() (unlock func()) {
	c.busy <- struct{}{}
	return func() { <-c.busy }
}

// sendHello sends HELLO on a new connection. An older one stays open.
func (c *barePeer) sendHello() {
	defer c.lock()()
	c.asked = true
	c.sendHelloLocked()
}

// sendHelloLocked is sendHello for callers that hold the lock.
func (c *barePeer) sendHelloLocked() {
	nc, err := c.host.Dial(context.Background(), "tcp", c.to)
	if err != nil {
		return
	}
	c.sendHelloOn(nc)
}

func (c *barePeer) sendHelloOn(nc net.Conn) {
	q := zmtp.NewQueue(100, 1<<20)
	conn, err := zmtp.Open(context.Background(), nc, zmtp.Config{Identity: append([]byte{1}, c.id[:]...)}, q, nil, ignore{})
	if err != nil {
		return
	}
	hello := msg.OutHello{Endpoint: c.endpoint, Groups: []string{group}, Status: 1, Name: "peer"}
	frame, err := msg.AppendHello(nil, 1, &hello, msg.Limits{})
	if err != nil {
		c.t.Error(err)
	}
	_ = q.Push(frame) // if the connection is already broken, the HELLO is lost
	c.conn, c.queue, c.sequence = conn, q, 1
}

// keepCalling makes it call, PING now and then, and call again when its connection is closed, until stop is called.
func (c *barePeer) keepCalling(pause time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var calling sync.WaitGroup
	calling.Go(func() {
		again := time.NewTicker(pause)
		defer again.Stop()
		for c.sendHello(); ; {
			select {
			case <-again.C:
			case <-ctx.Done():
				return
			}
			if conn := c.current(); conn == nil || conn.Err() != nil {
				c.sendHello()
			} else {
				c.send(msg.AppendPing)
			}
		}
	})
	return func() {
		cancel()
		calling.Wait()
	}
}

// send sends a message on its connection, with the next sequence number.
func (c *barePeer) send(encode func(dst []byte, sequence uint16) []byte, content ...[]byte) {
	defer c.lock()()
	c.sendLocked(encode, content...)
}

// sendLocked is send for callers that hold the lock.
func (c *barePeer) sendLocked(encode func(dst []byte, sequence uint16) []byte, content ...[]byte) {
	if c.queue != nil {
		c.sequence++
		_ = c.queue.Push(append([][]byte{encode(nil, c.sequence)}, content...)...)
	}
}

// hangUp closes its connection and returns it.
func (c *barePeer) hangUp() *zmtp.Conn {
	defer c.lock()()
	if c.conn != nil {
		c.conn.Close(nil)
	}
	return c.conn
}

// current returns its connection.
func (c *barePeer) current() *zmtp.Conn {
	defer c.lock()()
	return c.conn
}

// received handles a message of the node.
func (c *barePeer) received(_ *libzmq.Sender, frames [][]byte) {
	var m msg.Message
	if m.Decode(frames, msg.DefaultLimits()) != nil {
		return
	}
	defer c.lock()()
	switch m.ID {
	case msg.Ping:
		c.sendLocked(msg.AppendPingOK)
	case msg.Whisper:
		c.heard.Add(1)
	case msg.Hello:
		c.hellos.Add(1)
		answer := c.asked
		c.asked = false
		if answer && (c.manner == renewing || c.conn.Err() == nil) || c.manner == silent {
			return
		}
		older := c.conn
		if older != nil && c.manner == renewing {
			older.Close(nil)
		}
		c.sendHelloLocked()
		if older != nil {
			older.Close(nil)
		}
	}
}
