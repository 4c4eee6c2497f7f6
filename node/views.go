package node

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/eventqueue"
)

// Peers returns the peers present, by name.
func (n *Node) Peers() []*Peer {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return snapshots(maps.Values(n.present), len(n.present))
}

// PeersIn returns the peers present in a group, by name.
func (n *Node) PeersIn(group string) []*Peer {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var members []*session
	if r := n.members[group]; r != nil {
		members = r.list
	}
	return snapshots(slices.Values(members), len(members))
}

func snapshots(peers func(func(*session) bool), count int) []*Peer {
	list := make([]*Peer, 0, count)
	for p := range peers {
		list = append(list, p.now())
	}
	slices.SortFunc(list, byName)
	return list
}

func byName(a, b *Peer) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), slices.Compare(a.UUID[:], b.UUID[:]))
}

// Peer returns what is known of a peer, and whether it is present.
func (n *Node) Peer(id uuid.UUID) (*Peer, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	p := n.present[id]
	if p == nil {
		return nil, false
	}
	return p.now(), true
}

// now is the snapshot with what changes at every message.
func (p *session) now() *Peer { return p.withQueue(p.snapshot.Load()) }

// withQueue is now, for a snapshot of a moment ago.
func (p *session) withQueue(snapshot *Peer) *Peer {
	s := *snapshot
	s.QueuedMessages, s.QueuedBytes = p.out.Depth()
	s.Public = nil // it is of a moment ago
	return &s
}

// Groups returns the groups that this node is in, sorted.
func (n *Node) Groups() []string { return slices.Sorted(maps.Keys(*n.ownGroups.Load())) }

// PeerGroups returns the groups that peers present are in, sorted.
func (n *Node) PeerGroups() []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Sorted(maps.Keys(n.members))
}

// Take waits for events and returns those that are pending, in order; batch, which the caller is done with, is reused. It
// returns false once the node is closed or stop is. One goroutine at a time may take.
func (n *Node) Take(batch []Event, stop <-chan struct{}) ([]Event, bool) {
	return n.events.Take(batch, stop)
}

// Hold has a peer's messages wait until Release or its Exit, as if there were no room for them; unless firm is set, not while a send or request of the
// application waits. It is for one that keeps events which it has taken.
func (n *Node) Hold(id uuid.UUID, firm bool) {
	if s := n.streamOf(id); s != nil {
		n.events.Hold(s, firm)
	}
}

// Release ends a Hold.
func (n *Node) Release(id uuid.UUID) {
	if s := n.streamOf(id); s != nil {
		n.events.Release(s)
	}
}

func (n *Node) streamOf(id uuid.UUID) *eventqueue.Stream {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if s := n.sessions[id]; s != nil {
		return s.stream.Load()
	}
	return nil
}

// EventOctets is how much may wait for the application.
func (n *Node) EventOctets() int64 { return n.cfg.Limits.EventBytes }

// Serving and Handled count events that were taken and are not handled yet.
func (n *Node) Serving(events int) { n.events.Serving(events) }

// Handled is the end of one of them.
func (n *Node) Handled() { n.events.Handled() }

// NoteRead takes note that the application comes for another event of those that it took, so that a send which waits knows that events are
// read.
func (n *Node) NoteRead() { n.events.NoteRead() }
