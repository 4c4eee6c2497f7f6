package beacon

import (
	"net/netip"
	"slices"
)

// A world is all interfaces of the machine at one moment. It never changes once made.
type world struct {
	interfaces []Interface
	local      map[netip.Addr]bool // their addresses
}

func newWorld(all []Interface) *world {
	w := &world{interfaces: all, local: make(map[netip.Addr]bool)}
	for _, i := range all {
		for _, p := range i.Addrs {
			w.local[p.Addr()] = true
		}
	}
	return w
}

// isLocal reports whether a is an address of this machine.
func (w *world) isLocal(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsLoopback() || w.local[a]
}

// arrival returns the interface on which a datagram arrived: as the system told, else by the sender's subnet.
func (w *world) arrival(from Origin) (Interface, bool) {
	for _, i := range w.interfaces {
		if i.Index == from.IfIndex {
			return i, true
		}
		if from.IfIndex == 0 && slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Contains(from.Src.Addr()) }) {
			return i, true
		}
	}
	return Interface{}, false
}
