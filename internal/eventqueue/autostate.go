package eventqueue

import (
	"time"

	"github.com/go-zre/go-zre/beacon"
)

// SamplePause is the time between two samples of the automatic state.
const SamplePause = 50 * time.Millisecond

const (
	behindSamples = 2 // in a row without a read, or with a half-full queue: the application is behind
	calmSamples   = 5 // in a row without a cause for a state: it ends
)

// Activity is what a sample of the queue shows.
type Activity struct {
	arrived  uint64 // WHISPER and SHOUT so far
	takes    uint64 // how often the application has come for events so far
	work     bool   // there are events that it has not come for, or has taken and not finished
	halfFull bool
}

// Activity returns what goes on at the queue.
func (q *Queue) Activity() Activity {
	q.mu.Lock()
	defer q.mu.Unlock()
	return Activity{
		arrived:  q.arrived,
		takes:    q.takes + q.handled.Load(),
		work:     len(q.pending) > 0 || q.unfinished > 0 || q.serving.Load() > 0,
		halfFull: q.messages > q.limits.Messages/2 || q.bytes > q.limits.Bytes/2,
	}
}

// AutoState derives from samples of the queue what the node is doing: RECEIVING while messages arrive, PROCESSING while the application is
// behind, else IDLE. States begin soon and end late, so that they do not flap. It belongs to one goroutine; NewAutoState makes one.
type AutoState struct {
	state   beacon.State
	last    Activity
	behind  int // samples in a row in which the application was behind
	keepsUp int // samples in a row in which it was not
	quiet   int // samples in a row in which nothing arrived
}

// NewAutoState returns an AutoState that is IDLE.
func NewAutoState() AutoState { return AutoState{state: beacon.Idle} }

// State returns the state after the last sample.
func (a *AutoState) State() beacon.State { return a.state }

// Sample takes a sample, one each SamplePause, and returns the state that follows from it.
func (a *AutoState) Sample(now Activity) beacon.State {
	arrived := now.arrived != a.last.arrived
	behind := now.halfFull || now.work && a.last.work && now.takes == a.last.takes
	a.last = now
	countInRow(&a.behind, behind)
	countInRow(&a.keepsUp, !behind)
	countInRow(&a.quiet, !arrived)
	switch {
	case a.behind >= behindSamples:
		a.state = beacon.Processing
	case a.state == beacon.Processing && (a.keepsUp < calmSamples || now.work):
	case arrived:
		a.state = beacon.Receiving
	case a.quiet >= calmSamples || a.state == beacon.Processing:
		a.state = beacon.Idle
	}
	return a.state
}

// countInRow counts how many times in a row something was true.
func countInRow(n *int, is bool) {
	if *n++; !is {
		*n = 0
	}
}
