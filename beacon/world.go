package beacon

import (
	"net/netip"
	"slices"
	"strconv"
)

// A world is all interfaces of the machine at one moment. It never changes once made.
type world struct {
	interfaces []Interface
	local      map[netip.Addr]bool // their addresses; link-local ones of IPv6 both without a zone and with theirs
}

func newWorld(all []Interface) *world {
	w := &world{interfaces: all, local: make(map[netip.Addr]bool)}
	for _, i := range all {
		for _, p := range i.Addrs {
			w.local[p.Addr()] = true
			if isLinkLocal6(p) {
				w.local[p.Addr().WithZone(i.Name)] = true
				w.local[p.Addr().WithZone(strconv.Itoa(i.Index))] = true
			}
		}
	}
	return w
}

// isLocal reports whether a is an address of this machine: a link-local one with a zone, of that interface. A neighbour on
// one link may well have the address that this machine has on another: fe80::1 is common.
func (w *world) isLocal(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsLinkLocalUnicast() {
		a = a.WithZone("")
	}
	return a.IsLoopback() || w.local[a]
}

// arrival returns the interface on which a datagram arrived: as the system told, else by the sender's zone or subnet.
func (w *world) arrival(from Origin) (Interface, bool) {
	for _, i := range w.interfaces {
		if i.Index == from.IfIndex || from.IfIndex == 0 && i.leadsTo(from.Src.Addr()) {
			return i, true
		}
	}
	return Interface{}, false
}

// leadsTo reports whether a host of that address must be on the interface's link.
func (i Interface) leadsTo(a netip.Addr) bool {
	if zone := a.Zone(); zone != "" {
		return zone == i.Name || zone == strconv.Itoa(i.Index)
	}
	return slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Contains(a) })
}
