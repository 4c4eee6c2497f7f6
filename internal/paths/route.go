package paths

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/go-zre/go-zre/beacon"
)

// A Route is a path to a peer. The one with the higher Score is better.
type Route struct {
	netip.AddrPort
	Score int
}

// What is added to a path's quality.
const (
	provenScore = 8  // the HELLO of this session came that way
	freshScore  = 16 // the peer was recently shown there
)

// Routes returns the paths, the best first. The order is: paths where the peer was recently shown, then the one that its HELLO came from,
// then better links, then newer paths. interfaces are ours, with their addresses.
func (s *Set) Routes(interfaces []beacon.Interface) []Route {
	list := *s.list.Load()
	routes := make([]Route, 0, len(list))
	for _, p := range list {
		r := Route{p.AddrPort, quality(p.Addr(), linkTo(p.Addr(), interfaces))}
		if p.proven {
			r.Score += provenScore
		}
		if s.clock.isFresh(p.shown.Load()) {
			r.Score += freshScore
		}
		routes = append(routes, r)
	}
	slices.Reverse(routes)
	slices.SortStableFunc(routes, func(a, b Route) int { return b.Score - a.Score })
	return routes
}

// HasAlternative tells whether the peer was recently shown at another endpoint, on a link of ours that has a carrier.
func (s *Set) HasAlternative(to netip.AddrPort, interfaces []beacon.Interface) bool {
	return slices.ContainsFunc(*s.list.Load(), func(p path) bool {
		return p.AddrPort != to && s.clock.isFresh(p.shown.Load()) && linkTo(p.Addr(), interfaces) == linkUp
	})
}

// A link says whether an address is reached without a router, through an interface of ours.
type link uint8

const (
	noLink   link = iota // through a router, if at all
	linkDown             // through an interface without a carrier
	linkUp
)

// linkTo finds the link that an address is on.
func linkTo(addr netip.Addr, interfaces []beacon.Interface) link {
	switch i, ok := interfaceTo(addr, interfaces); {
	case !ok:
		return noLink
	case i.Flags&net.FlagRunning == 0:
		return linkDown
	}
	return linkUp
}

// interfaceTo finds the interface that has a subnet with the address.
func interfaceTo(addr netip.Addr, interfaces []beacon.Interface) (beacon.Interface, bool) {
	for _, i := range interfaces {
		for _, prefix := range i.Addrs {
			if !prefix.Contains(addr.WithZone("")) || addr.Zone() != "" && addr.Zone() != i.Name && addr.Zone() != strconv.Itoa(i.Index) {
				continue
			}
			return i, true
		}
	}
	return beacon.Interface{}, false
}

// quality orders addresses by their links, the best first: a subnet of our own, elsewhere, link-local addresses, a link without a carrier,
// this host.
func quality(addr netip.Addr, l link) int {
	switch {
	case addr.IsLoopback():
		return 0
	case l == linkDown:
		return 1
	case addr.IsLinkLocalUnicast():
		return 2
	case l == noLink:
		return 3
	}
	return 4
}
