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
	link     link
	peer     metadata
	told     map[string]string // properties of our own READY
	limits   Limits
	stall    time.Duration  // Config.StallTimeout
	budget   *ReceiveBudget // Config.ReceiveBudget
	waits    atomic.Bool    // the reader waits for room in it
	receiver Receiver       // once it runs; its reader's own
	memory   *memory.Pool
	origin   memory.Origin // of the message that is delivered; its reader's own
	router   *Router       // that accepted it; nil for a DEALER's
	secured  *secured      // nil without CURVE

	mu     sync.Mutex  // guards what follows, up to the empty line
	queue  *Queue      // which the reader, whose Receive alone changes it, reads without the lock
	broken func(error) // see ReadOn
	err    error       // why the connection was closed
	failed error       // what the system said of a write, unless the peer had closed before

	greeted  atomic.Bool   // the greeting came that its Receiver waited for, if it did
	heard    atomic.Bool   // octets came since Heard last told
	parts    atomic.Int32  // reader and writer, which still run
	done     chan struct{} // closing has begun
	finished chan struct{} // nothing of the connection runs any more, Closed has returned
}

// A link is what a connection runs over: a socket, or a side of an inproc link.
type link interface {
	addressed
	Close() error

	// run carries messages both ways until the connection is closed, and closes it if it cannot go on. It does not wait; when
	// all has ended it calls end.
	run(c *Conn)
}

type addressed interface {
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

func newConn(l link, peer metadata, q *Queue, cfg Config) *Conn {
	return &Conn{
		link: l, peer: peer, told: cfg.Properties, queue: q, limits: cfg.Limits,
		stall: cfg.StallTimeout, budget: cfg.ReceiveBudget, memory: cfg.Memory,
		done: make(chan struct{}), finished: make(chan struct{}),
	}
}

// Identity returns the peer's identity, 0 to 255 octets: libzmq's ROUTERs have an empty one unless told otherwise. The
// slice is the caller's.
func (c *Conn) Identity() []byte { return []byte(c.peer.get(propIdentity)) }

// Told returns a property of our own READY command by its name.
func (c *Conn) Told(name string) string { return c.told[name] }

// Property returns a property of the peer's READY command by name, in any case; "" if the peer didn't send it.
func (c *Conn) Property(name string) string { return c.peer.get(name) }

// LocalAddr returns this side's address of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.link.LocalAddr() }

// RemoteAddr returns the peer's address of the connection.
func (c *Conn) RemoteAddr() net.Addr { return c.link.RemoteAddr() }

// Queue returns the messages on their way to the peer: the queue that Open was given, or a ROUTER connection's own (of
// 1,000 messages and 1 MiB), or the one that it adopted.
func (c *Conn) Queue() *Queue {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue
}

// Close closes the connection and its queue; what waits there is lost (Queue.Flush first, to have it written), unless it
// is an inproc link, whose other side gets it. It returns at once and may be called from anywhere, also from Receive. The goroutines end, and Closed is called, soon after. Only the
// first Close counts; nil stands for ErrClosed.
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
	queue.shut(err, false)
	_ = c.link.Close() // the connection is over either way
}

// Done returns a channel that is closed as soon as the connection begins to close.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection was closed, nil while it isn't.
func (c *Conn) Err() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Linux tells of a reset or a timeout once. If that was the writer, the reader finds the end of a stream.
	if c.failed != nil && (c.err == io.EOF || c.err == io.ErrUnexpectedEOF) {
		return c.failed
	}
	return c.err
}

// run begins the connection's life, whose messages recv gets. It does not wait.
func (c *Conn) run(recv Receiver) {
	c.receiver = recv
	c.link.run(c)
}

// end is the last act of a connection.
func (c *Conn) end() {
	if c.receiver != nil { // else it was refused
		c.receiver.Closed(c.Err())
	}
	if c.router != nil {
		c.router.ended(c)
		defer c.router.wg.Done()
	}
	close(c.finished)
}

// deliver hands a message to the Receiver of the moment.
func (c *Conn) deliver(frames [][]byte, from memory.Origin) error {
	c.origin = from
	return c.receiver.Receive(frames)
}

// Origin returns, within Receive and for its message, what memory.Recycle wants to know of it.
func (c *Conn) Origin() memory.Origin { return c.origin }

// A socket is a link that speaks ZMTP.
type socket struct{ net.Conn }

// run reads, and writes whenever there is something to write.
func (s socket) run(c *Conn) {
	c.parts.Store(2)
	s.drain(c, c.queue)
	r := &reader{
		src: nearby(s.Conn), limits: &c.limits, deliver: c.deliver, pong: c.pong, heard: &c.heard,
		screen: c.screener(), account: account{conn: c}, pace: pace{timeout: c.stall}, sealed: c.unsealing(),
	}
	r.cutter.Pool = c.memory
	go c.read(r)
}

// drain has what is in a queue written, whenever there is something.
func (s socket) drain(c *Conn, q *Queue) {
	w := &writer{nc: s.Conn, queue: q, sealing: c.sealing()}
	q.drainBy(func() {
		if err := w.run(); err != nil {
			c.unwritten(q, err)
		}
	})
}

// read runs until the connection ends, or goes on on a fresh goroutine.
func (c *Conn) read(r *reader) {
	err := r.run()
	if err == errQuiet {
		go c.read(r)
		return
	}
	r.account.close()
	c.ended(err)
}

// ended says that the reader or the writer has ended.
func (c *Conn) ended(err error) {
	c.Close(err)
	c.leave()
}

// leave is the last act of the reader or the writer.
func (c *Conn) leave() {
	if c.parts.Add(-1) == 0 {
		c.end()
	}
}

// pong answers a PING. A peer that sends PINGs and reads nothing misses answers once the queue is full.
func (c *Conn) pong(context []byte) {
	const name = zmq4.CmdPong
	var b [1 + len(name) + pingContext]byte
	_ = c.queue.pushCommand(append(append(append(b[:0], byte(len(name))), name...), context...))
}
