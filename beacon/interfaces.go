package beacon

import (
	"maps"
	"net"
	"net/netip"
	"slices"
)

// everySubnet is the address that stands for the broadcast address of each subnet.
var everySubnet = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// usable returns the interfaces that an agent uses, each with the addresses that the choice allows, IPv4 first. The rules:
//
//   - Without entries that include: every interface that is up, has a usable address, can broadcast or multicast, and is not
//     point-to-point (a tunnel: its far end is rarely a local network). Bridges are used like the rest: one may well be
//     the LAN (br0, vmbr0, br-lan), and containers on the bridge of a container engine hear this node by the bridge's own
//     address, which they can reach. The host's ends of a container's cables (veth) have no listed address.
//   - With such entries: every interface that is up and has an allowed address, also tunnels.
//   - IPv6 addresses are usable only with multicast, which loopback does not have for IPv6.
//   - A configured broadcast address is used in addition to the subnet's last address.
//   - Loopback is used if it is chosen by name or address, or if no other interface has an IPv4 address, so that the
//     nodes of a machine without a network find each other. It is never used beside others that have one: C zyre and gyre
//     would keep 127.0.0.1 as the address of a node that all their network can see.
//
// By IPv4, classic beacons go to the broadcast address of every subnet (not for prefixes of 31 and 32 bits, which have none), or with a key
// to 255.255.255.255 from each, if the interface can broadcast, and state beacons go to the group once if it can multicast. Loopback can do
// both, though Linux gives it neither flag. By IPv6, both go out once.
func usable(all []Interface, c choice) []Interface {
	var list, last []Interface
	for _, v := range judge(all, c) {
		switch {
		case v.reason == ReasonUsed && v.stopgap:
			last = append(last, v.Interface)
		case v.reason == ReasonUsed:
			list = append(list, v.Interface)
		}
	}
	return append(list, last...)
}

// A judgement says whether an agent uses an interface, and why not. The interface has only the addresses that the choice allows.
type judgement struct {
	Interface
	reason  Reason
	stopgap bool // loopback, used because there is no other
}

// judge applies the rules of usable to each interface.
func judge(all []Interface, c choice) []judgement {
	list := make([]judgement, len(all))
	others := false // other than loopback that was not named, with an IPv4 address
	for n, i := range all {
		addrs, named, reason := c.pick(i)
		slices.SortStableFunc(addrs, func(a, b netip.Prefix) int { return a.Addr().BitLen() - b.Addr().BitLen() })
		i.Addrs, i.unusable = addrs, nil
		switch {
		case reason == ReasonNotChosen || reason == ReasonExcluded:
		case i.Flags&net.FlagUp == 0:
			reason = ReasonDown
		case reason != ReasonUsed:
		case i.Flags&net.FlagLoopback != 0 && !named:
			reason = ReasonLoopback
		case len(c.include) > 0:
		case i.Flags&net.FlagPointToPoint != 0:
			reason = ReasonPointToPoint
		case !i.can(net.FlagBroadcast) && !i.can(net.FlagMulticast):
			reason = ReasonNoBroadcast
		}
		others = others || reason == ReasonUsed && i.has4()
		list[n] = judgement{Interface: i, reason: reason}
	}
	for n := range list {
		if list[n].reason == ReasonLoopback && !others {
			list[n].reason, list[n].stopgap = ReasonUsed, true
		}
	}
	return list
}

// has4 and has6 tell whether the interface has an address of that family.
func (i Interface) has4() bool { return slices.ContainsFunc(i.Addrs, is4) }
func (i Interface) has6() bool { return slices.ContainsFunc(i.Addrs, is6) }

func is4(p netip.Prefix) bool { return p.Addr().Is4() }
func is6(p netip.Prefix) bool { return p.Addr().Is6() }

// source6 returns the source address of the interface's IPv6 beacons, invalid if it has none. All neighbours can reach the link-local
// address, whatever subnets they are in; from beyond the link only another address can be reached.
func (i Interface) source6(beyond bool) netip.Addr {
	at := slices.IndexFunc(i.Addrs, func(p netip.Prefix) bool { return is6(p) && p.Addr().IsLinkLocalUnicast() != beyond })
	if at < 0 {
		at = slices.IndexFunc(i.Addrs, is6)
	}
	if at < 0 {
		return netip.Addr{}
	}
	return i.Addrs[at].Addr()
}

// can tells whether the interface can broadcast or multicast, as flag asks.
func (i Interface) can(flag net.Flags) bool { return i.Flags&(flag|net.FlagLoopback) != 0 }

// same tells whether two interfaces are the same in everything that is known about them.
func (i Interface) same(o Interface) bool { return i.equalButCarrier(o) && i.Flags == o.Flags }

