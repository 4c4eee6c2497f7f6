package outbox

import (
	"errors"
	"slices"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Between nodes of one process a message passes no queue and no other goroutine: the sender's own copies the frames and appends
// the event. All else (HELLO, JOIN, …) goes through the queue of the link; a message waits until that is empty, so that the order
// holds, and for room at the application of the other end. Where that is slow, and so the queue does not become empty, what follows goes
// through the queue too.

// A Receiver is the other end of a link within the process: it takes messages past the queue.
type Receiver interface {
	// Limits are those of what it takes. What breaks them goes through the queue, to be refused there.
	Limits() Limits

	// Take takes a message without waiting: its frames are the receiver's from now on. It returns zmtp.ErrFull if there is no room, and
	// zmtp.ErrQueueClosed when it takes no more. Calls come one at a time, while nothing is on its way through the queue. It does not keep the
	// pointer.
	Take(*Message) error

	// Admits tells what Take would return at present for a message of so many octets and frames. It keeps no room.
	Admits(octets int64, frames int) error

	// Memory is the pool that the frames are to come from.
	Memory() *memory.Pool

	// Room returns a channel that is closed when Take may have room again.
	Room() <-chan struct{}
}

// Limits are those of a message: octets of a frame, octets with the header frame, and frames with that.
type Limits struct {
	FrameSize   int64
	MessageSize int64
	Frames      int
}

// Message is what a Receiver gets.
type Message struct {
	Shout  bool
	Group  string // of a SHOUT
	Frames [][]byte
	Size   int64 // octets of all of them
	Origin memory.Origin
}

// neighbour is what an Outbox knows of the other end of a link within the process. The outbox's mu guards it.
type neighbour struct {
	find     func() Receiver // nil before HandOverTo
	receiver Receiver        // once it is found
	message  Message
	limits   Limits        // the receiver's
	queueing bool          // messages go through the queue, until that is empty: see QueueBehind
	handed   int           // messages since Tidy
	copies   memory.Cutter // where the copies of messages come from
}

// copyBusy is after how many messages between two calls of Tidy more memory is taken at once.
const copyBusy = 64

// HandOverTo has messages handed over to the receiver that find returns, nil if there is none yet. It is called, with the lock held, when the
// queue was empty, until it has found one.
func (o *Outbox) HandOverTo(find func() Receiver) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.find, o.receiver = find, nil
}

// QueueBehind has messages go through the queue, behind those that the receiver did not take for a while, until it is empty.
func (o *Outbox) QueueBehind() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queueing = true
}

// handOver hands a message over, or returns the error of a queue's Push. It returns false if the message is to go through
// the queue: at the beginning, before the peer has taken our HELLO, and if it breaks a limit of the peer's, which is the link's end. A long
// message is to be copied first, unless it may crowd the queue.
// It needs mu.
func (o *Outbox) handOver(to Target, c *Content, crowd bool) (done bool, err error) {
	if o.find == nil {
		return false, nil
	}
	if err := o.queue.Idle(); err != nil {
		return !o.queueing || !errors.Is(err, zmtp.ErrFull), err
	}
	o.queueing = false
	if !o.found() || !o.limits.allow(c) {
		return false, nil
	}
	if c.isLong() && !crowd {
		if err := o.receiver.Admits(c.Size, len(c.Frames)); err != nil {
			return true, err
		}
		return true, errCopy
	}
	m := &o.message // one on the stack would escape
	m.Frames, m.Origin = o.copy(c)
	m.Shout, m.Group, m.Size = to.Shout, to.Group, c.Size
	err = o.receiver.Take(m)
	m.Frames, m.Group = nil, ""
	if err == nil && c.holder == theMessage {
		c.holder = theReceiver
	}
	return true, err
}

// found looks for the receiver. It needs mu.
func (o *Outbox) found() bool {
	if o.receiver != nil {
		return true
	}
	if o.receiver = o.find(); o.receiver == nil {
		return false
	}
	o.limits, o.copies.Pool = o.receiver.Limits(), o.receiver.Memory()
	return true
}

// allow tells whether a message keeps the limits.
func (l *Limits) allow(c *Content) bool {
	if c.Size > l.FrameSize && slices.ContainsFunc(c.Frames, func(f []byte) bool { return int64(len(f)) > l.FrameSize }) {
		return false
	}
	return HeaderSize+c.Size <= l.MessageSize && len(c.Frames) < l.Frames
}

// copy copies a message, but for large frames that the receiver may have. It needs mu.
func (o *Outbox) copy(c *Content) ([][]byte, memory.Origin) {
	if o.handed++; o.handed == copyBusy {
		o.copies.Busy = true
	}
	for _, frame := range c.Frames {
		if c.holder == theMessage && len(frame) >= memory.Large {
			frame = o.copies.Hand(frame)
		} else {
			frame = o.copies.Copy(frame)
		}
		o.copies.Add(frame)
	}
	return o.copies.Message()
}

// handsOver tells whether messages are handed over. It needs mu.
func (o *Outbox) handsOver() bool { return o.find != nil && !o.queueing }

// handOverRoom returns a channel that is closed when handing over may succeed. It needs mu.
func (o *Outbox) handOverRoom() <-chan struct{} {
	if o.receiver != nil && o.queue.Idle() == nil {
		return o.receiver.Room()
	}
	return o.queue.Drained()
}

// Tidy lets go of memory for many messages if there were none since it was last called.
func (o *Outbox) Tidy() {
	if !o.cfg.Inproc {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.handed == 0 && o.copies.Busy {
		o.copies.Shrink()
	}
	o.handed = 0
}
