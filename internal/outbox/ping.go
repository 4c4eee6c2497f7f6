package outbox

import (
	"errors"
	"runtime"
	"slices"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// A PING and its answer overtake the messages that wait in a queue, whatever their size and number: they go in front of them and take their
// place in the sequence, so to the peer it looks as if they were sent a moment earlier. While we do not know how the sequence wraps,
// nothing is queued behind the wrap (see wrap), so all queued messages have numbers of one cycle.

// sequenceAt is the offset of the sequence number in a message: behind signature, id and version.
const sequenceAt = 4

// MaxPings bounds the application's unanswered PINGs to a peer: they take room that a queue has only for the node's own messages.
const MaxPings = 100

// An ask is a PING of the application without an answer yet.
type ask struct {
	due      int           // which PING of the session it waits for
	done     chan struct{} // closed when that is answered; nil when the caller gave up
	position int64         // position in the queue, where it may be overtaken; 0 for one that overtook
}

// Ask sends a PING for the application, ahead of what waits; the channel is closed when the peer answers it. It returns zmtp.ErrFull while
// MaxPings of the application's PINGs are unanswered, including those that it gave up. The node's own PINGs do not count. While the peer is
// asked how its sequence wraps, Ask uses that PING and sends no other.
func (o *Outbox) Ask() (answered <-chan struct{}, err error) {
	o.lockUrgently()
	defer o.mu.Unlock()
	if err := o.askRefusal(); err != nil {
		return nil, err
	}
	if o.mustPark() {
		return o.addUnanswered(len(o.unanswered), ask{due: o.pings}), nil
	}
	at, a, err := o.pingAhead()
	if err != nil {
		return nil, err
	}
	return o.addUnanswered(at, a), nil
}

// askRefusal returns why the application cannot send a PING; nil if it can. It needs mu.
func (o *Outbox) askRefusal() error {
	switch {
	case o.finished != nil:
		return o.finished
	case o.successor != nil:
		return zmtp.ErrQueueClosed
	case len(o.unanswered) >= MaxPings:
		return zmtp.ErrFull
	}
	return nil
}

// addUnanswered inserts a into asked. It needs mu.
func (o *Outbox) addUnanswered(at int, a ask) <-chan struct{} {
	a.done = make(chan struct{})
	o.unanswered = slices.Insert(o.unanswered, at, a)
	return a.done
}

// pingAhead sends a PING ahead of what waits. It overtakes those PINGs of AskBehind that still wait. It returns the ask to await, and its
// position in the list. It needs mu.
func (o *Outbox) pingAhead() (at int, a ask, err error) {
	position, overtook, err := o.enqueueAhead(msg.AppendPing)
	if err != nil {
		return 0, ask{}, err
	}
	o.trip.begin(o.pongs == o.pings)
	o.pings++
	at = len(o.unanswered)
	if !overtook {
		return at, ask{due: o.pings, position: position}, nil
	}
	for at > 0 && o.unanswered[at-1].position >= position {
		at--
		o.unanswered[at].due++
	}
	return at, ask{due: o.pings - (len(o.unanswered) - at)}, nil
}

// GiveUp ends the wait for an answer that Ask returned. The PING is still on its way.
func (o *Outbox) GiveUp(answered <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.unanswered, func(a ask) bool { return a.done == answered })
	switch {
	case i < 0:
	case o.wrap != nil && o.unanswered[i].due == o.pings: // no PING of the application's
		o.unanswered = slices.Delete(o.unanswered, i, i+1)
	default:
		o.unanswered[i].done = nil
	}
}

// Ping asks for a sign of life, ahead of what waits.
func (o *Outbox) Ping() {
	o.lockUrgently()
	defer o.mu.Unlock()
	if o.ended || o.successor != nil || o.mustPark() { // the wrap's PING serves
		return
	}
	if _, _, err := o.pingAhead(); errors.Is(err, zmtp.ErrFull) {
		o.Drop()
	}
}

// SendPingOK answers a PING, ahead of what waits.
func (o *Outbox) SendPingOK() {
	o.lockUrgently()
	defer o.mu.Unlock()
	o.control(msg.AppendPingOK, func(encode Encode) error {
		_, _, err := o.enqueueAhead(encode)
		return err
	})
}

// NotePingOK notes a PING-OK. If the peer was asked how its sequence wraps, the last PING-OK due is the answer to that.
func (o *Outbox) NotePingOK() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pongs < o.pings {
		o.trip.end()
	}
	o.pongs = min(o.pongs+1, o.pings)
	for len(o.unanswered) > 0 && o.unanswered[0].due <= o.pongs {
		if done := o.unanswered[0].done; done != nil {
			close(done)
		}
		o.unanswered = slices.Delete(o.unanswered, 0, 1)
	}
	if o.wrap != nil && o.pongs == o.pings {
		o.cycle.guess = fullCycle
		o.sendParked()
	}
}

// lockUrgently locks mu ahead of goroutines that send messages without a pause.
func (o *Outbox) lockUrgently() {
	o.urgent.Add(1)
	o.mu.Lock()
	o.urgent.Add(-1)
}

// yieldToUrgent lets goroutines in lockUrgently lock mu first. Without it, a goroutine that sends without a pause may get the lock again and again
// for milliseconds.
func (o *Outbox) yieldToUrgent() {
	if o.urgent.Load() > 0 {
		runtime.Gosched()
	}
}

// enqueueAhead is enqueueControl for a message that overtakes what waits; see zmtp.Queue.PushAhead for its results. It needs mu.
func (o *Outbox) enqueueAhead(encode Encode) (position int64, overtook bool, err error) {
	sequence := o.cycle.next(o.sequence)
	o.scratch = encode(o.scratch[:0], sequence)
	position, overtook, err = o.queue.PushAhead(zmtp.Numbers{At: sequenceAt, Cycle: o.cycle.length()}, o.scratch)
	if err == nil {
		o.sequence = sequence
	}
	return position, overtook, err
}
