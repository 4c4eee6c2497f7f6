package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// catchUp is how long a sender waits for a peer of this process to take the messages ahead, before it queues behind them.
const catchUp = 10 * time.Millisecond

// lookAfter is how long a sender waits before it looks whether the application reads events meanwhile.
const lookAfter = 20 * time.Millisecond

// A wait is that of one message for room at one peer, with a send timeout and a view of the peer's progress of its own.
type wait struct {
	node    *Node
	peer    *session         // the session that was addressed
	name    string           // of the peer, which a successor may not know yet
	out     *outbox.Outbox   // where the message goes: into that session, or one that took over from it
	began   time.Time        // when the send timeout began
	expires time.Time        // when it ends
	behind  <-chan time.Time // the end of catchUp, while that is waited for

	looks  time.Time // when it is to be seen whether the application reads events; not once the bound on these is lifted
	read   uint64    // how far the application was with its events when that was last looked at
	lifted bool      // it reads none, so that bound is

	timer *time.Timer // for expires and looks, whichever comes first

	dropped bool // the peer was dropped, as it took nothing
}

// await queues a message for a peer, when there is room; err is what the first attempt returned.
func (n *Node) await(ctx context.Context, p *session, to outbox.Target, c *outbox.Content, err error) error {
	if errors.Is(err, zmtp.ErrFull) && !p.isWaitedFor() {
		return n.sendNow(p, to, c, errNotCaughtUp)
	}
	n.events.BeginWait()
	now, firstLook := time.Now(), min(lookAfter, n.cfg.SendTimeout/4)
	w := &wait{
		node:    n,
		peer:    p,
		name:    p.snapshot.Load().Name,
		out:     p.out,
		began:   now,
		expires: now.Add(n.cfg.SendTimeout),
		looks:   now.Add(firstLook),
		read:    n.events.Read(),
		timer:   time.NewTimer(firstLook),
	}
	defer w.end()
	if p.out.Inproc() {
		w.behind = time.After(catchUp)
	}
	for {
		moved := w.follow()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrClosed):
			return ErrClosed
		case errors.Is(err, zmtp.ErrQueueClosed):
			if !moved {
				return w.failed(ErrUnknownPeer)
			}
		case !errors.Is(err, zmtp.ErrFull):
			return w.failed(err)
		case !moved:
			if err := w.room(ctx); err != nil {
				return err
			}
		}
		err = w.out.Send(to, c)
	}
}

// end ends a wait.
func (w *wait) end() {
	w.timer.Stop()
	w.node.events.EndWait(w.lifted)
}

// awaitAll is await for a SHOUT to members whose queues were full. They are waited for at the same time, each by a goroutine of its own, so
// that which of them are served does not depend on the others. With Config.SkipBusy they are left out.
func (n *Node) awaitAll(ctx context.Context, full []*session, to outbox.Target, c *outbox.Content) error {
	failed := make([]error, len(full))
	var all sync.WaitGroup
	for i, p := range full {
		if n.cfg.SkipBusy {
			failed[i] = n.sendNow(p, to, c, ErrPeerBusy)
			continue
		}
		content := c.Clone() // each may come to need frames of its own, for a successor
		all.Go(func() { failed[i] = n.await(ctx, p, to, &content, zmtp.ErrFull) })
	}
	all.Wait()
	for i, err := range failed {
		switch {
		case errors.Is(err, ErrUnknownPeer):
			failed[i] = nil // it is no member any more
		case err != nil:
			failed[i] = fmt.Errorf("shout: %w", err)
		}
	}
	return errors.Join(failed...)
}

// follow has the message go to the newest session that took over from the one that it was for; it tells whether there is another.
func (w *wait) follow() (moved bool) {
	for next := w.out.Successor(); next != nil; next = w.out.Successor() {
		w.out, moved = next, true
	}
	return moved
}

// room waits until another attempt makes sense. It returns an error if there is to be none.
func (w *wait) room(ctx context.Context) error {
	select {
	case <-w.out.Room():
	case <-w.out.Done(): // the attempt tells
	case <-w.behind: // a peer of this process is slow, but the queue may have room
		w.behind = nil
		w.out.QueueBehind()
	case <-w.timer.C:
		return w.timeUp()
	case <-ctx.Done():
		if w.isUnread() {
			return w.failed(fmt.Errorf("%w: %w; %w", ErrPeerBusy, context.Cause(ctx), ErrUnreadEvents))
		}
		return w.failed(fmt.Errorf("%w: %w", w.busy(), context.Cause(ctx)))
	case <-w.node.ending.refused:
		return ErrClosed
	}
	return nil
}

// timeUp does what is due: a look, or the end of the send timeout.
func (w *wait) timeUp() error {
	now := time.Now()
	if !now.Before(w.expires) {
		if err := w.timedOut(); err != nil {
			return err
		}
		w.expires = now.Add(w.node.cfg.SendTimeout)
	}
	if !w.lifted && !now.Before(w.looks) {
		w.look()
		w.looks = now.Add(lookAfter)
	}
	next := w.expires
	if !w.lifted && w.looks.Before(next) {
		next = w.looks
	}
	w.timer.Reset(time.Until(next))
	return nil
}

// look lifts the bound on our own events if there is no room for more, and the application has read none since it was last looked at: it may be
// what waits here, and the peer may be waiting for us in the same way.
func (w *wait) look() {
	if read := w.node.events.Read(); read != w.read || !w.node.events.HasWaiters() {
		w.read = read
		return
	}
	w.node.events.Lift()
	w.lifted = true
}

// isUnread tells whether the application has read no events for long, and there is no room for more.
func (w *wait) isUnread() bool {
	if w.node.events.IsHeld(w.peer.stream.Load()) { // it serves handlers, and as much waits for those
		return true
	}
	return w.lifted && w.node.events.Read() == w.read && w.node.events.HasWaiters()
}

// timedOut drops the peer as not responding, unless there is a reason to give it another send timeout.
func (w *wait) timedOut() error {
	timeout := w.node.cfg.SendTimeout
	switch {
	case w.out.WrapsWithin(w.node.cfg.ExpiredTimeout):
		// It was asked how its sequence wraps, and may be as silent as any peer.
	case w.dropHeaviest():
		w.began = time.Now() // there is room soon
	case w.out.Advanced().After(w.began.Add(timeout / 10)):
		// Room is told of when there is plenty. A peer that is slow, but has taken something since we wait, may have made some;
		// what one that hangs takes at first goes into buffers.
		w.began = time.Now()
	case w.isUnread():
		return w.failed(fmt.Errorf("%w for %v; %w", ErrPeerBusy, timeout, ErrUnreadEvents)) // not dropped: it may be waiting for us
	case w.out.IsShort() && w.busy() != ErrPeerBusy:
		return w.failed(w.busy()) // the others take theirs, if slowly
	default:
		w.out.Drop()
		w.dropped = true
		return w.failed(fmt.Errorf("%w: dropped after %v", ErrPeerBusy, timeout))
	}
	return nil
}

// failed says which peer did not get the message.
func (w *wait) failed(err error) error {
	select {
	case <-w.node.done:
		return ErrClosed // which ends all sessions
	default:
		return w.node.cfg.Public.peerError(&PeerError{UUID: w.peer.uuid, Name: w.name, Err: err, Dropped: w.dropped})
	}
}
