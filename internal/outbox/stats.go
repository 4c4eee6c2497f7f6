package outbox

import (
	"time"

	"github.com/go-zre/go-zre/internal/traffic"
)

// SetTransport sets how messages travel from now on.
func (o *Outbox) SetTransport(via traffic.Transport) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if via != o.via {
		o.earlier[o.via].Add(o.accepted)
		o.via, o.accepted = via, traffic.Count{}
	}
}

// Whispers returns how many WHISPERs Send has accepted.
func (o *Outbox) Whispers() uint64 {
	all := o.Accepted()
	return all.Sum().Whispers
}

// Accepted returns what Send has accepted, by transport: queued, parked, or handed over.
func (o *Outbox) Accepted() traffic.Table {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.earlier
	all[o.via].Add(o.accepted)
	return all
}

// A roundTrip times the round trip of a PING: one at a time, and only a PING with no unanswered one before it, so that the next PING-OK is its
// answer.
type roundTrip struct {
	began time.Time // zero if none is under way
	took  time.Duration
}

// begin notes that a PING is sent; isFirst says that no earlier PING is unanswered.
func (t *roundTrip) begin(isFirst bool) {
	if isFirst {
		t.began = time.Now()
	}
}

// end notes a PING-OK.
func (t *roundTrip) end() {
	if !t.began.IsZero() {
		t.took, t.began = max(time.Since(t.began), 1), time.Time{}
	}
}

// RTT returns the last round-trip time of a PING; 0 if no answer came yet. It covers the PINGs of Ask and the node's own, which overtake
// what waits.
func (o *Outbox) RTT() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.trip.took
}
