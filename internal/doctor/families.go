package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-zre/go-zre/beacon"
)

// What each address family does for the beacons, on this machine and on the network.

func otherFamily(f Family) Family {
	if f == IPv4 {
		return IPv6
	}
	return IPv4
}

// An ownBeacons is what comes back of the beacons of one family that leave an interface.
type ownBeacons struct {
	*Interface
	family Family
	sent   int
	lost   []Sent

	refused bool // the system refuses to send some, or to join their groups
}

// ownBeacons returns what should come back, by interface and family. Without a carrier nothing should, nor what the system refuses.
func (r *Report) ownBeacons() (list []ownBeacons) {
	for n := range r.Interfaces {
		i := &r.Interfaces[n]
		for _, family := range []Family{IPv4, IPv6} {
			e := ownBeacons{Interface: i, family: family}
			for _, b := range i.Beacons {
				if familyOf(b.From) != family || !i.Carrier && !i.Loopback || b.justSent && b.Back == 0 {
					continue
				}
				if b.Back == 0 && r.isExplained(i.Name, b.To) {
					e.refused = true
					continue
				}
				e.sent++
				if b.Back == 0 {
					e.lost = append(e.lost, b)
				}
			}
			if e.sent > 0 {
				list = append(list, e)
			}
		}
	}
	return list
}

