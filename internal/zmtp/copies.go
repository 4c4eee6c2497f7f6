package zmtp

import (
	"math/bits"
	"time"

	"github.com/go-zre/go-zre/internal/memory"
)

// How many frames a run has room for, at least: the first waiting run, and those behind it.
const firstFrames, moreFrames = 16, 64 // moreFrames is also the number of bits of a run

// frameCost is the overhead of a frame that waits in an inproc queue: its entry in a list.
const frameCost = memory.FrameOverhead

// frameCosts returns the overhead of that many frames in the queue. The caller holds the lock.
func (q *Queue) frameCosts(frames int) int64 {
	if q.inproc {
		return frameCost * int64(frames)
	}
	return 0
}

// uncountOverhead stops counting the overhead of frames that were taken and are lost: it was no octet of theirs.
func (q *Queue) uncountOverhead(frames int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if overhead := frameCost * int64(frames); q.closed != nil {
		q.lost.octets -= overhead
	} else {
		q.octets -= overhead
	}
}

// copies holds the messages that wait in an inproc queue, in memory that their receiver will own. If room for frames is used up within
// busyTime, octets are taken in larger pieces.
type copies struct {
	runs     []run
	rest     [][]byte      // room behind the run that was taken last
	cutter   memory.Cutter // of octets only
	lastRoom time.Time     // when room for frames was last taken
}

// A run is some messages: all their frames, and a bit for the last frame of each. A message with more than moreFrames frames is a run by
// itself, without a bit.
type run struct {
	frames [][]byte
	ends   uint64 // the lowest bit for the first frame
	own    uint64 // likewise, for the last frame of each of the protocol's own messages
}

// add appends a copy of a message; large frames that are handed on go to the receiver as they are.
func (c *copies) add(frames [][]byte, what kind) {
	last := len(c.runs) - 1
	if last < 0 || cap(c.runs[last].frames)-len(c.runs[last].frames) < len(frames) {
		c.runs = append(c.runs, run{frames: c.room(len(frames))})
		last++
	}
	r := &c.runs[last]
	all := r.frames
	for _, f := range frames {
		if what == owned && len(f) >= LargeFrame {
			f = c.cutter.Adopt(f)
		} else {
			f = c.cutter.Copy(f)
		}
		all = append(all, f)
	}
	last = len(all) - 1
	if r.frames, r.ends = all, r.ends|1<<last; what == control {
		r.own |= 1 << last
	}
}

// copyInto sets the receiver's pool, from which copies of large frames take their memory.
func (q *Queue) copyInto(pool *memory.Pool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.copies.cutter.Pool = pool
}

// room returns room for that many frames, or more.
func (c *copies) room(frames int) [][]byte {
	if cap(c.rest) >= frames {
		rest := c.rest
		c.rest = nil
		return rest
	}
	now := time.Now()
	c.cutter.Busy = now.Sub(c.lastRoom) < busyTime
	c.lastRoom = now
	if len(c.runs) == 0 {
		return make([][]byte, 0, max(frames, firstFrames))
	}
	return make([][]byte, 0, max(frames, moreFrames))
}

// take returns what waits; spare becomes the list for the next messages.
func (c *copies) take(spare []run) []run {
	all := c.runs
	if c.runs = spare[:0]; len(all) == 1 { // a longer list would keep alive what the receiver has released
		c.rest = all[0].frames[len(all[0].frames):]
	}
	return all
}

// isOwn tells whether the first message is the protocol's own.
func (r *run) isOwn() bool { return r.own>>bits.TrailingZeros64(r.ends)&1 != 0 }

// frames counts the waiting frames, except those of the protocol's own messages.
func (c *copies) frames() (n int) {
	for _, r := range c.runs {
		for len(r.frames) > 0 {
			own := r.isOwn()
			if frames := len(r.next()); !own {
				n += frames
			}
		}
	}
	return n
}

// next cuts off the first message.
func (r *run) next() [][]byte {
	n := len(r.frames)
	if r.ends != 0 {
		n = bits.TrailingZeros64(r.ends) + 1
	}
	frames := r.frames[:n:n]
	r.frames, r.ends, r.own = r.frames[n:], r.ends>>n, r.own>>n
	return frames
}
