package outbox

import (
	"errors"
	"slices"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Between nodes of one process a message passes neither a queue nor another goroutine: the sender's goroutine copies the frames and appends
// the event. Everything else (HELLO, JOIN, …) goes through the link's queue. A message waits until that queue is empty, so that the order
// holds, and until the receiving application has room. If the application is slow, the queue does not become empty; then later messages go
// through the queue too.

// A Receiver is the other end of a link within the process: it takes messages past the queue.
type Receiver interface {
	// Limits returns the limits of what Take accepts. A message that breaks them goes through the queue and is refused there.
	Limits() Limits

	// Take takes a message without waiting; the receiver owns its frames from now on. It returns zmtp.ErrFull if there is no room, and
	// zmtp.ErrQueueClosed if it takes no more. Calls come one at a time, while nothing is on its way through the queue. It does
	// not keep the pointer.
	Take(*Message) error

	// Admits tells what Take would return now for a message of that many bytes and frames. It reserves no room.
	Admits(octets int64, frames int) error

	// Memory returns the pool that the frames must come from.
	Memory() *memory.Pool

	// Room returns a channel that is closed when Take may have room again.
	Room() <-chan struct{}
}

// Limits bound a message: bytes of a frame, bytes with the header frame, and frames with the header frame.
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
	Size   int64 // bytes of all frames
	Origin memory.Origin
}

// localPeer is what an Outbox knows about the other end of a link within the process. The outbox's mu guards it.
type localPeer struct {
	find       func() Receiver // nil before HandOverTo
	receiver   Receiver        // once it is found
	message    Message
	limits     Limits        // the receiver's
	queueing   bool          // messages go through the queue until it is empty: see QueueBehind
	handedOver int           // messages since ReleaseUnusedMemory
	copies     memory.Cutter // where the copies of messages come from
}

// busyMessages is the number of messages between two calls of ReleaseUnusedMemory from which more memory is taken at once.
const busyMessages = 64

// HandOverTo hands messages over to the receiver that find returns, nil if there is none yet. The outbox calls find with the lock held,
// when the queue is empty, until it returns a receiver.
func (o *Outbox) HandOverTo(find func() Receiver) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.find, o.receiver = find, nil
}

// QueueBehind sends messages through the queue, behind those that the receiver has not taken for a while, until the queue is empty.
func (o *Outbox) QueueBehind() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queueing = true
}

// handOver hands a message over, or returns the error that a queue's Push would return. It returns false if the message must go through the
// queue: at the beginning, before the peer has taken our HELLO, and if the message breaks a limit of the peer, which ends the link. A long
// message must be copied first, unless beyondBounds is set. It needs mu.
func (o *Outbox) handOver(to Target, c *Content, beyondBounds bool) (done bool, err error) {
	if o.find == nil {
		return false, nil
	}
	if err := o.queue.Idle(); err != nil {
		return !o.queueing || !errors.Is(err, zmtp.ErrFull), err
	}
	o.queueing = false
	if !o.findReceiver() || !o.limits.allows(c) {
		return false, nil
	}
	if c.takesLongToCopy() && !beyondBounds {
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

// findReceiver looks for the receiver. It needs mu.
func (o *Outbox) findReceiver() bool {
	if o.receiver != nil {
		return true
	}
	if o.receiver = o.find(); o.receiver == nil {
		return false
	}
	o.limits, o.copies.Pool = o.receiver.Limits(), o.receiver.Memory()
	return true
}

// allows tells whether a message keeps the limits.
func (l *Limits) allows(c *Content) bool {
	if c.Size > l.FrameSize && slices.ContainsFunc(c.Frames, func(f []byte) bool { return int64(len(f)) > l.FrameSize }) {
		return false
	}
	return HeaderSize+c.Size <= l.MessageSize && len(c.Frames) < l.Frames
}

// copy copies a message, except large frames that the receiver may keep. It needs mu.
func (o *Outbox) copy(c *Content) ([][]byte, memory.Origin) {
	if o.handedOver++; o.handedOver == busyMessages {
		o.copies.Busy = true
	}
	for _, frame := range c.Frames {
		if c.holder == theMessage && len(frame) >= memory.Large {
			frame = o.copies.Adopt(frame)
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

// ReleaseUnusedMemory releases the memory for many messages if there were none since the last call.
func (o *Outbox) ReleaseUnusedMemory() {
	if !o.cfg.Inproc {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.handedOver == 0 && o.copies.Busy {
		o.copies.Shrink()
	}
	o.handedOver = 0
}
