package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// target says whether a message is a WHISPER or, to a group, a SHOUT, and what its large frames are leased from. It is apart from the
// content so that the list of frames can stay on the caller's stack.
type target struct {
	shout bool
	group string
	lease *memory.Lease // nil if there are none, or they are left to the garbage collector
}

// release gives the lease back, when the message is pushed to whom it is for.
func (t target) release() {
	if t.lease != nil {
		t.lease.Release()
	}
}

// content is what the application sends.
type content struct {
	frames [][]byte
	size   int64 // of all of them
	owned  bool  // large frames are our own, as queues of sockets need
	given  bool  // all frames are, with their capacity, for whoever gets them first
	shared bool  // if that is more than one
}

// own takes copies of the large frames that are not ours, once. It returns what they are leased from, for a target.
func (c *content) own() *memory.Lease {
	if c.owned {
		return nil
	}
	c.owned = true
	if c.size < zmtp.LargeFrame || !slices.ContainsFunc(c.frames, func(f []byte) bool { return len(f) >= zmtp.LargeFrame }) {
		return nil
	}
	lease := memory.NewLease(c.frames, c.given)
	c.frames = lease.Frames()
	return lease
}

// Whisper sends a message to one peer. It returns when the message is queued; it waits only while the peer's queue is full.
// The caller may reuse the frames when it returns. A message of no frames is sent as one empty frame, because C zyre and pyre
// cannot bear none.
func (n *Node) Whisper(ctx context.Context, id uuid.UUID, frames ...[]byte) error {
	return n.whisper(ctx, id, frames, false)
}

// WhisperGiven is Whisper for frames that the caller gives away, with all of their capacity: large ones are not copied.
func (n *Node) WhisperGiven(ctx context.Context, id uuid.UUID, frames ...[]byte) error {
	return n.whisper(ctx, id, frames, true)
}

func (n *Node) whisper(ctx context.Context, id uuid.UUID, frames [][]byte, given bool) error {
	c, err := n.outgoing(ctx, frames)
	if err != nil {
		return fmt.Errorf("whisper: %w", err)
	}
	c.given = given
	p := n.addressee(id)
	if p == nil {
		return fmt.Errorf("whisper: %w", &PeerError{UUID: id, Err: ErrUnknownPeer})
	}
	var to target
	if !p.inproc {
		to.lease = c.own()
		defer to.release()
	}
	if err := p.send(to, &c); err != nil {
		if err = n.await(ctx, p, to, &c, err, nil); err != nil {
			return fmt.Errorf("whisper: %w", err)
		}
	}
	return nil
}

