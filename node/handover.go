package node

import (
	"errors"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// Between nodes of one process a message passes no queue and no other goroutine: the sender's own copies the frames and appends
// the event. All else (HELLO, JOIN, …) goes through the queue of the link; a message waits until that is empty, so that the order
// holds, and for room at the application of the other end. Where that lags, and so the queue does not become empty, what follows goes
// through the queue too.

// handOver hands a message over, or returns the error of a queue's Push. It returns false if the message is to go through
// the queue: at the beginning, before the peer has taken our HELLO, and if it breaks a limit of the peer's, which is the link's end.
// It needs the peer's mu.
func (p *peer) handOver(to target, c *content) (bool, error) {
	if p.conn == nil {
		return false, nil
	}
	if err := p.queue.Idle(); err != nil {
		return !p.lagging || !errors.Is(err, zmtp.ErrFull), err
	}
	p.lagging = false
	in, ok := p.conn.Neighbour().(*inbox)
	if !ok || in.peer == nil {
		return false, nil
	}
	return in.take(to, c, &p.slab, &p.node.cfg.Limits)
}

// handOverRoom returns a channel that is closed when handing over may succeed. It needs the peer's mu.
func (p *peer) handOverRoom() <-chan struct{} {
	if p.queue.Idle() == nil {
		if in, ok := p.conn.Neighbour().(*inbox); ok {
			return in.node.events.space()
		}
	}
	return p.queue.Drained()
}

// take delivers a message without waiting. It runs in the sender's goroutine, while nothing is on its way through the queue: the
// goroutine that the inbox belongs to is waiting for that.
func (in *inbox) take(to target, c *content, s *slab, sender *Limits) (bool, error) {
	n, p := in.node, in.peer
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
	e.Frames = s.copy(c.frames)
	if !p.spoke.Load() {
		p.spoke.Store(true)
	}
	return true, n.events.offer(p, e, octets, sender)
}

// slab is memory that copies of small frames are cut from, each piece once: it belongs to the application that gets it. Slabs are
// small at first and grow with use.
type slab struct {
	octets []byte
	lists  [][]byte
	size   int // of the last slab of octets
	count  int // and of lists
}

const (
	minSlab, maxSlab   = 512, 10 << 10 // see zmtp's slab
	minLists, maxLists = 4, 64
)

// copy copies the frames of a message.
func (s *slab) copy(frames [][]byte) [][]byte {
	if len(s.lists) < len(frames) {
		s.count = min(max(2*s.count, minLists), maxLists)
		s.lists = make([][]byte, max(s.count, len(frames)))
	}
	list := s.lists[:len(frames):len(frames)]
	s.lists = s.lists[len(frames):]
	for i, frame := range frames {
		if len(frame) > maxSlab/4 {
			list[i] = zmtp.CopyFrame(frame)
			continue
		}
		list[i] = s.cut(len(frame))
		copy(list[i], frame)
	}
	return list
}

// cut returns memory for a frame.
func (s *slab) cut(n int) []byte {
	if n > len(s.octets) {
		s.size = min(max(2*s.size, minSlab, 4*n), maxSlab)
		s.octets = make([]byte, s.size)
	}
	piece := s.octets[:n:n]
	s.octets = s.octets[n:]
	return piece
}
