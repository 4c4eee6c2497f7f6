package beacon

import (
	"net"
	"net/netip"
	"slices"
)

// everySubnet is the address that stands for the broadcast address of each subnet.
var everySubnet = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// usable picks the interfaces that an agent uses, each with its IPv4 addresses only. The rules:
//
//   - Named interfaces (Config.Interfaces, by name or by address): those that are up and have an IPv4 address. An address
//     picks itself only, a name picks all addresses of the interface.
//   - Otherwise: every interface that is up, has an IPv4 address, can broadcast or multicast, and is neither loopback nor
//     point-to-point (a tunnel: its far end is rarely a local network).
//   - If that leaves none: loopback, so that the nodes of a machine without a network find each other. Never beside others:
//     C zyre and gyre would keep 127.0.0.1 as the address of a node that all their network can see.
//
// On each, classic beacons go to the broadcast address of every subnet (not for prefixes of 31 and 32 bits, which have
// none) if the interface can broadcast, and state beacons go to the group once if it can multicast. Loopback can do
// both, though Linux gives it neither flag.
func usable(all []Interface, named []string) []Interface {
	var list, loopback []Interface
	for _, i := range all {
		i.Addrs = slices.DeleteFunc(slices.Clone(i.Addrs), func(p netip.Prefix) bool {
			return !p.Addr().Is4() || len(named) > 0 && !names(named, i.Name, p.Addr())
		})
		switch {
		case i.Flags&net.FlagUp == 0 || len(i.Addrs) == 0:
		case len(named) > 0:
			list = append(list, i)
		case i.Flags&net.FlagLoopback != 0:
			loopback = append(loopback, i)
		case i.Flags&net.FlagPointToPoint == 0 && (i.can(net.FlagBroadcast) || i.can(net.FlagMulticast)):
			list = append(list, i)
		}
	}
	if len(list) == 0 {
		return loopback
	}
	return list
}

// names reports whether one of the names is that of the interface or of its address.
func names(named []string, name string, addr netip.Addr) bool {
	return slices.Contains(named, name) || slices.Contains(named, addr.String())
}

// can reports whether the interface can broadcast or multicast, whichever flag asks for.
func (i Interface) can(flag net.Flags) bool { return i.Flags&(flag|net.FlagLoopback) != 0 }

// equal reports whether two interfaces are the same in all that matters here. A carrier that comes and goes does not.
func (i Interface) equal(o Interface) bool {
	return i.Index == o.Index && i.Name == o.Name && (i.Flags^o.Flags)&^net.FlagRunning == 0 && slices.Equal(i.Addrs, o.Addrs)
}

// broadcasts reports whether dst is a broadcast address on this interface.
func (i Interface) broadcasts(dst netip.Addr) bool {
	return dst == everySubnet || slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return broadcast(p) == dst })
}

// broadcast returns the broadcast address of an IPv4 prefix, invalid if it has none.
func broadcast(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() || p.Bits() < 0 || p.Bits() > 30 {
		return netip.Addr{}
	}
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}

// A view is one agent's part of the machine's interfaces at one moment: what it uses, and where its beacons go. It never
// changes once made.
type view struct {
	interfaces []Interface
	classic    []Destination // one for each subnet
	state      []Destination // one for each interface
}

// look makes the view of an agent with this configuration. Of several addresses in one subnet the first one speaks.
func look(c *Config, all []Interface) *view {
	v := &view{interfaces: usable(all, c.Interfaces)}
	for _, i := range v.interfaces {
		var done []netip.Addr
		for _, p := range i.Addrs {
			b := broadcast(p)
			if !i.can(net.FlagBroadcast) || !b.IsValid() || slices.Contains(done, b) || !c.broadcastsTo(b) {
				continue
			}
			done = append(done, b)
			v.classic = append(v.classic, Destination{netip.AddrPortFrom(b, uint16(c.Port)), p.Addr(), i.Index})
		}
		if i.can(net.FlagMulticast) && c.multicasts() {
			dst := netip.AddrPortFrom(c.group(), statePort(c.Port))
			v.state = append(v.state, Destination{dst, i.Addrs[0].Addr(), i.Index})
		}
	}
	return v
}

// uses reports whether the interface of that index is in the view.
func (v *view) uses(index int) bool {
	return slices.ContainsFunc(v.interfaces, func(i Interface) bool { return i.Index == index })
}

// widens reports whether v sends somewhere that old does not.
func (v *view) widens(old *view) bool {
	missing := func(list []Destination) func(Destination) bool {
		return func(d Destination) bool { return !slices.Contains(list, d) }
	}
	return slices.ContainsFunc(v.classic, missing(old.classic)) || slices.ContainsFunc(v.state, missing(old.state))
}
