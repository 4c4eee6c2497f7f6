package node

import (
	"github.com/go-zre/go-zre/internal/eventqueue"
	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/internal/request"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// A receiver takes messages that another node of this process hands directly to an inbox, past the queue of the link (see internal/outbox).
// Its methods run in the sender's goroutine while the queue is empty: the goroutine that owns the inbox is waiting for the queue.
type receiver struct {
	in     *inbox
	sender *Limits
}

// receiver finds the other end of a link within the process, once the peer has handled our HELLO.
func (p *session) receiver(conn *zmtp.Conn) func() outbox.Receiver {
	return func() outbox.Receiver {
		in, ok := conn.Neighbour().(*inbox)
		if !ok || in.session == nil {
			return nil
		}
		return &receiver{in, &p.node.cfg.Limits}
	}
}

// Limits returns the limits that the receiver's socket would enforce.
func (r *receiver) Limits() outbox.Limits {
	l := &r.in.node.cfg.Limits
	return outbox.Limits{FrameSize: l.FrameSize, MessageSize: l.MessageSize, Frames: l.Frames}
}

// Memory returns the memory pool of the receiver's node.
func (r *receiver) Memory() *memory.Pool { return r.in.node.zmtp.Memory }

// Room returns a channel that signals when the application has taken the pending events.
func (r *receiver) Room() <-chan struct{} { return r.in.node.events.Room(r.in.stream) }

// Take delivers a message without blocking.
func (r *receiver) Take(m *outbox.Message) error {
	n, p := r.in.node, r.in.session
	var e Event // not a literal: that would be built elsewhere and copied, and the copy waits for the bytes just written
	e.Kind, e.Peer, e.Frames, e.Origin = Whisper, p.snapshot.Load(), m.Frames, m.Origin
	if m.Shout {
		group, in := (*n.ownGroups.Load())[m.Group]
		if !in {
			n.figures.unwanted.Add(1)
			return nil // we left the group just now, or the sender is wrong
		}
		e.Kind, e.Group = Shout, group
	}
	if !p.spoke.Load() {
		p.spoke.Store(true)
	}
	if !m.Shout && request.LooksLike(m.Frames) {
		switch n.classify(p, m.Frames, m.Origin, true) {
		case aRequest:
			e.Kind = Request
		case keptReply:
			return nil
		case unusedReply:
			if n.cfg.Discard {
				memory.Recycle(m.Frames, m.Origin)
			}
			return nil
		}
	}
	p.work.noteSent()
	if n.cfg.Discard {
		n.discarded.Add(1)
		memory.Recycle(e.Frames, e.Origin)
		return nil
	}
	return r.queueError(n.events.Offer(r.in.stream, &e, m.Size+eventqueue.FrameCost*int64(len(m.Frames)), r.extraRoom()))
}

// Admits reports whether there is room.
func (r *receiver) Admits(size int64, frames int) error {
	return r.queueError(r.in.node.events.Admits(r.in.stream, size+eventqueue.FrameCost*int64(frames), r.extraRoom()))
}

// extraRoom is the room that the sender's limits add to the receiver's.
func (r *receiver) extraRoom() eventqueue.Limits {
	return eventqueue.Limits{Messages: r.sender.QueueMessages, Bytes: r.sender.QueueBytes}
}

func (r *receiver) queueError(err error) error {
	switch err {
	case eventqueue.ErrFull:
		return zmtp.ErrFull
	case eventqueue.ErrEnded:
		return zmtp.ErrQueueClosed
	}
	return nil
}