// addressee returns who is present by that UUID, nil if nobody is. Most messages go where the last one went.
func (n *Node) addressee(id uuid.UUID) *session {
	if p := n.recent.Load(); p != nil && p.uuid == id {
		return p
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	p := n.present[id]
	if p != nil {
		n.recent.Store(p) // under the lock, so that one who leaves is not put back
	}
	return p
}

// Shout sends a message to every peer in a group. It returns when the message is queued for each of them; it waits only for
// those whose queue is full, all at the same time. If some could not be served the others still are, and the error joins a
// PeerError for each. A group without other members is no error.
func (n *Node) Shout(ctx context.Context, group string, frames ...[]byte) error {
	return n.shout(ctx, group, frames, false)
}

// ShoutGiven is Shout for frames that the caller gives away, with all of their capacity.
func (n *Node) ShoutGiven(ctx context.Context, group string, frames ...[]byte) error {
	return n.shout(ctx, group, frames, true)
}

func (n *Node) shout(ctx context.Context, group string, frames [][]byte, given bool) error {
	c, err := n.outgoing(ctx, frames)
	if err == nil {
		err = msg.CheckGroup(group)
	}
	if err != nil {
		return fmt.Errorf("shout: %w", err)
	}
	to := target{shout: true, group: group}
	n.mu.RLock()
	members := n.members[group].lend()
	n.mu.RUnlock()
	c.given, c.shared = given, len(members) > 1
	if slices.ContainsFunc(members, func(p *session) bool { return !p.inproc }) {
		to.lease = c.own()
		defer to.release()
	}

	var full []*session
	for _, p := range members {
		switch err := p.send(to, &c); {
		case errors.Is(err, zmtp.ErrFull):
			full = append(full, p)
		case errors.Is(err, ErrClosed):
			return fmt.Errorf("shout: %w", ErrClosed)
		}
		// Another error means that it left this moment: it is no member any more.
	}
	if len(full) == 0 {
		return nil
	}
	timeout := time.NewTimer(n.cfg.SendTimeout)
	defer timeout.Stop()
	var failed []error
	for _, p := range full {
		// It may have had room for long, while this waited for another.
		err := n.await(ctx, p, to, &c, p.send(to, &c), timeout)
		if err != nil && !errors.Is(err, ErrUnknownPeer) {
			failed = append(failed, fmt.Errorf("shout: %w", err))
		}
	}
	return errors.Join(failed...)
}

// outgoing checks a message.
func (n *Node) outgoing(ctx context.Context, frames [][]byte) (content, error) {
	if n.closing.Load() {
		return content{}, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return content{}, context.Cause(ctx)
	}
	if len(frames) == 0 {
		return content{frames: noContent}, nil
	}
	var size int64
	for _, frame := range frames {
		if limit := n.cfg.Limits.FrameSize; int64(len(frame)) > limit {
			return content{}, fmt.Errorf("%w: a frame of %d octets, the limit is %d", ErrTooLarge, len(frame), limit)
		}
		size += int64(len(frame))
	}
	if limit := n.cfg.Limits.MessageSize - headerSize; size > limit {
		return content{}, fmt.Errorf("%w: %d octets, the limit is %d", ErrTooLarge, size, limit)
	}
	if limit := n.cfg.Limits.Frames - 1; len(frames) > limit {
		return content{}, fmt.Errorf("%w: %d frames, the limit is %d", ErrTooLarge, len(frames), limit)
	}
	return content{frames: frames, size: size}, nil
}

// lagTime is how long who sends within the process waits for messages ahead to be taken, before it queues behind them.
const lagTime = 10 * time.Millisecond

// headerSize is room for the header frame of a SHOUT, which counts in the size of a message.
const headerSize = 6 + 1 + msg.MaxString

var noContent = [][]byte{{}}

// send queues a message, without waiting.
func (p *session) send(to target, c *content) error {
	if !p.inproc {
		c.own() // if it is not: for the heir of a peer of this process. Before anybody waits for the lock
	}
	if p.urgent.Load() > 0 {
		runtime.Gosched() // else this goroutine may have the lock again and again for milliseconds
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.finished:
		return ErrClosed
	case p.heir != nil:
		return p.heir.send(to, c)
	case p.wrapping():
		return p.park(to, c)
	}
	return p.enqueue(to, c, false)
}

// enqueue numbers a message and appends it to the queue, beyond the bounds of that if it may crowd it. It needs mu.
func (p *session) enqueue(to target, c *content, crowd bool) error {
	if p.inproc {
		if done, err := p.handOver(to, c); done {
			return err
		}
	}
	sequence := p.cycle.next(p.sequence)
	if to.shout {
		var err error
		if p.scratch, err = msg.AppendShout(p.scratch[:0], sequence, to.group); err != nil {
			return err
		}
	} else {
		p.scratch = msg.AppendWhisper(p.scratch[:0], sequence)
	}
	p.frames = append(append(p.frames[:0], p.scratch), c.frames...)
	var err error
	if crowd {
		err = p.queue.PushControl(p.frames...)
	} else {
		err = p.queue.PushLeased(to.lease, p.frames...)
	}
	if err == nil {
		p.sequence = sequence
	}
	clear(p.frames) // the caller's frames must not stay reachable
	return err
}

// control queues a message of ours, which has room beyond the queue's bounds. A peer that exhausts even that is dropped.
func (p *session) control(encode func(dst []byte, sequence uint16) []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say(encode, p.enqueueControl)
}

// say is control, with the way into the queue. It needs mu.
func (p *session) say(encode func([]byte, uint16) []byte, enqueue func(func([]byte, uint16) []byte) error) {
	var err error
	switch {
	case p.finished || p.heir != nil:
		return
	case p.wrapping():
		err = p.parkControl(encode)
	default:
		err = enqueue(encode)
	}
	if errors.Is(err, zmtp.ErrFull) {
		p.drop()
	}
}

// enqueueControl is enqueue for a message of ours.
func (p *session) enqueueControl(encode func(dst []byte, sequence uint16) []byte) error {
	sequence := p.cycle.next(p.sequence)
	p.scratch = encode(p.scratch[:0], sequence)
	p.frames = append(p.frames[:0], p.scratch)
	err := p.queue.PushControl(p.frames...)
	if err == nil {
		p.sequence = sequence
	}
	return err
}

// goodbye ends what we send: with a GOODBYE if the peer understands it. Of others C zyre alone uses gossip, and wants one there.
func (p *session) goodbye() {
	if p.extensions.has(extGoodbye) || !p.isOurs && p.node.isGossiped(p.uuid) {
		p.control(msg.AppendGoodbye)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finished = true
}

// drop has the control loop end the session of a peer that does not take its messages. It does not wait: the control loop
// itself may call it.
func (p *session) drop() {
	p.node.after(0, func() { p.node.handle(p, queueStuck, detail{}) })
}

// await queues a message for a peer whose queue is full (err, of the first attempt), when there is room. timeout is the send
// timeout where several waits share one.
func (n *Node) await(ctx context.Context, p *session, to target, c *content, err error, timeout *time.Timer) error {
	name := p.snapshot.Load().Name // that its heir may not have yet
	fail := func(err error) error {
		select {
		case <-n.done:
			return ErrClosed // which ends all sessions
		default:
			return &PeerError{UUID: p.uuid, Name: name, Err: err}
		}
	}
	if timeout == nil {
		timeout = time.NewTimer(n.cfg.SendTimeout)
		defer timeout.Stop()
	}
	since := time.Now()
	var lag <-chan time.Time
	if p.inproc {
		lag = time.After(lagTime)
	}
	for {
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrClosed):
			return ErrClosed
		case errors.Is(err, zmtp.ErrQueueClosed):
			heir := p.successor()
			if heir == nil {
				return fail(ErrUnknownPeer)
			}
			p, err = heir, heir.send(to, c)
			continue
		case !errors.Is(err, zmtp.ErrFull):
			return fail(err)
		}
		select {
		case <-p.room():
			err = p.send(to, c)
		case <-lag:
			lag = nil
			p.mu.Lock()
			p.lagging = true
			p.mu.Unlock()
			err = p.send(to, c)
		case <-ctx.Done():
			return fail(fmt.Errorf("%w: %w", ErrPeerBusy, context.Cause(ctx)))
		case <-timeout.C:
			if p.wrapsSince(n.cfg.ExpiredTimeout) {
				timeout.Reset(n.cfg.SendTimeout)
				continue
			}
			// Room is told of when there is plenty. A peer that is slow, but has taken something since we wait, may have made some;
			// what one that hangs takes at first goes into buffers.
			if p.queue.Advanced().After(since.Add(n.cfg.SendTimeout / 10)) {
				since, err = time.Now(), p.send(to, c)
				timeout.Reset(n.cfg.SendTimeout)
				continue
			}
			timeout.Reset(0) // the others that share it have no time left either
			p.drop()
			return fail(fmt.Errorf("%w: dropped after %v", ErrPeerBusy, n.cfg.SendTimeout))
		case <-p.ctx.Done():
			err = zmtp.ErrQueueClosed
		case <-n.done:
			return ErrClosed
		}
	}
}