// checkOwnBeacons: does this machine hear its own beacons, as it should?
func (r *Report) checkOwnBeacons() {
	const try = "check this machine's firewall: it must allow UDP %s%s, in and out, broadcast and multicast too."
	list := r.ownBeacons()
	if len(list) > 0 && !slices.ContainsFunc(list, func(e ownBeacons) bool { return len(e.lost) < e.sent }) {
		text := "This machine does not hear its own beacons on any interface: a firewall here blocks them, and with them those of other nodes."
		if r.hearsOthers() {
			text = "This machine hears beacons of other nodes, but not its own on any interface: a firewall here blocks outgoing ones."
		}
		r.problem(Finding{Kind: "beacons-lost", Text: text, Try: fmt.Sprintf(try, r.portList(), "")})
		return
	}
	for _, e := range list {
		if len(e.lost) == 0 {
			continue
		}
		what := string(e.family)
		if len(e.lost) == 1 {
			what = e.lost[0].Kind
		}
		var to, ports []string
		for _, b := range e.lost {
			to = append(to, b.To.String())
			if port := fmt.Sprint("port ", b.To.Port()); !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
		by := ""
		if e.family == IPv6 {
			by = " for IPv6 too (firewalls often have separate rules for it)"
		}
		f := Finding{Kind: "beacons-lost", Interface: e.Name,
			Text: fmt.Sprintf("This machine does not hear its own %s beacons to %s on %s, though it hears others of its own: a firewall here blocks them.",
				what, strings.Join(to, " and "), e.Name),
			Try: fmt.Sprintf(try, strings.Join(ports, " and "), by)}
		if r.findsNodesBy(list, e.Name, otherFamily(e.family)) {
			f.Text += fmt.Sprintf(" Nodes are still found by %s", otherFamily(e.family))
			if e.family == IPv4 {
				f.Text += ", but hardly any nodes of zyre, pyre and zyre.js, which use IPv4"
			}
			f.Text += "."
			r.note(f)
		} else {
			r.problem(f)
		}
	}
}

// hearsOthers tells whether a beacon of another machine arrived.
func (r *Report) hearsOthers() bool {
	return slices.ContainsFunc(r.Nodes, func(n *Node) bool { return !n.Local && len(n.Beacons) > 0 })
}

// hearsItself tells whether all beacons of this machine came back that should.
func (r *Report) hearsItself() bool {
	list := r.ownBeacons()
	return len(list) > 0 && !slices.ContainsFunc(list, func(e ownBeacons) bool { return len(e.lost) > 0 || e.refused })
}

// findsNodesBy tells whether a family does everything needed on an interface: beacons come back, and nodes of other machines were found.
func (r *Report) findsNodesBy(list []ownBeacons, name string, family Family) bool {
	return slices.ContainsFunc(list, func(e ownBeacons) bool { return e.Name == name && e.family == family && len(e.lost) == 0 && !e.refused }) &&
		slices.ContainsFunc(r.Nodes, func(n *Node) bool {
			return n.Entered && !n.Local && n.heardBy(func(h *Heard) bool { return h.Interface == name && familyOf(h.Address) == family })
		})
}

func (n *Node) heardBy(match func(*Heard) bool) bool { return slices.ContainsFunc(n.Beacons, match) }

// portList names the ports of the beacons, each once.
func (r *Report) portList() string {
	var ports []string
	for _, p := range r.Ports {
		if port := fmt.Sprint(p.Port); !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return "ports " + strings.Join(ports, " and ")
}

// sendsAny tells whether beacons of a family leave by an interface.
func (r *Report) sendsAny(name string, family Family) bool {
	return r.sendsKind(name, family, classic) || r.sendsKind(name, family, state)
}

func (r *Report) sendsKind(name string, family Family, kind string) bool {
	return slices.ContainsFunc(r.Interfaces, func(i Interface) bool {
		return i.Name == name && slices.ContainsFunc(i.Beacons, func(b Sent) bool { return familyOf(b.From) == family && b.Kind == kind })
	})
}

// arrivals counts the nodes from which both of two things arrive, and those from which only one arrives.
type arrivals struct{ both, first, second int }

func (a *arrivals) add(first, second bool) {
	switch {
	case first && second:
		a.both++
	case first:
		a.first++
	case second:
		a.second++
	}
}

func (a arrivals) onlyFirst() bool  { return a.both == 0 && a.second == 0 && a.first > 0 }
func (a arrivals) onlySecond() bool { return a.both == 0 && a.first == 0 && a.second > 0 }

// listens tells whether both ports of the beacons are open for an address family.
func (r *Report) listens(family Family) bool {
	return !slices.ContainsFunc(r.Ports, func(p Port) bool { return p.Family == family && (p.Taken || p.Error != "") })
}

// canHear tells whether the system lets all beacons of an address family in, so that the network loses those that do not arrive.
func (r *Report) canHear(family Family) bool {
	return r.listens(family) && !slices.ContainsFunc(r.Failures, func(f Failure) bool { return f.call == beacon.OpJoin && familyOf(f.dst.Addr()) == family })
}

// checkDelivery: do the beacons of go-zre nodes on other machines arrive both ways, and by both families?
func (r *Report) checkDelivery() {
	var casts4, casts6, families arrivals
	for _, n := range r.Nodes {
		if n.Local || n.Left || n.KnownMS < enoughMS || !slices.ContainsFunc(n.Mailboxes, func(m *Mailbox) bool { return m.Answer == Zre }) {
			continue
		}
		by := func(family Family, stateful bool) bool {
			return n.heardBy(func(h *Heard) bool {
				if familyOf(h.Address) != family {
					return false
				}
				return stateful == (family == IPv4 && h.Multicast || family == IPv6 && h.State != "")
			})
		}
		if r.canHear(IPv4) && n.heardBy(func(h *Heard) bool {
			return r.sendsKind(h.Interface, IPv4, classic) && r.sendsKind(h.Interface, IPv4, state)
		}) {
			casts4.add(by(IPv4, false), by(IPv4, true)) // a subnet without a broadcast address has one of the two
		}
		if r.canHear(IPv6) { // else one of the two cannot arrive
			casts6.add(by(IPv6, false), by(IPv6, true))
		}
		onBoth := func(family Family) bool { // if this machine sends both, both can be expected
			return n.heardBy(func(h *Heard) bool {
				return familyOf(h.Address) == family && r.sendsAny(h.Interface, IPv4) && r.sendsAny(h.Interface, IPv6)
			})
		}
		if r.canHear(IPv4) && r.canHear(IPv6) {
			families.add(onBoth(IPv4), onBoth(IPv6))
		}
	}
	const anyway = "Nodes still find each other, and send their states by TCP."
	if casts4.onlyFirst() {
		r.note(Finding{Kind: "no-multicast", Text: "Beacons of other machines arrive by broadcast, but none by multicast of IPv4, though nodes that send both are here.",
			Try: "a switch or access point filters multicast (IGMP snooping without a querier does). " + anyway})
	}
	if casts4.onlySecond() {
		r.note(Finding{Kind: "no-broadcast", Text: "Beacons of other machines arrive by multicast of IPv4, but none by broadcast, though nodes that send both are here.",
			Try: "nodes of go-zre still find each other, zyre and pyre do not: make the network forward broadcasts, or put the nodes into one subnet."})
	}
	if casts6.onlyFirst() {
		r.note(Finding{Kind: "no-multicast", Text: "Classic beacons of other machines arrive by IPv6, but none with a state, though nodes that send both are here.",
			Try: "a switch or access point filters multicast (MLD snooping without a querier does). " + anyway})
	}
	if families.onlyFirst() {
		r.note(Finding{Kind: "no-ipv6", Text: "Beacons of other machines arrive by IPv4, but none by IPv6, though this machine sends both: either those machines do not" +
			" use IPv6, or the network in between drops its multicast. Nodes still find each other."})
	}
	if families.onlySecond() {
		r.note(Finding{Kind: "no-ipv4", Text: "Beacons of other machines arrive by IPv6, but none by IPv4, though this machine sends both: either those machines do not" +
			" use IPv4, or are in another IPv4 subnet, or the network in between drops broadcast and multicast of IPv4. Nodes of go-zre still find" +
			" each other; those of zyre, pyre and zyre.js, which use IPv4, do not.",
			Try: "give the machines IPv4 addresses of one subnet if nodes of other implementations are to be found."})
	}
}
