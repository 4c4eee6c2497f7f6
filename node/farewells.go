package node

import (
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
)

// farewells remembers who has just left, and from where. Beacons that a peer sent before its farewell may come after it, and
// must not make us dial it again: a successor has another port, or comes later. And a farewell is said more than once: it is
// not that of a successor who has come meanwhile. The control loop owns it.
type farewells map[uuid.UUID]departure

type departure struct {
	endpoints []netip.AddrPort
	until     time.Time
}

const (
	rememberedFor = 250 * time.Millisecond
	maxFarewells  = 1_024 // a flood of farewells is bounded; beyond it a late beacon costs a dial
)

func (f farewells) add(id uuid.UUID, endpoints []netip.AddrPort) {
	if len(f) < maxFarewells {
		f[id] = departure{endpoints, time.Now().Add(rememberedFor)}
	}
}

// has tells whether a beacon for that endpoint is an old one.
func (f farewells) has(id uuid.UUID, endpoint netip.AddrPort) bool {
	gone, ok := f[id]
	return ok && slices.Contains(gone.endpoints, endpoint) && time.Now().Before(gone.until)
}

// repeats tells whether a farewell has just been said.
func (f farewells) repeats(id uuid.UUID) bool {
	gone, ok := f[id]
	return ok && time.Now().Before(gone.until)
}

// prune forgets those who left long ago.
func (f farewells) prune(now time.Time) {
	for id, gone := range f {
		if now.After(gone.until) {
			delete(f, id)
		}
	}
}
