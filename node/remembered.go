package node

import (
	"time"

	"github.com/google/uuid"
)

// Remembered peers are kept for a while. It has room for a bounded number; beyond it the oldest are forgotten first. The control loop
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

// has tells whether a peer is remembered.
func (m *remembered) has(id uuid.UUID) bool {
	until, ok := m.until[id]
	return ok && time.Now().Before(until)
}

func (m *remembered) remove(id uuid.UUID) { delete(m.until, id) }

// prune forgets what was kept long enough.
func (m *remembered) prune(now time.Time) {
	for id, until := range m.until {
		if !now.Before(until) {
			delete(m.until, id)
		}
	}
}

const (
	// formerFor is how long a foreign peer whose session ended may still have us in one: pyre and zyre.js keep a peer whose beacons they
	// hear, so it is a matter of how soon such a peer may come back.
	formerFor = 10 * time.Minute
	// unreachableFor is how long a peer that we could not reach must be reached before it enters.
	unreachableFor = 10 * time.Minute
)

// mayHaveUs tells whether a peer may have us in a session that is over for us.
func (n *Node) mayHaveUs(id uuid.UUID) bool { return n.former.has(id) }

// noteFormer: a session ended, of which its peer may not know.
func (n *Node) noteFormer(s *session) {
	if s.state.isPresent() && !s.isOurs {
		n.former.add(s.uuid)
	}
}
