package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// watchers wakes callers that wait for a change of the present peers. While none waits, a change costs only the lock.
type watchers struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change; nil if no caller waits
}

// next returns a channel that is closed at the next change.
func (w *watchers) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed
}

// wake makes all waiting callers look again. Call it after each change of a snapshot, or of the present peers.
func (w *watchers) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// PeersWhere returns the present peers for which match returns true, sorted by name. match runs without a lock.
func (n *Node) PeersWhere(match func(*Peer) bool) []*Peer {
	n.mu.RLock()
	all := make([]*session, 0, len(n.present))
	for _, p := range n.present {
		all = append(all, p)
	}
	n.mu.RUnlock()
	var peers []*Peer
	for _, p := range all {
		if snapshot := p.snapshot.Load(); match(snapshot) {
			peers = append(peers, p.withQueue(snapshot))
		}
	}
	slices.SortFunc(peers, byName)
	return peers
}

// WaitFor waits until count present peers match, and returns all that do, sorted by name; see zre.Node.WaitFor. It looks again at each change,
// and takes no events.
func (n *Node) WaitFor(ctx context.Context, count int, match func(*Peer) bool) ([]*Peer, error) {
	for {
		changed := n.watchers.next() // before the look, so that no change is missed
		if err := n.lifecycle.checkStarted(); err != nil {
			return nil, fmt.Errorf("wait for peers: %w", err)
		}
		peers := n.PeersWhere(match)
		if len(peers) >= count {
			return peers, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return peers, fmt.Errorf("wait for peers: %d of %d are here: %w", len(peers), count, context.Cause(ctx))
		case <-n.ending.sendsEnded:
		case <-n.done:
		}
	}
}
