package beacon

import (
	"net/netip"
	"slices"
	"strconv"
)

// A world is all interfaces of the machine at one moment. It never changes.
type world struct {
	known      bool // there was a scan; otherwise the rest is empty
	interfaces []Interface
	index      map[int]int         // of an interface in them, by its number
	local      map[netip.Addr]bool // their addresses; link-local IPv6 addresses both with and without their zone
}

func newWorld(all []Interface) *world {
	w := &world{known: true, interfaces: all, index: make(map[int]int), local: make(map[netip.Addr]bool)}
	for at, i := range all {
		w.index[i.Index] = at
		for _, p := range slices.Concat(i.Addrs, i.unusable) {
			w.local[p.Addr()] = true
			if isLinkLocal6(p) {
				w.local[p.Addr().WithZone(i.Name)] = true
				w.local[p.Addr().WithZone(strconv.Itoa(i.Index))] = true
			}
		}
	}
	return w
}

// isLocal tells whether a is an address of this machine, or if it is link-local with a zone, of that interface. A neighbour on one link may
// well have the address that this machine has on another: fe80::1 is common.
func (w *world) isLocal(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsLinkLocalUnicast() {
		a = a.WithZone("")
	}
	return a.IsLoopback() || w.local[a]
}

// arrival returns the interface on which a datagram arrived: as the system reported it, otherwise by the sender's zone or subnet.
func (w *world) arrival(from Origin) (Interface, bool) {
	if from.IfIndex != 0 {
		return w.byIndex(from.IfIndex)
	}
	for _, i := range w.interfaces {
		if i.leadsTo(from.Src.Addr()) {
			return i, true
		}
	}
	return Interface{}, false
}

// byIndex returns the interface of that number.
func (w *world) byIndex(index int) (Interface, bool) {
	at, ok := w.index[index]
	if !ok {
		return Interface{}, false
	}
	return w.interfaces[at], true
}

// zone returns the interface's name in an address that is to be dialled.
func (i Interface) zone() string {
	if i.nameless {
		return strconv.Itoa(i.Index)
	}
	return i.Name
}

// leadsTo tells whether a host of that address must be on the interface's link.
func (i Interface) leadsTo(a netip.Addr) bool {
	if zone := a.Zone(); zone != "" {
		return zone == i.Name || zone == strconv.Itoa(i.Index)
	}
	return slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Contains(a) })
}
