package node

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// panicsPerSecond is how many panics of handlers are logged per second: a handler may panic at each message.
const panicsPerSecond = 5

// panics bounds how many panics are logged.
type panics struct {
	mu      sync.Mutex
	since   time.Time // when the second began
	logged  int       // in it
	skipped int       // since the last one that was logged
}

// LogPanic logs that a handler of the application panicked. After more than panicsPerSecond, the next logged one gives the number skipped.
func (n *Node) LogPanic(id uuid.UUID, value any, stack []byte) {
	skipped, ok := n.panics.count(time.Now())
	if !ok {
		return
	}
	e := n.log.Error().Stringer("peer", id).Interface("panic", value).Bytes("stack", stack)
	if skipped > 0 {
		e = e.Int("skipped", skipped)
	}
	e.Msg("a handler panicked")
}

// count counts a panic. It reports whether to log it, and how many were skipped before.
func (p *panics) count(now time.Time) (skipped int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.since) >= time.Second {
		p.since, p.logged = now, 0
	}
	if p.logged == panicsPerSecond {
		p.skipped++
		return 0, false
	}
	skipped, p.skipped = p.skipped, 0
	p.logged++
	return skipped, true
}
