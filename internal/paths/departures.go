package paths

import (
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Departures remembers for a moment which peers have just left, and from where. Beacons that a peer sent before its GOODBYE may arrive
// after it, and must not make us dial the peer again: a peer that comes back has another port, or comes later. A GOODBYE is also sent more
// than once: the second must not end a session that has begun meanwhile.
//
// One goroutine at a time may use it. The zero value is ready.
type Departures struct {
	gone map[uuid.UUID]departure
}

type departure struct {
	endpoints []netip.AddrPort
	until     time.Time
}

const (
	rememberedFor = 250 * time.Millisecond
	maxDepartures = 1_024 // bounds a flood of GOODBYEs; beyond it a late beacon costs a dial
)

// Add notes that a peer has left. It keeps the slice.
func (d *Departures) Add(id uuid.UUID, endpoints []netip.AddrPort, now time.Time) {
	if d.gone == nil {
		d.gone = make(map[uuid.UUID]departure)
	}
	if _, known := d.gone[id]; known || len(d.gone) < maxDepartures {
		d.gone[id] = departure{endpoints, now.Add(rememberedFor)}
	}
}

// Recent tells whether a peer has just left. If so another GOODBYE is a repetition.
func (d *Departures) Recent(id uuid.UUID, now time.Time) bool {
	gone, ok := d.gone[id]
	return ok && now.Before(gone.until)
}

// RecentFrom tells whether a peer has just left from an endpoint. If so a beacon that names that endpoint is an old one.
func (d *Departures) RecentFrom(id uuid.UUID, endpoint netip.AddrPort, now time.Time) bool {
	return d.Recent(id, now) && slices.Contains(d.gone[id].endpoints, endpoint)
}

// Prune removes peers that left a while ago.
func (d *Departures) Prune(now time.Time) {
	for id, gone := range d.gone {
		if now.After(gone.until) {
			delete(d.gone, id)
		}
	}
}
