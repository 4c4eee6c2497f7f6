package node

import (
	"time"

	"github.com/google/uuid"
)

// remembered keeps peers for a while. It has room for a bounded number; beyond that the oldest are forgotten first. The control loop
// owns it.
type remembered struct {
	max   int
	keep  time.Duration
	until map[uuid.UUID]time.Time
}

func newRemembered(max int, keep time.Duration) remembered {
	return remembered{max: max, keep: keep, until: make(map[uuid.UUID]time.Time)}
}

// add remembers a peer, from now on.
func (m *remembered) add(id uuid.UUID) {
	if _, known := m.until[id]; !known && len(m.until) >= m.max {
		oldest, first := id, time.Time{}
		for id, until := range m.until {
			if first.IsZero() || until.Before(first) {
				oldest, first = id, until
			}
		}
		delete(m.until, oldest)
	}
	m.until[id] = time.Now().Add(m.keep)
}

// has reports whether a peer is remembered.
func (m *remembered) has(id uuid.UUID) bool {
	until, ok := m.until[id]
	return ok && time.Now().Before(until)
}

func (m *remembered) remove(id uuid.UUID) { delete(m.until, id) }

// prune forgets expired peers.
func (m *remembered) prune(now time.Time) {
	for id, until := range m.until {
		if !now.Before(until) {
			delete(m.until, id)
		}
	}
}

const (
	// formerFor is how long a foreign peer may still have us in a session that ended here. pyre and zyre.js keep a peer whose beacons they hear,
	// so it depends on how soon such a peer may come back.
	formerFor = 10 * time.Minute
	// unreachableFor is how long we remember an unreachable peer, which must be reached before it enters.
	unreachableFor = 10 * time.Minute
)

// mayHaveOldSession reports whether a peer may still have us in a session that is over here.
func (n *Node) mayHaveOldSession(id uuid.UUID) bool { return n.former.has(id) }

// noteFormer records the end of a session that the peer may not know about.
func (n *Node) noteFormer(s *session) {
	if s.state.isPresent() && !s.isOurs {
		n.former.add(s.uuid)
	}
}
