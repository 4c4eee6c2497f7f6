package zmtp

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/go-zre/go-zre/internal/memory"
)

// A Conn is one connection to a peer, after its handshake.
type Conn struct {
	link          link
	peer          metadata
	ownProperties map[string]string // properties of our own READY
	limits        Limits
	stallTimeout  time.Duration  // Config.StallTimeout
	budget        *ReceiveBudget // Config.ReceiveBudget
	waitsForRoom  atomic.Bool    // the reader waits for room in budget
	receiver      Receiver       // once it runs; the reader owns it
	memory        *memory.Pool
	origin        memory.Origin // of the message being delivered; the reader owns it
	router        *Router       // the Router that accepted it; nil for a DEALER's
	curve         *curveState   // nil without CURVE

	mu           sync.Mutex  // guards what follows, up to the empty line
	queue        *Queue      // only the reader's Receive changes it, so the reader reads it without the lock
	onWriteError func(error) // see KeepReading
	err          error       // why the connection was closed
	writeErr     error       // the system's error of a write, unless the peer had closed before

	greeted  atomic.Bool   // the greeting has come, if its Receiver waited for one
	heard    atomic.Bool   // octets have come since the last call of Heard
	running  atomic.Int32  // how many of reader and writer still run
	done     chan struct{} // closing has begun
	finished chan struct{} // nothing of the connection runs any more, and Closed has returned
}

// A link is what a connection runs over: a socket, or a side of an inproc link.
type link interface {
	addressed
	Close() error

	// run carries messages both ways until the connection is closed, and closes it if it cannot continue. It does not wait; when everything
	// has ended it calls end.
	run(c *Conn)
}

type addressed interface {
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

func newConn(l link, peer metadata, q *Queue, cfg Config) *Conn {
	return &Conn{
		link: l, peer: peer, ownProperties: cfg.Properties, queue: q, limits: cfg.Limits,
		stallTimeout: cfg.StallTimeout, budget: cfg.ReceiveBudget, memory: cfg.Memory,
		done: make(chan struct{}), finished: make(chan struct{}),
	}
}

// Identity returns the peer's identity, 0 to 255 octets: libzmq's ROUTERs have an empty one by default. The caller owns the slice.
func (c *Conn) Identity() []byte { return []byte(c.peer.get(propIdentity)) }

// OwnProperty returns a property of our own READY command by its name.
func (c *Conn) OwnProperty(name string) string { return c.ownProperties[name] }

// Property returns a property of the peer's READY command by name, in any case; "" if the peer didn't send it.
func (c *Conn) Property(name string) string { return c.peer.get(name) }

// LocalAddr returns this side's address of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.link.LocalAddr() }

// RemoteAddr returns the peer's address of the connection.
func (c *Conn) RemoteAddr() net.Addr { return c.link.RemoteAddr() }

// Queue returns the queue of messages on their way to the peer: the one that Open was given, a ROUTER connection's own (of 1,000 messages
// and 1 MiB), or the one that it adopted.
func (c *Conn) Queue() *Queue {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue
}

// Close closes the connection and its queue. What waits there is lost (call Queue.Flush before, to have it written), except on an inproc
// link, whose other side gets it. Close returns at once and may be called from anywhere, also from Receive. The goroutines end, and Closed
// is called, soon after. Only the first Close counts; nil stands for ErrClosed.
func (c *Conn) Close(err error) {
	if err == nil {
		err = ErrClosed
	}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	close(c.done)
	queue := c.queue
	c.mu.Unlock()
	queue.closeQueue(err, false)
	_ = c.link.Close() // the connection is over either way
}

// Done returns a channel that is closed as soon as the connection begins to close.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection was closed; nil while it is open.
func (c *Conn) Err() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Linux reports a reset or a timeout once. If the writer got it, the reader finds the end of the stream.
	if c.writeErr != nil && (c.err == io.EOF || c.err == io.ErrUnexpectedEOF) {
		return c.writeErr
	}
	return c.err
}

// run starts the connection; recv gets its messages. It does not wait.
func (c *Conn) run(recv Receiver) {
	c.receiver = recv
	c.link.run(c)
}

// end is the last step of a connection.
func (c *Conn) end() {
	if c.receiver != nil { // else it was refused
		c.receiver.Closed(c.Err())
	}
	if c.router != nil {
		c.router.connEnded(c)
		defer c.router.wg.Done()
	}
	close(c.finished)
}

// deliver hands a message to the current Receiver.
func (c *Conn) deliver(frames [][]byte, from memory.Origin) error {
	c.origin = from
	return c.receiver.Receive(frames)
}

// Origin returns what memory.Recycle needs for the current message. Call it within Receive.
func (c *Conn) Origin() memory.Origin { return c.origin }

// A socket is a link that speaks ZMTP.
type socket struct{ net.Conn }

// run reads, and writes whenever there is something to write.
func (s socket) run(c *Conn) {
	c.running.Store(2)
	s.drain(c, c.queue)
	r := &reader{
		src: localSource(s.Conn), limits: &c.limits, deliver: c.deliver, pong: c.pong, heard: &c.heard,
		screen: c.screener(), account: account{conn: c}, pace: pace{timeout: c.stallTimeout}, sealed: c.unsealing(),
	}
	r.cutter.Pool = c.memory
	go c.read(r)
}

// drain makes a writer write what is in a queue, whenever there is something.
func (s socket) drain(c *Conn, q *Queue) {
	w := &writer{nc: s.Conn, queue: q, sealing: c.sealing()}
	q.drainBy(func() {
		if err := w.run(); err != nil {
			c.writerEnded(q, err)
		}
	})
}

// read runs until the connection ends, or continues on a fresh goroutine.
func (c *Conn) read(r *reader) {
	err := r.run()
	if err == errQuiet {
		go c.read(r)
		return
	}
	r.account.close()
	c.closeFromLoop(err)
}

// closeFromLoop closes the connection, because the reader or the writer has ended.
func (c *Conn) closeFromLoop(err error) {
	c.Close(err)
	c.loopEnded()
}

// loopEnded is the last step of the reader or the writer.
func (c *Conn) loopEnded() {
	if c.running.Add(-1) == 0 {
		c.end()
	}
}

// pong answers a PING. A peer that sends PINGs and reads nothing misses answers once the queue is full.
func (c *Conn) pong(context []byte) {
	const name = zmq4.CmdPong
	var b [1 + len(name) + pingContext]byte
	_ = c.queue.pushCommand(append(append(append(b[:0], byte(len(name))), name...), context...))
}
