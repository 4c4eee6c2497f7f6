// Package outbox numbers and queues what is sent to one peer in one session.
//
// An [Outbox] is the lock around the sequence number (RFC 36, "ZRE Commands") and the order in the queue: a message gets its number and its
// position in one step. The outbox parks messages while it does not know how the peer's sequence wraps (wrap.go), lets PING and PING-OK
// overtake waiting messages (ping.go), and hands messages over without the queue if the peer is a node of this process (handover.go).
//
// It knows neither nodes nor peers. Only AwaitSent waits: a sender that finds the queue full waits for [Outbox.Room].
package outbox

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/internal/traffic"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// Config is what an Outbox needs to know.
type Config struct {
	// QueueMessages and QueueBytes bound what waits for the peer; see zmtp.NewQueue. The same bounds apply a second time to what is parked
	// while the sequence wraps.
	QueueMessages int
	QueueBytes    int64

	// SendBudget bounds what all outboxes of a node hold together; nil for no bound.
	SendBudget *zmtp.SendBudget

	// Inproc says that the peer is a node of this process: the queue copies all that it gets, and HandOverTo may follow.
	Inproc bool

	// Drop ends the session, because the peer does not take its messages. It is called with the lock held: it must neither wait nor call
	// the Outbox.
	Drop func()
}

// Outbox holds what is sent to one peer in one session, which begins with HELLO, number 1. Its methods may be called from any goroutine and
// do not wait, except AwaitSent. An error that they return wraps zmtp.ErrFull or zmtp.ErrQueueClosed, or is the one that was passed to Finish.
type Outbox struct {
	cfg     Config
	queue   *zmtp.Queue
	closing sync.Once
	done    chan struct{} // closed by Close

	urgent atomic.Int32 // how many goroutines want mu for a PING or its answer: senders of many messages let them go first

	// mu guards the rest, except what cycle guards itself. The successor's mu may be taken while mu is held.
	mu          sync.Mutex
	cycle       cycle
	sequence    uint16  // of the last message
	finished    error   // the application sends no more: the error that its calls return
	ended       bool    // the node sends no more either: our last message is queued
	wrap        *wrap   // what waits until we know how to number it; mostly nil
	successor   *Outbox // of the session that sends what this one could not
	localPeer           // the other end of a link within the process
	scratch     []byte
	frames      [][]byte
	isSuccessor bool  // it is the successor of another outbox
	pings       int   // sent
	pongs       int   // answered
	unanswered  []ask // the application's PINGs without an answer, in order
	lost        lost  // what was parked and never sent
	via         traffic.Transport
	accepted    traffic.Count // what Send has accepted with the current transport
	earlier     traffic.Table // what it accepted with earlier transports
	trip        roundTrip
}

// New returns the outbox of a new session.
func New(cfg Config) *Outbox {
	o := &Outbox{cfg: cfg, done: make(chan struct{}), sequence: 1} // HELLO
	if cfg.Inproc {
		o.queue = zmtp.NewInprocQueue(cfg.QueueMessages, cfg.QueueBytes)
	} else {
		o.queue = zmtp.NewQueue(cfg.QueueMessages, cfg.QueueBytes)
	}
	o.queue.SetBudget(cfg.SendBudget)
	return o
}

// Queue returns the queue, for the connection that drains it. Nothing else may push to it.
func (o *Outbox) Queue() *zmtp.Queue { return o.queue }

// Inproc tells whether the outbox was made for a node of this process.
func (o *Outbox) Inproc() bool { return o.cfg.Inproc }

// Depth returns how much waits in the queue or is in flight: messages, and bytes including frame headers.
func (o *Outbox) Depth() (messages int, octets int64) { return o.queue.Depth() }

// Position returns how many bytes were written to connections so far, including frame headers, and how many that will be once all that waits
// now is written.
func (o *Outbox) Position() (written, end int64) { return o.queue.Position() }

// LacksBudget tells whether the last Send that failed found no room in the budget, rather than in the queue.
func (o *Outbox) LacksBudget() bool { return o.queue.LacksBudget() }

// Advanced returns when bytes were last handed to the operating system; the zero time if none were.
func (o *Outbox) Advanced() time.Time { return o.queue.LastWrite() }

// Done returns a channel that Close closes.
func (o *Outbox) Done() <-chan struct{} { return o.done }

// Close ends the session: what waits is discarded, and later calls fail with zmtp.ErrQueueClosed and err. A successor inherits before that.
func (o *Outbox) Close(err error) {
	o.queue.Close(err)
	o.mu.Lock()
	o.loseParked()
	o.mu.Unlock()
	o.closing.Do(func() { close(o.done) })
}

// Finish ends the stream of messages after what is queued: later calls return err and change nothing.
func (o *Outbox) Finish(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refuse(err)
	o.ended = true
}

// Refuse stops messages of the application: Send, Ask and AskBehind return err. The node's own messages continue.
func (o *Outbox) Refuse(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refuse(err)
}

// refuse needs mu.
func (o *Outbox) refuse(err error) {
	if o.finished == nil {
		o.finished = err
	}
}

// Drop ends the session, because the peer does not take its messages.
func (o *Outbox) Drop() { o.cfg.Drop() }

