package node

import (
	"errors"

	"github.com/go-zre/go-zre/internal/eventqueue"
	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Between nodes of one process a message passes no queue and no other goroutine: the sender's own copies the frames and appends
// the event. All else (HELLO, JOIN, …) goes through the queue of the link; a message waits until that is empty, so that the order
// holds, and for room at the application of the other end. Where that lags, and so the queue does not become empty, what follows goes
// through the queue too.

// handOver hands a message over, or returns the error of a queue's Push. It returns false if the message is to go through
// the queue: at the beginning, before the peer has taken our HELLO, and if it breaks a limit of the peer's, which is the link's end.
// It needs the peer's mu.
func (p *session) handOver(to target, c *content) (bool, error) {
	if p.conn == nil {
		return false, nil
	}
	if err := p.queue.Idle(); err != nil {
		return !p.lagging || !errors.Is(err, zmtp.ErrFull), err
	}
	p.lagging = false
	in, ok := p.conn.Neighbour().(*inbox)
	if !ok || in.session == nil {
		return false, nil
	}
	return in.take(to, c, &p.copies, &p.node.cfg.Limits)
}

// handOverRoom returns a channel that is closed when handing over may succeed. It needs the peer's mu.
func (p *session) handOverRoom() <-chan struct{} {
	if p.queue.Idle() == nil {
		if in, ok := p.conn.Neighbour().(*inbox); ok {
			return in.node.events.Room()
		}
	}
	return p.queue.Drained()
}

// take delivers a message without waiting. It runs in the sender's goroutine, while nothing is on its way through the queue: the
// goroutine that the inbox belongs to is waiting for that.
func (in *inbox) take(to target, c *content, copies *copies, sender *Limits) (bool, error) {
	n, p := in.node, in.session
	for _, frame := range c.frames {
		if int64(len(frame)) > n.cfg.Limits.FrameSize {
			return false, nil
		}
	}
	if headerSize+c.size > n.cfg.Limits.MessageSize || len(c.frames) >= n.cfg.Limits.Frames {
		return false, nil
	}
	octets := c.size + frameCost*int64(len(c.frames))
	e := Event{Kind: Whisper, Peer: p.snapshot.Load()}
	if to.shout {
		group, in := (*n.ownGroups.Load())[to.group]
		if !in {
			return true, nil // left a moment ago, or the sender's mistake
		}
		e.Kind, e.Group = Shout, group
	}
	e.Frames, e.Slab = copies.message(c)
	if !p.spoke.Load() {
		p.spoke.Store(true)
	}
	more := eventqueue.Limits{Messages: sender.QueueMessages, Octets: sender.QueueOctets}
	switch n.events.Offer(&p.stream, &e, octets, more) {
	case eventqueue.ErrFull:
		return true, zmtp.ErrFull
	case eventqueue.ErrEnded:
		return true, zmtp.ErrQueueClosed
	}
	return true, nil
}

// copyBusy is after how many messages between two looks of the control loop more memory is taken at once.
const copyBusy = 64

// copies is where the copies of messages that are handed over come from.
type copies struct {
	cutter   memory.Cutter
	messages int // since the control loop last looked
}

// message copies one. If it was given, to the one who gets it, its list alone is ours to copy.
func (c *copies) message(m *content) ([][]byte, *memory.Slab) {
	if c.messages++; c.messages == copyBusy {
		c.cutter.Busy = true
	}
	for _, frame := range m.frames {
		if !m.given || m.shared {
			frame = c.cutter.Copy(frame)
		}
		c.cutter.Add(frame)
	}
	return c.cutter.Message()
}

// tidy lets go of memory for many messages if there were none since it was last called.
func (p *session) tidy() {
	if !p.inproc {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.copies
	if c.messages == 0 && c.cutter.Busy {
		c.cutter.Shrink()
	}
	c.messages = 0
}
