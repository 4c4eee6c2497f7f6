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

// catchUpTime is how long a sender waits for a peer of this process to read earlier messages, before it queues behind them.
const catchUpTime = 10 * time.Millisecond

// unreadCheckPause is how long a sender waits before it checks whether the application reads events.
const unreadCheckPause = 20 * time.Millisecond

// A wait is one message waiting for room in one peer's queue. It has its own send timeout and its own view of the peer's progress.
type wait struct {
	node       *Node
	peer       *session         // the session that was addressed
	name       string           // of the peer; a successor may not know it yet
	out        *outbox.Outbox   // where the message goes: this session's outbox, or a successor's
	began      time.Time        // when the send timeout began
	expires    time.Time        // when it ends
	catchUpEnd <-chan time.Time // the end of catchUpTime, during that wait

	nextCheck time.Time // when to check whether the application reads events; unused once the bound on them is lifted
	lastRead  uint64    // the application's read position at the last check
	lifted    bool      // the application reads no events, so their bound is lifted

	timer *time.Timer // for expires and nextCheck, whichever comes first

	dropped bool // the peer was dropped because it read nothing
}

// await queues a message for a peer when there is room. err is the result of the first attempt.
func (n *Node) await(ctx context.Context, p *session, to outbox.Target, c *outbox.Content, err error) error {
	if errors.Is(err, zmtp.ErrFull) && !p.isWaitedFor() {
		return n.sendNow(p, to, c, errNotCaughtUp)
	}
	n.events.BeginWait()
	now, firstLook := time.Now(), min(unreadCheckPause, n.cfg.SendTimeout/4)
	w := &wait{
		node:      n,
		peer:      p,
		name:      p.snapshot.Load().Name,
		out:       p.out,
		began:     now,
		expires:   now.Add(n.cfg.SendTimeout),
		nextCheck: now.Add(firstLook),
		lastRead:  n.events.Reads(),
		timer:     time.NewTimer(firstLook),
	}
	defer w.end()
	if p.out.Inproc() {
		w.catchUpEnd = time.After(catchUpTime)
	}
	for {
		moved := w.followSuccessors()
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
			if err := w.waitForRoom(ctx); err != nil {
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

// awaitAll is await for a SHOUT to members whose queues were full. Each wait runs in its own goroutine, at the same time, so one slow member
// does not keep the message from another. With Config.SkipBusy these members are skipped.
func (n *Node) awaitAll(ctx context.Context, full []*session, to outbox.Target, c *outbox.Content) error {
	failed := make([]error, len(full))
	var all sync.WaitGroup
	for i, p := range full {
		if n.cfg.SkipBusy {
			failed[i] = n.sendNow(p, to, c, ErrPeerBusy)
			continue
		}
		content := c.Clone() // each may need its own frames, for a successor
		all.Go(func() { failed[i] = n.await(ctx, p, to, &content, zmtp.ErrFull) })
	}
	all.Wait()
	for i, err := range failed {
		switch {
		case errors.Is(err, ErrUnknownPeer):
			failed[i] = nil // it is no longer a member
		case err != nil:
			failed[i] = fmt.Errorf("shout: %w", err)
		}
	}
	return errors.Join(failed...)
}

// followSuccessors redirects the message to the newest successor of its session. It reports whether there is a newer one.
func (w *wait) followSuccessors() (moved bool) {
	for next := w.out.Successor(); next != nil; next = w.out.Successor() {
		w.out, moved = next, true
	}
	return moved
}

// waitForRoom waits until another attempt makes sense. It returns an error if there will be none.
func (w *wait) waitForRoom(ctx context.Context) error {
	select {
	case <-w.out.Room():
	case <-w.out.Done(): // the next attempt shows why
	case <-w.catchUpEnd: // a peer of this process is slow, but the queue may have room
		w.catchUpEnd = nil
		w.out.QueueBehind()
	case <-w.timer.C:
		return w.handleTimer()
	case <-ctx.Done():
		if w.isUnread() {
			return w.failed(fmt.Errorf("%w: %w; %w", ErrPeerBusy, context.Cause(ctx), ErrUnreadEvents))
		}
		return w.failed(fmt.Errorf("%w: %w", w.busyError(), context.Cause(ctx)))
	case <-w.node.ending.sendsEnded:
		return ErrClosed
	}
	return nil
}

// handleTimer handles what is due: a check of the application, or the end of the send timeout.
func (w *wait) handleTimer() error {
	now := time.Now()
	if !now.Before(w.expires) {
		if err := w.timedOut(); err != nil {
			return err
		}
		w.expires = now.Add(w.node.cfg.SendTimeout)
	}
	if !w.lifted && !now.Before(w.nextCheck) {
		w.checkUnread()
		w.nextCheck = now.Add(unreadCheckPause)
	}
	next := w.expires
	if !w.lifted && w.nextCheck.Before(next) {
		next = w.nextCheck
	}
	w.timer.Reset(time.Until(next))
	return nil
}

// checkUnread lifts the bound on our own events if there is no room for more and the application has read none since the last check. The
// application may be the one that waits here, and the peer may wait for us in the same way.
func (w *wait) checkUnread() {
	if read := w.node.events.Reads(); read != w.lastRead || !w.node.events.HasWaiters() {
		w.lastRead = read
		return
	}
	w.node.events.LiftBound()
	w.lifted = true
}

// isUnread reports whether the application has read no events for a long time and there is no room for more.
func (w *wait) isUnread() bool {
	if w.node.events.IsHeld(w.peer.stream.Load()) { // it serves handlers, and a full queue waits for them
		return true
	}
	return w.lifted && w.node.events.Reads() == w.lastRead && w.node.events.HasWaiters()
}

// timedOut drops the peer as not responding, unless it should get another send timeout.
func (w *wait) timedOut() error {
	timeout := w.node.cfg.SendTimeout
	switch {
	case w.out.IsWrappingWithin(w.node.cfg.ExpiredTimeout):
		// The peer was asked how its sequence wraps. It may be silent for as long as any peer.
	case w.dropLargestQueue():
		w.began = time.Now() // there is room soon
	case w.out.Advanced().After(w.began.Add(timeout / 10)):
		// Room is signalled only when there is plenty. A slow peer that has read something during our wait may have made some room. What a hung
		// peer reads at first only fills buffers.
		w.began = time.Now()
	case w.isUnread():
		return w.failed(fmt.Errorf("%w for %v; %w", ErrPeerBusy, timeout, ErrUnreadEvents)) // not dropped: it may be waiting for us
	case w.out.LacksBudget() && w.busyError() != ErrPeerBusy:
		return w.failed(w.busyError()) // other peers still read theirs, if slowly
	default:
		w.out.Drop()
		w.dropped = true
		return w.failed(fmt.Errorf("%w: dropped after %v", ErrPeerBusy, timeout))
	}
	return nil
}

// failed wraps err with the peer that did not get the message.
func (w *wait) failed(err error) error {
	select {
	case <-w.node.done:
		return ErrClosed // the closed node ended all sessions
	default:
		return w.node.cfg.Public.peerError(&PeerError{UUID: w.peer.uuid, Name: w.name, Err: err, Dropped: w.dropped})
	}
}
