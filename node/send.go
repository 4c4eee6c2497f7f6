package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Whisper sends a message to one peer. It returns when the message is queued; it blocks only while the peer's queue is full.
// The caller may reuse the frames after it returns. A message without frames is sent as one empty frame, because C zyre and pyre
// cannot handle none.
func (n *Node) Whisper(ctx context.Context, id uuid.UUID, frames ...[]byte) error {
	return n.whisper(ctx, id, frames, false)
}

// WhisperNoCopy is Whisper for frames that the caller gives away, with all of their capacity: large ones are not copied. It sets all frames
// in the caller's list to nil.
func (n *Node) WhisperNoCopy(ctx context.Context, id uuid.UUID, frames ...[]byte) error {
	defer clear(frames) // so that the caller cannot use them again through that list
	return n.whisper(ctx, id, frames, true)
}

func (n *Node) whisper(ctx context.Context, id uuid.UUID, frames [][]byte, given bool) error {
	c, err := n.checkMessage(ctx, frames)
	if err != nil {
		return fmt.Errorf("whisper: %w", err)
	}
	p := n.addressee(id)
	if p == nil {
		return fmt.Errorf("whisper: %w", n.cfg.Public.peerError(&PeerError{UUID: id, Err: ErrUnknownPeer}))
	}
	if given {
		c.Give(1)
	}
	var to outbox.Target
	if !p.out.Inproc() {
		to.Lease = c.NewLease()
		defer to.Release()
	}
	if err := p.out.Send(to, &c); err != nil {
		if err = n.await(ctx, p, to, &c, err); err != nil {
			return fmt.Errorf("whisper: %w", err)
		}
	}
	return nil
}

// addressee returns the present peer with that UUID, nil if there is none. Most messages go to the same peer as the last one.
func (n *Node) addressee(id uuid.UUID) *session {
	if p := n.lastAddressee.Load(); p != nil && p.uuid == id {
		return p
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	p := n.present[id]
	if p != nil {
		n.lastAddressee.Store(p) // under the lock, so that a leaving peer is not put back
	}
	return p
}

// Shout sends a message to every peer in a group. It returns when the message is queued for each of them. It waits only for
// those whose queue is full, all at the same time. If some fail, the others still get the message, and the error joins a
// PeerError for each failure. A group without other members is no error.
func (n *Node) Shout(ctx context.Context, group string, frames ...[]byte) error {
	return n.shout(ctx, group, nil, frames, false)
}

// ShoutTo is Shout to the members that are in to, and to no others.
func (n *Node) ShoutTo(ctx context.Context, group string, to []uuid.UUID, frames ...[]byte) error {
	if to == nil {
		to = []uuid.UUID{}
	}
	return n.shout(ctx, group, to, frames, false)
}

// ShoutNoCopy is Shout for frames that the caller gives away, as with WhisperNoCopy.
func (n *Node) ShoutNoCopy(ctx context.Context, group string, frames ...[]byte) error {
	defer clear(frames)
	return n.shout(ctx, group, nil, frames, true)
}

// shout sends to all members, or only to those in only if that is not nil.
func (n *Node) shout(ctx context.Context, group string, only []uuid.UUID, frames [][]byte, given bool) error {
	c, err := n.checkMessage(ctx, frames)
	if err == nil {
		err = checkGroup(group)
	}
	if err != nil {
		return fmt.Errorf("shout: %w", err)
	}
	to := outbox.Target{Shout: true, Group: group}
	n.mu.RLock()
	members := n.members[group].lend()
	n.mu.RUnlock()
	if only != nil {
		members = slices.DeleteFunc(slices.Clone(members), func(p *session) bool { return !slices.Contains(only, p.uuid) })
	}
	if given {
		c.Give(len(members))
	}
	if slices.ContainsFunc(members, func(p *session) bool { return !p.out.Inproc() }) {
		to.Lease = c.NewLease()
		defer to.Release()
	}

	var full []*session
	for _, p := range members {
		switch err := p.out.Send(to, &c); {
		case errors.Is(err, zmtp.ErrFull):
			full = append(full, p)
		case errors.Is(err, ErrClosed):
			return fmt.Errorf("shout: %w", ErrClosed)
		}
		// Any other error means that it left just now: it is no longer a member.
	}
	if len(full) == 0 {
		return nil
	}
	return n.awaitAll(ctx, full, to, &c)
}

// checkMessage checks a message.
func (n *Node) checkMessage(ctx context.Context, frames [][]byte) (outbox.Content, error) {
	if err := n.lifecycle.checkStarted(); err != nil {
		return outbox.Content{}, err
	}
	if err := ctx.Err(); err != nil {
		return outbox.Content{}, context.Cause(ctx)
	}
	if len(frames) == 0 {
		return outbox.Content{Frames: noContent}, nil
	}
	var size int64
	for _, frame := range frames {
		if limit := n.cfg.Limits.FrameSize; int64(len(frame)) > limit {
			return outbox.Content{}, fmt.Errorf("%w: a frame of %d bytes, the limit is %d", ErrTooLarge, len(frame), limit)
		}
		size += int64(len(frame))
	}
	if limit := n.cfg.Limits.MessageSize - outbox.HeaderSize; size > limit {
		return outbox.Content{}, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, limit)
	}
	if limit := n.cfg.Limits.Frames - 1; len(frames) > limit {
		return outbox.Content{}, fmt.Errorf("%w: %d frames, the limit is %d", ErrTooLarge, len(frames), limit)
	}
	return outbox.Content{Frames: frames, Size: size}, nil
}

var noContent = [][]byte{{}}