// Send numbers a message and queues it, or hands it over. It takes what it needs from the caller's frames before it returns. After
// zmtp.ErrFull, try again when Room says so.
//
// Large frames for a socket, and messages of 1 MiB and more for a node of this process, are copied only if there is room, and with no lock
// held. Another sender may take the room meanwhile; then Send returns zmtp.ErrFull after all. Copies for a socket serve the next attempt.
func (o *Outbox) Send(to Target, c *Content) error {
	for {
		o.yieldToUrgent()
		o.mu.Lock()
		err := o.attempt(to, c)
		if err == nil {
			o.mu.Unlock()
			return nil
		}
		next, pool := o.successor, o.copies.Pool
		o.mu.Unlock()
		switch err {
		case errSuccessor:
			return next.Send(to, c)
		case errLease:
			c.moveToLease(to.Lease)
		case errCopy:
			mine := c.copyFor(pool)
			c = &mine
		default:
			return err
		}
	}
}

// What Send must do before another attempt.
var (
	errSuccessor = errors.New("outbox: the successor is to send it")
	errLease     = errors.New("outbox: a lease must have the large frames first")
	errCopy      = errors.New("outbox: the receiver's copies must be made first")
)

// attempt tries to send once. It needs mu.
func (o *Outbox) attempt(to Target, c *Content) error {
	var err error
	switch {
	case o.finished != nil:
		return o.finished
	case o.successor != nil:
		return errSuccessor
	case o.mustPark():
		err = o.park(to, c)
	default:
		err = o.enqueue(to, c, false)
	}
	if err == nil {
		o.accepted.Note(to.Shout, c.Size)
	}
	return err
}

// enqueue numbers a message and appends it to the queue, beyond the queue's bounds if beyondBounds is set. It needs mu.
func (o *Outbox) enqueue(to Target, c *Content, beyondBounds bool) error {
	if o.cfg.Inproc {
		if done, err := o.handOver(to, c, beyondBounds); done {
			return err
		}
	}
	if err := o.checkPrepared(to, c, beyondBounds); err != nil {
		return err
	}
	sequence := o.cycle.next(o.sequence)
	if to.Shout {
		var err error
		if o.scratch, err = msg.AppendShout(o.scratch[:0], sequence, to.Group); err != nil {
			return err
		}
	} else {
		o.scratch = msg.AppendWhisper(o.scratch[:0], sequence)
	}
	o.frames = append(append(o.frames[:0], o.scratch), c.Frames...)
	var err error
	switch {
	case beyondBounds:
		err = o.queue.PushCounted(to.Lease, o.frames...)
	case o.cfg.Inproc && c.holder == theMessage:
		if err = o.queue.PushOwned(o.frames...); err == nil {
			c.holder = theReceiver
		}
	default:
		err = o.queue.PushLeased(to.Lease, o.frames...)
	}
	if err == nil {
		o.sequence = sequence
	}
	clear(o.frames) // the caller's frames must not stay reachable
	return err
}

// checkPrepared returns what must be done before the queue may get a message, or why the queue would refuse it. It needs mu.
func (o *Outbox) checkPrepared(to Target, c *Content, beyondBounds bool) error {
	var first error
	switch {
	case beyondBounds: // it was parked, so all is done
	case o.cfg.Inproc && c.takesLongToCopy():
		first = errCopy
	case !o.cfg.Inproc && c.mustCopy():
		first = errLease
	case !o.cfg.Inproc:
		c.moveToLease(to.Lease) // copies nothing
	}
	if first == nil {
		return nil
	}
	if err := o.queue.Admits(c.Size); err != nil {
		return err
	}
	return first
}

// An Encode appends a message of one frame, with its number, to dst.
type Encode = func(dst []byte, sequence uint16) []byte

// Control queues a message of the node's own, which has room beyond the queue's bounds. A peer that exhausts even that is dropped.
func (o *Outbox) Control(encode Encode) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.control(encode, o.enqueueControl)
}

// control is Control with a choice of how to enqueue. It needs mu.
func (o *Outbox) control(encode Encode, enqueue func(Encode) error) {
	var err error
	switch {
	case o.ended || o.successor != nil:
		return
	case o.mustPark():
		err = o.parkControl(encode)
	default:
		err = enqueue(encode)
	}
	if errors.Is(err, zmtp.ErrFull) {
		o.Drop()
	}
}

// maxKeptScratch is the largest capacity of scratch, in bytes, that is kept for the next message of the node's own.
const maxKeptScratch = 4 << 10

// enqueueControl is enqueue for a message of the node's own.
func (o *Outbox) enqueueControl(encode Encode) error {
	sequence := o.cycle.next(o.sequence)
	o.scratch = encode(o.scratch[:0], sequence)
	o.frames = append(o.frames[:0], o.scratch)
	err := o.queue.PushControl(o.frames...)
	if cap(o.scratch) > maxKeptScratch {
		o.scratch = nil
		clear(o.frames)
	}
	if err == nil {
		o.sequence = sequence
	}
	return err
}

// Drained returns a channel that is closed once the queue is empty or closed, or a receiver to which messages are handed over has taken
// some.
func (o *Outbox) Drained() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.handsOver() {
		return o.handOverRoom()
	}
	return o.queue.Drained()
}

// Room returns a channel that is closed when another attempt to Send makes sense. It may be closed already; no wake-up is lost between Send
// and Room. If there is a Successor, wait for its Room instead.
func (o *Outbox) Room() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.wrap != nil:
		return o.wrap.unparked
	case o.handsOver():
		return o.handOverRoom()
	}
	return o.queue.Room()
}