// equalButCarrier tells whether two interfaces are the same except for the carrier.
func (i Interface) equalButCarrier(o Interface) bool {
	return i.Index == o.Index && i.life == o.life && i.Name == o.Name && (i.Flags^o.Flags)&^net.FlagRunning == 0 && slices.Equal(i.Addrs, o.Addrs) && slices.Equal(i.unusable, o.unusable) &&
		maps.Equal(i.Broadcasts, o.Broadcasts) && slices.Equal(i.AltNames, o.AltNames)
}

// isBroadcast tells whether dst is a broadcast address on this interface.
func (i Interface) isBroadcast(dst netip.Addr) bool {
	return dst == everySubnet || slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return lastAddr(p) == dst || i.Broadcasts[p] == dst })
}

// broadcastAddrs returns the broadcast addresses of one of the interface's addresses, invalid if there is none: the configured one, if it
// differs from the subnet's last address, and the latter. Neighbours may be configured either way.
func (i Interface) broadcastAddrs(p netip.Prefix) [2]netip.Addr {
	return [2]netip.Addr{i.Broadcasts[p], lastAddr(p)}
}

// hasName tells whether one of the interface's names fits.
func (i Interface) hasName(fits func(name string) bool) bool {
	return fits(i.Name) || slices.ContainsFunc(i.AltNames, fits)
}

// lastAddr returns the broadcast address of an IPv4 prefix, invalid if it has none.
func lastAddr(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() || p.Bits() < 0 || p.Bits() > 30 {
		return netip.Addr{}
	}
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}

// A view is one agent's part of the machine's interfaces at one moment: the interfaces that it uses, and where its beacons go. It never
// changes.
type view struct {
	interfaces []Interface
	classic    []Destination // one for each IPv4 subnet, one for each interface with IPv6
	state      []Destination // one for each interface and each of its address families
	calmKind   map[int]kind  // the kind of beacon that continues in the calm, by index of the interface
}

// newView makes the view of an agent with this configuration, whose beacons leave by the open sockets. Of several addresses in one subnet the
// first one is used.
func newView(c *Config, all []Interface, isOpen func(six, isState bool) bool) *view {
	chosen, _ := parseChoice(c.Interfaces) // check has seen the error
	v := &view{interfaces: usable(all, chosen)}
	if c.Mute {
		return v
	}
	for _, i := range v.interfaces {
		var done []netip.Addr
		for _, p := range i.Addrs {
			for _, b := range i.broadcastAddrs(p) {
				if !isOpen(false, false) || !i.can(net.FlagBroadcast) || !b.IsValid() || slices.Contains(done, b) || !c.broadcastsTo(b) {
					continue
				}
				done = append(done, b)
				if d := (Destination{c.broadcastOf(b), p.Addr(), i.Index}); !slices.Contains(v.classic, d) {
					v.classic = append(v.classic, d)
				}
			}
		}
		if group := c.multicastsTo(false); group.IsValid() && i.can(net.FlagMulticast) && i.has4() && isOpen(false, true) {
			dst := netip.AddrPortFrom(group, c.statePort())
			v.state = append(v.state, Destination{dst, i.Addrs[0].Addr(), i.Index})
		}
		if i.has6() && c.broadcasts6() && isOpen(true, false) {
			dst := netip.AddrPortFrom(allNodes, uint16(c.Port))
			v.classic = append(v.classic, Destination{dst, i.source6(false), i.Index})
		}
		if group := c.multicastsTo(true); group.IsValid() && i.has6() && isOpen(true, true) {
			dst := netip.AddrPortFrom(group, c.statePort())
			v.state = append(v.state, Destination{dst, i.source6(c.TTL > 1), i.Index})
		}
	}
	v.setCalmKinds()
	return v
}

// uses tells whether the interface of that index is in the view, with IPv4 or with IPv6.
func (v *view) uses(index int, six bool) bool {
	return slices.ContainsFunc(v.interfaces, func(i Interface) bool {
		return i.Index == index && (six && i.has6() || !six && i.has4())
	})
}

// widens tells whether v sends to a place that old does not, or through an interface that had no carrier in old.
func (v *view) widens(old *view) bool {
	missing := func(list []Destination) func(Destination) bool {
		return func(d Destination) bool { return !slices.Contains(list, d) }
	}
	revived := func(i Interface) bool {
		return i.Flags&net.FlagRunning != 0 && slices.ContainsFunc(old.interfaces, func(o Interface) bool {
			return o.Index == i.Index && o.Flags&net.FlagRunning == 0
		})
	}
	return slices.ContainsFunc(v.classic, missing(old.classic)) || slices.ContainsFunc(v.state, missing(old.state)) ||
		slices.ContainsFunc(v.interfaces, revived)
}
