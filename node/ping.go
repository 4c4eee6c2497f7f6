package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// A PING and its answer overtake the messages that wait in a queue, of whatever size and count: they are put in front of them and take
// their place in the sequence, so for the peer they were sent a moment earlier. Where the sequence wraps and it is not known
// how, nothing waits behind the wrap (see wrap), so what waits always has numbers of one cycle.

// sequenceAt is where a message has its sequence number: behind signature, id and version.
const sequenceAt = 4

// maxPings bounds the PINGs that an application has on the way to a peer: they take room that a queue has for messages of ours alone.
const maxPings = 100

// A pingWait is a call of Ping that waits.
type pingWait struct {
	due  int           // which PING of the session it waits for
	done chan struct{} // closed when that is answered
}

// Ping sends a PING to a peer, waits for the answer and returns how long that took. It overtakes the messages that wait for the peer,
// and the answer those that wait for us, but not what is in the hands of the operating systems already.
func (n *Node) Ping(ctx context.Context, id uuid.UUID) (time.Duration, error) {
	if err := n.lifecycle.usable(); err != nil {
		return 0, fmt.Errorf("ping: %w", err)
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("ping: %w", context.Cause(ctx))
	}
	p := n.addressee(id)
	failed := &PeerError{UUID: id, Err: ErrUnknownPeer}
	if p != nil {
		failed.Name = p.snapshot.Load().Name
	}
	for asked := time.Now(); p != nil; p = p.successor() {
		answered, err := p.expectPong()
		if errors.Is(err, zmtp.ErrFull) {
			failed.Err = ErrPeerBusy
			break
		}
		if err != nil {
			continue // the session is over
		}
		select {
		case <-answered:
			return time.Since(asked), nil
		case <-ctx.Done():
			p.giveUp(answered)
			return 0, fmt.Errorf("ping: %w", context.Cause(ctx))
		case <-p.ctx.Done():
		case <-n.done:
		}
	}
	if err := n.lifecycle.usable(); err != nil {
		return 0, fmt.Errorf("ping: %w", err)
	}
	return 0, fmt.Errorf("ping: %w", failed)
}

// expectPong sends a PING for a call of Ping; the channel is closed when it is answered. Where the peer is asked how its sequence wraps, it
// gets no other.
func (p *peer) expectPong() (<-chan struct{}, error) {
	p.lockFirst()
	defer p.mu.Unlock()
	switch {
	case p.finished:
		return nil, ErrClosed
	case p.heir != nil:
		return nil, zmtp.ErrQueueClosed
	case len(p.waits) >= maxPings || p.pings-p.pongs >= maxPings:
		return nil, zmtp.ErrFull
	case p.wrapping():
	default:
		if err := p.enqueueAhead(msg.AppendPing); err != nil {
			return nil, err
		}
		p.pings++
	}
	done := make(chan struct{})
	p.waits = append(p.waits, pingWait{p.pings, done})
	return done, nil
}

// giveUp ends the wait of a call of Ping.
func (p *peer) giveUp(answered <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = slices.DeleteFunc(p.waits, func(w pingWait) bool { return w.done == answered })
}

// ping asks for a sign of life.
func (p *peer) ping() {
	p.lockFirst()
	defer p.mu.Unlock()
	if p.finished || p.heir != nil || p.wrapping() { // that is a PING too
		return
	}
	switch err := p.enqueueAhead(msg.AppendPing); {
	case err == nil:
		p.pings++
	case errors.Is(err, zmtp.ErrFull):
		p.drop()
	}
}

// pong answers a PING.
func (p *peer) pong() {
	p.lockFirst()
	defer p.mu.Unlock()
	p.say(msg.AppendPingOK, p.enqueueAhead)
}

// lockFirst locks mu before those who send messages without a pause.
func (p *peer) lockFirst() {
	p.urgent.Add(1)
	p.mu.Lock()
	p.urgent.Add(-1)
}

// ponged takes a PING-OK. Where the peer was asked how its sequence wraps, the last one due is the answer to that.
func (p *peer) ponged() {
	p.answered.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pongs = min(p.pongs+1, p.pings)
	for len(p.waits) > 0 && p.waits[0].due <= p.pongs {
		close(p.waits[0].done)
		p.waits = slices.Delete(p.waits, 0, 1)
	}
	if p.wrap != nil && p.pongs == p.pings {
		p.cycle.guess = fullCycle
		p.unpark()
	}
}

// enqueueAhead is enqueueControl for a message that overtakes what waits. It needs mu.
func (p *peer) enqueueAhead(encode func(dst []byte, sequence uint16) []byte) error {
	sequence := p.cycle.next(p.sequence)
	p.scratch = encode(p.scratch[:0], sequence)
	err := p.queue.PushAhead(zmtp.Numbers{At: sequenceAt, Cycle: p.cycle.length()}, p.scratch)
	if err == nil {
		p.sequence = sequence
	}
	return err
}
