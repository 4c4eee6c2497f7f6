package node

import (
	"time"

	"github.com/go-zre/go-zre/beacon"
)

// Times of the automatic state.
const (
	samplePause = 50 * time.Millisecond
	lagSamples  = 2 // in a row at the same events: the application lags
	calmSamples = 5 // in a row without a cause for a state: it ends
)

// autoState tells from samples of the event queue what the node is doing: RECEIVING while messages arrive, PROCESSING
// while the application lags behind, else IDLE. States begin soon and end late, so that they do not flap.
type autoState struct {
	state  beacon.State
	last   activity
	lag    int // samples in a row
	noLag  int
	silent int // samples in a row in which nothing arrived
}

// activity is what a sample of the event queue shows.
type activity struct {
	arrived uint64 // WHISPER and SHOUT so far
	taken   uint64 // how often the application has come for events so far
	work    bool   // there are events that it has not come for, or has taken and not come back from
	crowded bool   // the queue is half full
}

func (a *autoState) sample(now activity) beacon.State {
	arrived := now.arrived != a.last.arrived
	lags := now.crowded || now.work && a.last.work && now.taken == a.last.taken
	a.last = now
	count(&a.lag, lags)
	count(&a.noLag, !lags)
	count(&a.silent, !arrived)
	switch {
	case a.lag >= lagSamples:
		a.state = beacon.Processing
	case a.state == beacon.Processing && (a.noLag < calmSamples || now.work):
	case arrived:
		a.state = beacon.Receiving
	case a.silent >= calmSamples || a.state == beacon.Processing:
		a.state = beacon.Idle
	}
	return a.state
}

// count counts how often in a row something was true.
func count(n *int, is bool) {
	if *n++; !is {
		*n = 0
	}
}

// observe takes a sample, in the control loop.
func (n *Node) observe() {
	if s := n.auto.sample(n.events.activity()); n.chosen == beacon.Idle {
		n.become(s)
	}
}
