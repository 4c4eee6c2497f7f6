package srv

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// An Endpoint is where a peer may be.
type Endpoint struct {
	Target   string         // the host that the record names, without the last dot
	AddrPort netip.AddrPort // one of its addresses, with the record's port
	Priority uint16         // lower comes first
	Weight   uint16
	Key      string // the public key of the target, from its TXT record; only with Resolver.Keys
}

// An Answer is what a Lookup found.
type Answer struct {
	// Endpoints has each address and port once, by priority, then the greater weight, then address. Weights are not used for a random
	// choice: a node that looks for peers wants all of them.
	Endpoints []Endpoint

	// TTL is how long the answer is valid: the least of all records used. 30 s if unknown.
	TTL time.Duration

	// Partial says why some of the records gave no endpoint; nil if all did.
	Partial error
}

// Bounds of a lookup.
const (
	maxTargets    = 1024 // records used, by priority
	maxAsked      = 256  // targets whose addresses are asked for, because they did not come with the records
	maxAddresses  = 4    // of a target, for each family
	maxConcurrent = 16   // concurrent questions
)

// addresses are those of one host.
type addresses struct {
	list []netip.Addr
	ttl  time.Duration
}

func (a *addresses) add(addr netip.Addr, ttl time.Duration) {
	addr = addr.Unmap()
	same := 0
	for _, b := range a.list {
		if b == addr {
			return
		}
		if b.Is4() == addr.Is4() {
			same++
		}
	}
	if same == maxAddresses || !usable(addr) {
		return
	}
	if len(a.list) == 0 || ttl < a.ttl {
		a.ttl = ttl
	}
	a.list = append(a.list, addr)
}

// compare puts the lower priority first, then the greater weight; target and port make the order complete.
func (r record) compare(other record) int {
	return cmp.Or(cmp.Compare(r.priority, other.priority), cmp.Compare(other.weight, r.weight),
		cmp.Compare(r.target, other.target), cmp.Compare(r.port, other.port))
}

// endpoint returns the endpoint of a record at one of its addresses.
func (r record) endpoint(addr netip.Addr, key string) Endpoint {
	return Endpoint{Target: r.target, AddrPort: netip.AddrPortFrom(addr, r.port), Priority: r.priority, Weight: r.weight, Key: key}
}

// usable tells whether a peer can have this address. A link-local IPv6 address does not say on which link it is.
func usable(addr netip.Addr) bool {
	return addr.IsValid() && !addr.IsUnspecified() && !addr.IsMulticast() && addr != netip.AddrFrom4([4]byte{255, 255, 255, 255}) &&
		!(addr.Is6() && addr.IsLinkLocalUnicast())
}

// sortUnique sorts endpoints and drops duplicates.
func sortUnique(endpoints []Endpoint) []Endpoint {
	slices.SortFunc(endpoints, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.Weight, a.Weight), a.AddrPort.Compare(b.AddrPort),
			cmp.Compare(a.Target, b.Target))
	})
	type place struct {
		netip.AddrPort
		key string
	}
	seen := make(map[place]bool, len(endpoints))
	return slices.DeleteFunc(endpoints, func(e Endpoint) bool {
		at := place{e.AddrPort, e.Key}
		double := seen[at]
		seen[at] = true
		return double
	})
}
