package zmtp

import (
	"fmt"
	"os"
	"time"
)

// minPace is how many octets per second a message must grow if it holds a share of the ReceiveBudget while others wait for room: a slower
// one would keep all others waiting, at no cost.
const minPace = 32 << 10

// pace is what a reader knows about how fast a message comes.
type pace struct {
	timeout     time.Duration // Config.StallTimeout; 0 for none
	octets      int64         // read so far
	hasDeadline bool          // a deadline is set

	since       time.Time // when the timeout began
	startOctets int64     // octets then
	running     bool      // it has begun
	inGrace     bool      // it is over, and graceTime is running
}

// graceTime is how long a reader looks once more before it decides that too little has come: if this process was stopped, the timeout ends
// before what came meanwhile is read.
const graceTime = 100 * time.Millisecond

// restart starts the timeout again: the message is over, or the reader waited for something of ours.
func (p *pace) restart() { p.running, p.inGrace = false, false }

// setDeadline sets the read deadline; 0 is none.
func (r *reader) setDeadline(after time.Duration) error {
	r.pace.hasDeadline = after > 0
	if after <= 0 {
		return r.src.SetReadDeadline(time.Time{})
	}
	return r.src.SetReadDeadline(time.Now().Add(after))
}

// deadlinePassed handles a deadline that has passed. The first one after octets came is busyTime, and makes the connection small again. Within a
// message others follow, which end the connection when too little has come.
func (r *reader) deadlinePassed() error {
	r.isQuiet = true
	p := &r.pace
	if r.betweenMessages || p.timeout <= 0 {
		return r.setDeadline(0)
	}
	now := time.Now()
	if p.running {
		left := p.timeout - now.Sub(p.since)
		if left > 0 {
			return r.setDeadline(left)
		}
		if came := p.octets - p.startOctets; came < r.minProgress() {
			if !p.inGrace {
				p.inGrace = true
				return r.setDeadline(graceTime)
			}
			return fmt.Errorf("zmtp: %d bytes of a message came within %v: %w", came, p.timeout, os.ErrDeadlineExceeded)
		}
	}
	p.since, p.startOctets, p.running, p.inGrace = now, p.octets, true, false
	return r.setDeadline(p.timeout)
}

// minProgress is how many octets must come within the timeout.
func (r *reader) minProgress() int64 {
	if share := &r.account.share; share.held > 0 && share.pool.hasWaiters() {
		return max(int64(minPace*r.pace.timeout.Seconds()), 1)
	}
	return 1
}
