package node

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// After 65534 comes 65535 for C zyre and gyre, 0 for pyre and zyre.js (see cycle). Where a peer's own numbers have not shown
// which, it is asked before anything can be lost: number 65535 is a PING. One that counts as C zyre does answers it, and all
// goes on. For the others the PING is out of sequence: they end the session and hang up, having read all that came before.
// Meanwhile what is to be sent is parked. It follows in this session, or in the next one, which counts as the peer does.

// wrap is what is parked while a peer is asked how its sequence wraps. The peer's mu guards it.
type wrap struct {
	since    time.Time
	messages []parked
	octets   int64
	controls []func(dst []byte, sequence uint16) []byte // for this session alone
	settled  chan struct{}                              // closed when nothing is parked any more
}

type parked struct {
	target
	content
}

// maxParkedControls bounds the controls, as those of a queue are.
const maxParkedControls = 1_000

// wrapping tells whether the next message must wait, and asks the peer when the time has come. It needs mu.
func (p *session) wrapping() bool {
	if p.wrap == nil && p.sequence == shortCycle-1 && p.cycle.isUnknown() && p.enqueueControl(msg.AppendPing) == nil {
		p.pings++
		p.wrap = &wrap{since: time.Now(), settled: make(chan struct{})}
	}
	return p.wrap != nil
}

// park keeps a message until it is known how to number it, within the bounds of a queue. It needs mu.
func (p *session) park(to target, c *content) error {
	w, limits := p.wrap, &p.node.cfg.Limits
	if len(w.messages) >= limits.QueueMessages || len(w.messages) > 0 && w.octets+c.size > limits.QueueOctets {
		return zmtp.ErrFull
	}
	c.own()
	if to.lease != nil {
		to.lease.Hold() // for ever: what is parked has no end that anybody counts
		to.lease = nil
	}
	frames := slices.Clone(c.frames)
	for i, frame := range frames {
		if len(frame) < zmtp.LargeFrame { // large ones are copies
			frames[i] = bytes.Clone(frame)
		}
	}
	w.messages = append(w.messages, parked{to, content{frames: frames, size: c.size, owned: true}})
	w.octets += c.size
	return nil
}

// parkControl is park for a message of ours.
func (p *session) parkControl(encode func([]byte, uint16) []byte) error {
	if len(p.wrap.controls) >= maxParkedControls {
		return zmtp.ErrFull
	}
	p.wrap.controls = append(p.wrap.controls, encode)
	return nil
}

// unpark sends what is parked, in this session: all that was queued before is read, so there is room, but for a HELLO perhaps. It
// needs mu.
func (p *session) unpark() {
	w := p.wrap
	p.wrap = nil
	close(w.settled)
	var err error
	for _, encode := range w.controls {
		err = errors.Join(err, p.enqueueControl(encode))
	}
	for i := range w.messages {
		err = errors.Join(err, p.enqueue(w.messages[i].target, &w.messages[i].content, true))
	}
	if errors.Is(err, zmtp.ErrFull) {
		p.drop() // it answered before it read what came first
	}
}

// counts says how the peer's sequence wraps.
func (p *session) counts(length uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cycle.guess = length
}

// inherit has this session know what the last one with the same peer learned, and send what is parked there. If something is,
// the peer ended it over its number 65535, so it counts the short way; or its process ended just then, so this is but a guess.
// One that is an heir itself, and broke before its peer entered, passes on what is still to come.
func (p *session) inherit(last *session) {
	last.mu.Lock()
	w := last.wrap
	if w != nil || last.isHeir && !last.state.isPresent() {
		last.wrap, last.heir = nil, p
	}
	last.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isHeir = last.heir == p
	p.cycle.learned.Store(last.cycle.learned.Load())
	if w != nil {
		w.controls = nil // HELLO says it all
		p.cycle.guess = shortCycle
		p.wrap = w
		p.unpark()
	}
}

// wraps tells whether something is parked.
func (p *session) wraps() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrap != nil
}

// wrapsSince tells whether something is parked, and not for longer than d.
func (p *session) wrapsSince(d time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrap != nil && time.Since(p.wrap.since) < d
}

// successor is the session that sends what this one could not, if there is one.
func (p *session) successor() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heir
}

// room returns a channel that is closed when another attempt to send makes sense.
func (p *session) room() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.wrap != nil:
		return p.wrap.settled
	case p.conn != nil && !p.lagging:
		return p.handOverRoom()
	}
	return p.queue.Room()
}
