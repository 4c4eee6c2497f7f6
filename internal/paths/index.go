package paths

import (
	"net/netip"

	"github.com/google/uuid"
)

// An Index finds the sessions that lead to an address: the remote address of the session's connection, and the paths of its peer. A look-up
// takes constant time, and a change takes time in proportion to the session's addresses, however many sessions share one.
//
// One goroutine at a time may use it. The zero value is empty and ready.
type Index struct {
	addrs    map[uuid.UUID][]netip.AddrPort
	ids      map[netip.AddrPort][]uuid.UUID
	position map[entry]int // the position of each in ids, so that nothing is searched
}

type entry struct {
	at netip.AddrPort
	id uuid.UUID
}

// Set makes a session lead to these addresses, and to no others. Invalid addresses are left out. It does not keep the slice.
func (x *Index) Set(id uuid.UUID, addrs []netip.AddrPort) {
	if x.addrs == nil {
		x.addrs, x.ids, x.position = make(map[uuid.UUID][]netip.AddrPort), make(map[netip.AddrPort][]uuid.UUID), make(map[entry]int)
	}
	x.Remove(id)
	var kept []netip.AddrPort
	for _, at := range addrs {
		if _, twice := x.position[entry{at, id}]; twice || !at.IsValid() {
			continue
		}
		x.position[entry{at, id}] = len(x.ids[at])
		x.ids[at] = append(x.ids[at], id)
		kept = append(kept, at)
	}
	if kept != nil {
		x.addrs[id] = kept
	}
}

// Remove removes a session.
func (x *Index) Remove(id uuid.UUID) {
	for _, at := range x.addrs[id] {
		ids, gap := x.ids[at], x.position[entry{at, id}]
		last := ids[len(ids)-1]
		ids[gap] = last
		x.position[entry{at, last}] = gap
		delete(x.position, entry{at, id})
		if x.ids[at] = ids[:len(ids)-1]; len(ids) == 1 {
			delete(x.ids, at)
		}
	}
	delete(x.addrs, id)
}

// At returns the sessions that lead to an address, in no particular order. The slice is valid until the next change.
func (x *Index) At(at netip.AddrPort) []uuid.UUID { return x.ids[at] }
