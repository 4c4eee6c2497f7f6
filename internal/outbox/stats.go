package outbox

import (
	"time"

	"github.com/go-zre/go-zre/internal/traffic"
)

// SetTransport says how messages travel from now on.
func (o *Outbox) SetTransport(via traffic.Transport) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if via != o.via {
		o.earlier[o.via].Add(o.accepted)
		o.via, o.accepted = via, traffic.Count{}
	}
}

// Whispers returns how many WHISPERs Send has taken.
func (o *Outbox) Whispers() uint64 {
	all := o.Accepted()
	return all.Sum().Whispers
}

// Accepted returns what Send has taken, by how it travels: queued, kept back, or handed over.
func (o *Outbox) Accepted() traffic.Table {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.earlier
	all[o.via].Add(o.accepted)
	return all
}

// A trip is a PING whose way there and back is timed. One at a time is, and only one that is the first that is not answered, so that the next
// PING-OK is its answer.
type trip struct {
	began time.Time // zero if none is under way
	took  time.Duration
}

// begin takes note that a PING is sent, behind others that are not answered if isFirst is false.
func (t *trip) begin(isFirst bool) {
	if isFirst {
		t.began = time.Now()
	}
}

// end takes note of a PING-OK.
func (t *trip) end() {
	if !t.began.IsZero() {
		t.took, t.began = max(time.Since(t.began), 1), time.Time{}
	}
}

// RTT returns how long the answer to a PING took the last time; 0 if none came. It counts PINGs of Ask and of the node's own, which overtake what
// waits.
func (o *Outbox) RTT() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.trip.took
}
