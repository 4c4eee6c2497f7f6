package zmtp

import (
	"fmt"
	"os"
	"time"
)

// leastPace is how many octets per second a message must grow if it holds a share of the ReceiveBudget while others wait for room: a slower
// one would keep all others waiting, at no cost.
const leastPace = 32 << 10

// pace is what a reader knows about how fast a message comes.
type pace struct {
	timeout time.Duration // Config.StallTimeout; 0 for none
	octets  int64         // read so far
	armed   bool          // a deadline is set

	since  time.Time // when the timeout began
	mark   int64     // octets then
	counts bool      // it has begun
	looked bool      // it is over, and the last look is under way
}

// lastLook is how long a reader looks once more before it decides that too little has come: if this process was stopped, the timeout ends
// before what came meanwhile is read.
const lastLook = 100 * time.Millisecond

// restart starts the timeout again: the message is over, or the reader waited for something of ours.
func (p *pace) restart() { p.counts, p.looked = false, false }

// setDeadline sets the read deadline; 0 is none.
func (r *reader) setDeadline(after time.Duration) error {
	r.pace.armed = after > 0
	if after <= 0 {
		return r.src.SetReadDeadline(time.Time{})
	}
	return r.src.SetReadDeadline(time.Now().Add(after))
}

// late handles a deadline that has passed. The first one after octets came is busyTime, and makes the connection small again. Within a
// message others follow, which end the connection when too little has come.
func (r *reader) late() error {
	r.tired = true
	p := &r.pace
	if r.idles || p.timeout <= 0 {
		return r.setDeadline(0)
	}
	now := time.Now()
	if p.counts {
		left := p.timeout - now.Sub(p.since)
		if left > 0 {
			return r.setDeadline(left)
		}
		if came := p.octets - p.mark; came < r.leastProgress() {
			if !p.looked {
				p.looked = true
				return r.setDeadline(lastLook)
			}
			return fmt.Errorf("zmtp: %d octets of a message came within %v: %w", came, p.timeout, os.ErrDeadlineExceeded)
		}
	}
	p.since, p.mark, p.counts, p.looked = now, p.octets, true, false
	return r.setDeadline(p.timeout)
}

// leastProgress is how many octets must come within the timeout.
func (r *reader) leastProgress() int64 {
	if share := &r.account.share; share.held > 0 && share.pool.isShort() {
		return max(int64(leastPace*r.pace.timeout.Seconds()), 1)
	}
	return 1
}
