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

// After 65534 comes 65535 for C zyre and gyre, 0 for pyre and zyre.js (see cycle). Where a peer's own numbers have not shown
// which, it is asked before anything can be lost: number 65535 is a PING. One that counts as C zyre does answers it, and all
// goes on. For the others the PING is out of sequence: they end the session and hang up, having read all that came before.
// Meanwhile what is to be sent is parked. It follows in this session, or in the next one, its successor, which counts as the peer does.

// wrap is what is parked while a peer is asked how its sequence wraps. The outbox's mu guards it.
type wrap struct {
	since    time.Time
	blocks   [][]parked // of messages: a single list would have to be copied as it grows
	count    int        // of messages
	octets   int64
	memory   int64         // octets, with what messages and frames take beside their own
	small    int64         // of that, what is not leased
	controls []Encode      // for this session alone
	settled  chan struct{} // closed when nothing is parked any more
}

type parked struct {
	Target
	Content
}

// How many messages a block of them has: the first, and those behind it.
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

// frameCost is what a parked frame takes beside its octets, as in a queue.
const frameCost = memory.PlaceOctets

// What a parked message and each of its frames take beside their octets, in octets of memory, about.
const (
	parkedCost      = 128
	parkedFrameCost = 32
)

// maxParkedControls bounds the controls, as those of a queue are.
const maxParkedControls = 1_000

// wrapping tells whether the next message must wait, and asks the peer when the time has come. It needs mu.
func (o *Outbox) wrapping() bool {
	if o.wrap == nil && o.sequence == shortCycle-1 && o.cycle.isUnknown() && o.enqueueControl(msg.AppendPing) == nil {
		o.pings++
		o.wrap = &wrap{since: time.Now(), settled: make(chan struct{})}
	}
	return o.wrap != nil
}

// park keeps a message until it is known how to number it, within the bounds of a queue. It needs mu.
func (o *Outbox) park(to Target, c *Content) error {
	w := o.wrap
	size := c.Size + frameCost*int64(len(c.Frames))
	if w.count >= o.cfg.QueueMessages || w.count > 0 && w.octets+size > o.cfg.QueueOctets {
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
	c.own(to.Lease)
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
	w.octets += size
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

// sendParked sends what is parked, in this session: all that was queued before is read, so there is room, but for a HELLO perhaps. It
// needs mu.
func (o *Outbox) sendParked() {
	w := o.wrap
	o.settleWrap()
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

// settleWrap has nothing wait any more. It needs mu.
func (o *Outbox) settleWrap() {
	close(o.wrap.settled)
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
	o.settleWrap()
}

// Inherit has a session that begins know what the last one with the same peer learned, and send what is parked there: this is its successor
// then. If something is parked, the peer ended that session over its number 65535, so it counts the short way; or its process ended just
// then, so this is but a guess. A session that is a successor itself, and broke before its peer entered, passes on what is still to come.
//
// It comes before the last one's Close, and before anything is sent in this session.
func (o *Outbox) Inherit(last *Outbox, entered bool) {
	last.mu.Lock() // until all is here: what is sent meanwhile comes behind it
	defer last.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	w := last.wrap
	o.succeeds = w != nil || last.succeeds && !entered
	o.cycle.learned.Store(last.cycle.learned.Load())
	o.finished = last.finished
	if o.succeeds {
		last.wrap, last.successor = nil, o
	}
	if w != nil {
		w.controls = nil // HELLO says it all
		o.cycle.guess = shortCycle
		o.wrap = w
		o.sendParked()
	}
}

// Wraps tells whether something is parked, since it is not known yet how the peer's sequence wraps.
func (o *Outbox) Wraps() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wrap != nil
}

// WrapsWithin tells whether something is parked, and not for longer than d.
func (o *Outbox) WrapsWithin(d time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wrap != nil && time.Since(o.wrap.since) < d
}

// Successor is the outbox of the session that sends what this one could not; nil if there is none.
func (o *Outbox) Successor() *Outbox {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.successor
}
