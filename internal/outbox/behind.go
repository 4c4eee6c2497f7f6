package outbox

import (
	"errors"

	"github.com/go-zre/go-zre/msg"
)

// ErrParked means that messages are parked, so nothing can be sent behind them yet; see Unparked.
var ErrParked = errors.New("messages wait until it is known how the sequence wraps")

// AskBehind is Ask with a PING that goes behind everything already sent and does not overtake it. Its answer shows
// that the peer has read all of that. While messages are parked it returns ErrParked; try again when Unparked says so.
//
// A peer answers PINGs in the order in which it reads them. A later PING of Ask or Ping that overtakes this one is
// answered first.
func (o *Outbox) AskBehind() (answered <-chan struct{}, err error) {
	o.lockUrgently()
	defer o.mu.Unlock()
	if err := o.askRefusal(); err != nil {
		return nil, err
	}
	switch {
	case o.mustPark() && o.wrap.count > 0:
		return nil, ErrParked
	case o.wrap != nil: // its PING is behind everything, too
		return o.addUnanswered(len(o.unanswered), ask{due: o.pings}), nil
	}
	sequence := o.cycle.next(o.sequence)
	o.scratch = msg.AppendPing(o.scratch[:0], sequence)
	position, err := o.queue.PushControlAt(o.scratch)
	if err != nil {
		return nil, err
	}
	o.sequence = sequence
	o.pings++
	return o.addUnanswered(len(o.unanswered), ask{due: o.pings, position: position}), nil
}

// Unparked returns a channel that is closed when nothing is parked any more.
func (o *Outbox) Unparked() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wrap != nil {
		return o.wrap.unparked
	}
	return alreadyClosed
}

var alreadyClosed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()
