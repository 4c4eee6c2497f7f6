package outbox

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// After 65534 comes 65535 for C zyre and gyre, but 0 for pyre and zyre.js (see cycle). If a peer's own numbers have not shown which it
// uses, we ask before anything can be lost: number 65535 is a PING. A peer that counts like C zyre answers it, and the session continues.
// For the others the PING is out of sequence: they end the session and hang up, but have read everything before it. Meanwhile messages are
// parked. They follow in this session, or in the next one, its successor, which counts as the peer does.

// wrap is what is parked while we ask a peer how its sequence wraps. The outbox's mu guards it.
type wrap struct {
	since    time.Time
	blocks   [][]parked // of messages: a single list would have to be copied as it grows
	count    int        // of messages
	bytes    int64
	memory   int64         // bytes, with the overhead of messages and frames
	small    int64         // the part of memory that is not leased
	controls []Encode      // for this session alone
	unparked chan struct{} // closed when nothing is parked any more
}

type parked struct {
	Target
	Content
}

// The number of messages per block: the first, and those after it.
const firstParked, moreParked = 8, 256

// add appends a message.
func (w *wrap) add(m parked) {
	last := len(w.blocks) - 1
	if last < 0 || len(w.blocks[last]) == cap(w.blocks[last]) {
		size := firstParked
		if last >= 0 {
			size = moreParked
		}
		w.blocks = append(w.blocks, make([]parked, 0, size))
		last++
	}
	w.blocks[last] = append(w.blocks[last], m)
	w.count++
}

// all yields the messages.
func (w *wrap) all(yield func(*parked) bool) {
	for _, block := range w.blocks {
		for i := range block {
			if !yield(&block[i]) {
				return
			}
		}
	}
}

// frameCost is the overhead of a parked frame, the same as in a queue.
const frameCost = memory.FrameOverhead

// The approximate overhead of a parked message and of each of its frames, in bytes of memory.
const (
	parkedCost      = 128
	parkedFrameCost = 32
)

// maxParkedControls bounds the controls, as in a queue.
const maxParkedControls = 1_000

// mustPark tells whether the next message must wait, and asks the peer when it is time. It needs mu.
func (o *Outbox) mustPark() bool {
	if o.wrap == nil && o.sequence == shortCycle-1 && o.cycle.isUnknown() && o.enqueueControl(msg.AppendPing) == nil {
		o.pings++
		o.wrap = &wrap{since: time.Now(), unparked: make(chan struct{})}
	}
	return o.wrap != nil
}

// park keeps a message until we know how to number it, within the bounds of a queue. It needs mu.
func (o *Outbox) park(to Target, c *Content) error {
	w := o.wrap
	size := c.Size + frameCost*int64(len(c.Frames))
	if w.count >= o.cfg.QueueMessages || w.count > 0 && w.bytes+size > o.cfg.QueueBytes {
		return zmtp.ErrFull
	}
	budget, small := o.cfg.SendBudget, parkedCost+parkedFrameCost*int64(len(c.Frames))
	memory := c.Size + small
	for _, frame := range c.Frames {
		if n := int64(len(frame)); n < zmtp.LargeFrame {
			small += 2 * n // it is copied twice: now, and into the queue when it is sent
			memory += n
		}
	}
	if _, waiting := o.queue.Depth(); budget != nil && !budget.Affords(waiting+w.memory+memory) {
		return zmtp.ErrFull
	}
	if c.mustCopy() {
		return errLease
	}
	c.moveToLease(to.Lease)
	frames := slices.Clone(c.Frames)
	for i, frame := range frames {
		if len(frame) < zmtp.LargeFrame { // large ones are copies
			frames[i] = bytes.Clone(frame)
		}
	}
	if to.Lease != nil {
		to.Lease.Hold()
	}
	if w.small += small; budget != nil {
		budget.Add(small)
		if to.Lease != nil {
			to.Lease.Count(budget)
		}
	}
	w.add(parked{to, Content{Frames: frames, Size: c.Size, holder: theLease}})
	w.bytes += size
	w.memory += memory
	return nil
}

// parkControl is park for a message of the node's own.
func (o *Outbox) parkControl(encode Encode) error {
	if len(o.wrap.controls) >= maxParkedControls {
		return zmtp.ErrFull
	}
	o.wrap.controls = append(o.wrap.controls, encode)
	return nil
}

// sendParked sends what is parked, in this session. The peer has read all that was queued before, so there is room, except perhaps for a
// HELLO. It needs mu.
func (o *Outbox) sendParked() {
	w := o.wrap
	o.endWrap()
	if o.cfg.SendBudget != nil {
		o.cfg.SendBudget.Add(-w.small)
	}
	isFull := false
	for _, encode := range w.controls {
		isFull = errors.Is(o.enqueueControl(encode), zmtp.ErrFull) || isFull
	}
	for m := range w.all {
		if err := o.enqueue(m.Target, &m.Content, true); err != nil {
			o.lost.add(1, m.Size)
			isFull = isFull || errors.Is(err, zmtp.ErrFull)
		}
		m.Target.Release()
		*m = parked{}
	}
	if isFull {
		o.Drop() // it answered before it read what came first
	}
}

// endWrap ends the wait for the wrap. It needs mu.
func (o *Outbox) endWrap() {
	close(o.wrap.unparked)
	o.wrap = nil
}

// dropParked discards what is parked. It needs mu.
func (o *Outbox) dropParked() {
	if o.wrap == nil {
		return
	}
	for m := range o.wrap.all {
		m.Target.Release()
	}
	if o.cfg.SendBudget != nil {
		o.cfg.SendBudget.Add(-o.wrap.small)
	}
	o.endWrap()
}

// Inherit gives a new session what the last one with the same peer learned, and sends what is parked there; then o is the last one's
// successor. If something is parked, the peer ended that session because of number 65535, so it probably uses the short cycle. This is a
// guess: the peer's process may just have ended at that moment. A session that is itself a successor, and broke before its peer entered,
// passes on what is still to come.
//
// Call it before the last one's Close, and before anything is sent in this session.
func (o *Outbox) Inherit(last *Outbox, entered bool) {
	last.mu.Lock() // until all is here: what is sent meanwhile goes behind it
	defer last.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	w := last.wrap
	o.isSuccessor = w != nil || last.isSuccessor && !entered
	o.cycle.learned.Store(last.cycle.learned.Load())
	o.finished = last.finished
	if o.isSuccessor {
		last.wrap, last.successor = nil, o
	}
	if w != nil {
		w.controls = nil // HELLO says it all
		o.cycle.guess = shortCycle
		o.wrap = w
		o.sendParked()
	}
}

// IsWrapping tells whether messages are parked because we do not know yet how the peer's sequence wraps.
func (o *Outbox) IsWrapping() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wrap != nil
}

// IsWrappingWithin tells whether messages are parked, and have been for less than d.
func (o *Outbox) IsWrappingWithin(d time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wrap != nil && time.Since(o.wrap.since) < d
}

// Successor returns the outbox of the session that sends what this one could not; nil if there is none.
func (o *Outbox) Successor() *Outbox {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.successor
}
