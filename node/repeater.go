package node

import "time"

// A repeater runs a function some time after it is started, and then for as long as the function says again. The lock of its owner guards it; the
// function runs without that.
type repeater struct {
	timer *time.Timer
	on    bool
}

// start makes the function run after d, unless it is about to.
func (r *repeater) start(d time.Duration, f func()) {
	switch {
	case r.on:
		return
	case r.timer == nil:
		r.timer = time.AfterFunc(d, f)
	default:
		r.timer.Reset(d)
	}
	r.on = true
}

// again is for the function: it runs once more after d.
func (r *repeater) again(d time.Duration) { r.timer.Reset(d) }

// stop is for the function: it runs no more until start.
func (r *repeater) stop() { r.on = false }
