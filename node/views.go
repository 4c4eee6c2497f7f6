package node

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/eventqueue"
)

// Peers returns the present peers, sorted by name.
func (n *Node) Peers() []*Peer {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return snapshots(maps.Values(n.present), len(n.present))
}

// PeersIn returns the present peers in a group, sorted by name.
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
		list = append(list, p.currentSnapshot())
	}
	slices.SortFunc(list, byName)
	return list
}

func byName(a, b *Peer) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), slices.Compare(a.UUID[:], b.UUID[:]))
}

// Peer returns a snapshot of a peer, and whether it is present.
func (n *Node) Peer(id uuid.UUID) (*Peer, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	p := n.present[id]
	if p == nil {
		return nil, false
	}
	return p.currentSnapshot(), true
}

// currentSnapshot returns the snapshot with the current queue figures.
func (p *session) currentSnapshot() *Peer { return p.withQueue(p.snapshot.Load()) }

// withQueue is now for a given snapshot.
func (p *session) withQueue(snapshot *Peer) *Peer {
	s := *snapshot
	s.QueuedMessages, s.QueuedBytes = p.out.Depth()
	s.Public = nil // it belongs to the older snapshot
	return &s
}

// Groups returns the groups that this node is in, sorted.
func (n *Node) Groups() []string { return slices.Sorted(maps.Keys(*n.ownGroups.Load())) }

// PeerGroups returns the groups of present peers, sorted.
func (n *Node) PeerGroups() []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Sorted(maps.Keys(n.members))
}

// Take waits for events and returns those that are pending, in order. It reuses batch, which the caller no longer needs. It returns
// false once the node is closed or stop is. Only one goroutine at a time may call it.
func (n *Node) Take(batch []Event, stop <-chan struct{}) ([]Event, bool) {
	return n.events.Take(batch, stop)
}

// Hold makes a peer's messages wait until Release or its Exit, as if there were no room for them. Unless firm is set, they do not wait while a
// send or request of the application waits. It is for callers that keep events after they have taken them.
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

// EventOctets returns how many bytes may wait for the application.
func (n *Node) EventOctets() int64 { return n.cfg.Limits.EventBytes }

// Serving adds to the count of events that are taken and not handled yet.
func (n *Node) Serving(events int) { n.events.Serving(events) }

// Handled subtracts one of them.
func (n *Node) Handled() { n.events.Handled() }

// NoteRead records that the application fetches another of the events that it took, so that a waiting send knows that events are read.
func (n *Node) NoteRead() { n.events.NoteRead() }
