package zmtp

import (
	"errors"
	"time"
)

// drainBy sets what drains the queue. A goroutine runs drain whenever there is something to take, and once more when the queue is closed
// and empty; it ends when take returns nothing.
func (q *Queue) drainBy(drain func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drain = drain
	if q.hasPending() || q.closed != nil {
		q.startDrain()
	}
}

// stopDraining stops draining the queue, and calls then once there is nothing left to do: nothing may be pushed from now on.
func (q *Queue) stopDraining(then func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.afterDrain = then
	if !q.draining {
		q.drainEnded()
	}
}

// drainEnded is the last step of the drain goroutine, for now or for good. The caller holds the lock.
func (q *Queue) drainEnded() {
	q.draining = false
	if q.afterDrain != nil {
		q.drain = nil
		q.afterDrain()
		q.afterDrain = nil
	}
}

// startDrain starts the drain goroutine unless it runs. The caller holds the lock.
func (q *Queue) startDrain() {
	if q.drain != nil && !q.draining {
		q.draining = true
		go q.drain()
	}
}

// attach gives the queue to a connection, with first ahead of everything that waits.
func (q *Queue) attach(c *Conn, first [][]byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed != nil:
		return q.closed
	case q.conn != nil:
		return errors.New("zmtp: another connection drains this queue already")
	case !q.inproc && c.inproc():
		return errors.New("zmtp: Link needs a queue that NewInprocQueue made")
	}
	q.conn = c
	q.announce(&q.progress)
	segments, runs := q.batch.segments, q.copies.runs
	q.batch.segments, q.copies.runs, q.inproc = nil, nil, c.inproc()
	if len(first) > 0 {
		size := wireSize(first) + q.frameCosts(len(first))
		q.add(first, nil, control)
		q.messages++
		q.idle.Store(false)
		q.octets += size
		q.own.add(1, size)
		q.takenCount--
		q.written-- // so that a Flush that waits already doesn't take it for one of its messages
	}
	q.batch.segments = append(q.batch.segments, segments...)
	if q.inproc {
		q.copies.runs = append(q.copies.runs, runs...)
		return nil
	}
	q.copies = copies{}
	for _, r := range runs {
		for len(r.frames) > 0 {
			what := copied
			if r.isOwn() {
				what = control
			}
			frames := r.next()
			cost := frameCost * int64(len(frames)) // from now on they count as on a wire
			if q.octets -= cost; what == control {
				q.own.add(0, -cost)
			}
			lease := q.newLease(wireSize(frames), frames)
			if lease != nil {
				lease.Count(q.budget)
			}
			if q.add(frames, lease, what); lease != nil {
				lease.Release()
			}
		}
	}
	q.updateBudget()
	return nil
}

// take returns the next whole messages for a socket; spare becomes the queue's list for later ones. If it returns nothing, the caller must
// end, and is started again in time. The error is the reason why the queue was closed.
func (q *Queue) take(spare []segment) ([]segment, error) {
	q.mu.Lock()
	if len(q.batch.segments) == 0 {
		defer q.mu.Unlock()
		return nil, q.endDrain()
	}
	q.takenCount -= int64(q.batch.ahead.messages)
	taken, overtaken, numbers := q.batch.take(spare), q.batch.overtaken, q.numbers
	q.firstTaken = true
	for i := range taken {
		q.takenCount += int64(taken[i].messages)
	}
	q.mu.Unlock()
	renumber(taken, overtaken, numbers)
	return taken, nil
}

// takeCopies is take for a link within the process. It returns everything that waits, even after the queue was closed.
func (q *Queue) takeCopies(spare []run) ([]run, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.copies.runs) == 0 {
		return nil, q.endDrain()
	}
	return q.copies.take(spare), nil
}

// endDrain ends the drain goroutine: for now, or for good, with the reason why the queue was closed. The caller holds the lock.
func (q *Queue) endDrain() error {
	if q.closed != nil {
		return q.closed.reason // draining stays true: nothing starts it any more
	}
	if cap(q.batch.segments) > keepSegments {
		q.batch.segments = nil
	}
	if cap(q.copies.runs) > keepSegments {
		q.copies.runs = nil
	}
	q.drainEnded()
	return nil
}

// noteWritten notes that this much of what was taken is written, and none of it is the protocol's own.
func (q *Queue) noteWritten(messages int, octets int64) {
	q.noteWrittenParts(messages, octets, amount{}, 0)
}

// noteWrittenParts is noteWritten; own is the protocol's own part, and chunks is how many chunks it no longer needs.
func (q *Queue) noteWrittenParts(messages int, octets int64, own amount, chunks int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil { // meanwhile
		q.lost.add(own.messages-messages, own.octets-octets)
		return
	}
	q.messages -= messages
	q.octets -= octets
	q.own.add(-own.messages, -own.octets)
	q.batch.chunks -= chunks
	q.updateBudget()
	q.writtenOctets += octets
	q.written += int64(messages)
	q.lastWrite = time.Now()
	q.announce(&q.progress)
	if q.messages == 0 {
		q.idle.Store(true)
		q.announce(&q.drained)
	}
	if q.messages <= q.maxMessages/2 && q.octets <= q.maxOctets/2 &&
		(!q.lacksBudget || q.octets <= max(q.budget.free(), freeQueue)/2) {
		q.announce(&q.room)
	}
}
