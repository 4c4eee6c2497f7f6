package paths

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/go-zre/go-zre/beacon"
)

// maxPaths is how many endpoints of one peer a Set keeps.
const maxPaths = 4

// A path is an endpoint of a peer. Sets of successive sessions with one peer share the ticks.
type path struct {
	netip.AddrPort
	shown  *atomic.Uint32 // the tick at which a beacon or HELLO last showed the peer there; 0 if only others said so
	proven bool           // the HELLO of this session came from that address, so the path works
}

// A Set holds the paths to one peer in one session: at most four, the newest last. A peer seen through several interfaces is one peer with
// several paths.
//
// One goroutine, the control loop, changes it with Add and Follow. Any goroutine may call the other methods at any time.
type Set struct {
	clock *Clock
	list  atomic.Pointer[[]path] // replaced by the control loop, never changed; the ticks in it change
}

// NewSet makes a Set of endpoints, the newest last. shown says that the peer was shown there now, by a beacon or its own HELLO; otherwise
// the endpoints are hearsay.
func NewSet(clock *Clock, endpoints []netip.AddrPort, shown bool) *Set {
	s := &Set{clock: clock}
	s.store(s.make(endpoints, shown, false))
	return s
}

func (s *Set) make(endpoints []netip.AddrPort, shown, proven bool) []path {
	list := make([]path, len(endpoints))
	for i, at := range endpoints {
		list[i] = path{AddrPort: at, shown: new(atomic.Uint32), proven: proven}
		if shown {
			list[i].shown.Store(s.clock.now.Load())
		}
	}
	return list
}

// store keeps the newest paths: the peer may have moved.
func (s *Set) store(list []path) {
	list = list[max(0, len(list)-maxPaths):]
	s.list.Store(&list)
}

// Clone returns a Set with the same paths.
func (s *Set) Clone() *Set {
	c := &Set{clock: s.clock}
	c.list.Store(s.list.Load())
	return c
}

// Unproven returns a Set for another session: the same paths, none of them proven.
func (s *Set) Unproven() *Set {
	c := &Set{clock: s.clock}
	list := slices.Clone(*s.list.Load())
	for i := range list {
		list[i].proven = false
	}
	c.store(list)
	return c
}

// See notes that the peer was shown at an endpoint now, if that is one of its paths. It tells whether it is.
func (s *Set) See(at netip.AddrPort) bool {
	for _, p := range *s.list.Load() {
		if p.AddrPort != at {
			continue
		}
		// Beacons of all peers come this way, mostly several per tick: not all of them need to write.
		if now := s.clock.now.Load(); p.shown.Load() != now {
			p.shown.Store(now)
		}
		return true
	}
	return false
}

// Contains tells whether an endpoint is one of the paths.
func (s *Set) Contains(at netip.AddrPort) bool {
	return slices.ContainsFunc(*s.list.Load(), func(p path) bool { return p.AddrPort == at })
}

// Add makes an endpoint the newest path, unless it is known already. If there are too many paths the oldest is dropped. It tells whether
// the endpoint is new.
func (s *Set) Add(at netip.AddrPort, shown bool) bool {
	if shown && s.See(at) || s.Contains(at) {
		return false
	}
	s.store(append(slices.Clone(*s.list.Load()), s.make([]netip.AddrPort{at}, shown, false)...))
	return true
}

// Follow makes the endpoints of the peer's HELLO the newest, and tells whether one of them is new. A single endpoint is the address that
// the HELLO came from, which works. If there are two, the better one, like any advertised endpoint, may lead nowhere from here, so beacons
// count for more. If the peer may have restarted, paths with another port are removed; the others may be the same mailbox through another
// interface.
func (s *Set) Follow(endpoints []netip.AddrPort, restarted bool) (added bool) {
	var list []path
	for _, p := range *s.list.Load() {
		moved := restarted && len(endpoints) > 0 && p.Port() != endpoints[0].Port()
		if !moved && !slices.Contains(endpoints, p.AddrPort) {
			p.proven = false
			list = append(list, p)
		}
	}
	added = slices.ContainsFunc(endpoints, func(at netip.AddrPort) bool { return !s.Contains(at) })
	proven := len(endpoints) == 1
	s.store(append(list, s.make(endpoints, proven, proven)...))
	return added
}

// Endpoints returns where the peer may be reached, the newest last.
func (s *Set) Endpoints() []netip.AddrPort {
	list := *s.list.Load()
	endpoints := make([]netip.AddrPort, len(list))
	for i, p := range list {
		endpoints[i] = p.AddrPort
	}
	return endpoints
}

// Newest returns the newest endpoint; it is not valid if there is none.
func (s *Set) Newest() netip.AddrPort {
	if list := *s.list.Load(); len(list) > 0 {
		return list[len(list)-1].AddrPort
	}
	return netip.AddrPort{}
}

// HasMoved tells whether the peer was recently shown at another endpoint, but no longer at this one, where it had been shown.
func (s *Set) HasMoved(from netip.AddrPort) bool {
	stale, other := false, false
	for _, p := range *s.list.Load() {
		shown := p.shown.Load()
		switch fresh := s.clock.isFresh(shown); {
		case p.AddrPort == from:
			stale = shown != 0 && !fresh
		case fresh:
			other = true
		}
	}
	return stale && other
}

// IsRare tells whether an IPv6 endpoint that was shown within that many ticks may be shown rarely because the peer is shown by IPv4 on the
// same link: on a calm network a node beacons by only one of the two. interfaces are ours.
func (s *Set) IsRare(at netip.AddrPort, ticks uint32, interfaces []beacon.Interface) bool {
	shown := s.ShownAt(at)
	if !at.Addr().Is6() || shown == 0 || s.clock.Now()-shown > ticks {
		return false
	}
	i, ok := interfaceTo(at.Addr(), interfaces)
	return ok && slices.ContainsFunc(*s.list.Load(), func(p path) bool {
		j, ok := interfaceTo(p.Addr(), interfaces)
		return ok && j.Index == i.Index && p.Addr().Is4() && s.clock.isFresh(p.shown.Load())
	})
}

// ShownAt returns the tick at which the peer was last shown at an endpoint; 0 if it was not.
func (s *Set) ShownAt(at netip.AddrPort) uint32 {
	for _, p := range *s.list.Load() {
		if p.AddrPort == at {
			return p.shown.Load()
		}
	}
	return 0
}
