package node

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/beacon"
)

// A peer's advertised state is older than the work this node has just sent it. So that work counts until the peer sends something: a state, or
// a message such as the result.

// answerTime is how long work counts if the peer sends nothing. A peer sends changes of its state at once, so after this time there is none.
const answerTime = time.Second

// work is what a peer was sent. Node.chooser guards everything but spoke.
type work struct {
	spoke atomic.Bool // it sent a state or a message since Choose last looked

	before uint64    // WHISPERs sent to it before it last spoke
	since  time.Time // when it was first chosen after that; the zero time if it was not
	turn   uint64    // the number of the turn when it was last chosen; 0 if it never was
}

// chooser is the state of Choose.
type chooser struct {
	mu   sync.Mutex
	turn uint64
}

// noteSent records that a peer sent something.
func (w *work) noteSent() {
	if !w.spoke.Load() {
		w.spoke.Store(true)
	}
}

// pendingWork returns how many WHISPERs a peer was sent since it last sent something.
func (p *session) pendingWork(now time.Time) uint64 {
	w, whispers := &p.work, p.out.Whispers()
	if w.spoke.Swap(false) || now.Sub(w.since) >= answerTime {
		w.before, w.since = whispers, time.Time{}
	}
	return whispers - w.before
}

// Choose picks a group member in the first of the given states that any member has; see zre.Node.Choose.
func (n *Node) Choose(group string, states []beacon.State) (*Peer, bool) {
	n.mu.RLock()
	members := n.members[group].lend()
	n.mu.RUnlock()
	n.chooser.mu.Lock()
	defer n.chooser.mu.Unlock()
	best, now := choice{}, time.Now()
	for _, p := range members {
		if rank := slices.Index(states, beacon.State(p.peerState.Load())); rank >= 0 && (best.peer == nil || rank <= best.rank) {
			best.consider(p, rank, now)
		}
	}
	p := best.peer
	if p == nil {
		return nil, false
	}
	n.chooser.turn++
	p.work.turn = n.chooser.turn
	if p.work.since.IsZero() {
		p.work.since = now
	}
	return p.currentSnapshot(), true
}

// A choice is the best peer so far.
type choice struct {
	peer *session
	rank int    // of its state
	load uint64 // known messages ahead in its queue
	turn uint64
	ties int // how many are equally good
}

// consider takes a peer if it is better than the best so far. It skips an idle peer that was sent work: that peer is about to be busy.
func (c *choice) consider(p *session, rank int, now time.Time) {
	given := p.pendingWork(now)
	if given > 0 && beacon.State(p.peerState.Load()) == beacon.Idle {
		return
	}
	queued, _ := p.out.Depth()
	load, turn := max(given, uint64(queued)), p.work.turn
	switch {
	case c.peer == nil || rank < c.rank || rank == c.rank && (load < c.load || load == c.load && turn < c.turn):
		*c = choice{peer: p, rank: rank, load: load, turn: turn, ties: 1}
	case rank == c.rank && load == c.load && turn == c.turn: // neither was chosen so far
		if c.ties++; rand.IntN(c.ties) == 0 {
			c.peer = p
		}
	}
}
