package doctor

import (
	"cmp"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
)

// Bounds of what is kept of what anybody may send.
const (
	maxNodes     = 1000
	maxHeard     = 32  // kinds of beacon of a node
	maxMailboxes = 8   // of a node
	maxTested    = 512 // of all: a beacon can name any address, and should not have us knock at many
)

// Kinds of beacon.
const (
	classic = "classic"
	state   = "state"
)

// octets tells how long a beacon was.
func octets(b beacon.Beacon) int {
	n := 22
	if !b.Key.IsZero() {
		n += 32
	}
	if b.State != beacon.Unknown {
		n++
	}
	return n
}

// node returns what is known of a node, nil if too many are.
func (x *examination) node(id uuid.UUID) *Node {
	n := x.nodes[id]
	if n == nil && len(x.nodes) < maxNodes {
		n = &Node{UUID: id, first: time.Since(x.began)}
		x.nodes[id] = n
	}
	return n
}

// sighted takes a beacon that the second listener heard.
func (x *examination) sighted(s beacon.Sighting) {
	if s.UUID == x.facts.Self.UUID {
		x.own(s)
		return
	}
	n := x.node(s.UUID)
	if n == nil {
		x.facts.Unrecorded++
		return
	}
	n.Local = n.Local || s.Local
	if s.Leaving() {
		n.Left = true
		return
	}
	n.Left = false // it may have come again
	h := n.heard(s)
	if h == nil {
		x.facts.Unrecorded++
		return
	}
	h.last = time.Since(x.began)
	if h.Count == 0 {
		h.first = h.last
	}
	h.Count++
	if h.State = ""; s.State != beacon.Unknown {
		h.State = s.State.String()
	}
	x.meet(n, netip.AddrPortFrom(s.Addr, s.Port))
}

// heard returns the node's record of such beacons, nil if it has too many.
func (n *Node) heard(s beacon.Sighting) *Heard {
	h := &Heard{Interface: s.Interface, Address: s.Addr, Octets: octets(s.Beacon), Multicast: s.Multicast, Port: s.Port}
	i := slices.IndexFunc(n.Beacons, func(o *Heard) bool { return byPlace(o, h) == 0 })
	switch {
	case i >= 0:
		return n.Beacons[i]
	case len(n.Beacons) >= maxHeard:
		return nil
	}
	n.Beacons = append(n.Beacons, h)
	return h
}

// byPlace orders beacons of a node by all that tells them apart.
func byPlace(a, b *Heard) int {
	return cmp.Or(strings.Compare(a.Interface, b.Interface), a.Address.Compare(b.Address), cmp.Compare(a.Port, b.Port),
		cmp.Compare(a.Octets, b.Octets), cmp.Compare(number(a.Multicast), number(b.Multicast)))
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// meet has a mailbox tested the first time it is heard of, whichever nodes name it.
func (x *examination) meet(n *Node, at netip.AddrPort) {
	endpoint := endpointOf(at.Addr(), at.Port())
	known := slices.ContainsFunc(n.Mailboxes, func(o *Mailbox) bool { return o.Endpoint == endpoint })
	if known || len(n.Mailboxes) >= maxMailboxes {
		return
	}
	m := x.mailboxes[at]
	if m == nil {
		m = &Mailbox{Endpoint: endpoint, Answer: Untested}
		if len(x.mailboxes) < maxTested {
			x.mailboxes[at] = m
			x.probe(at, func(found *Mailbox) { *m = *found })
		}
	}
	n.Mailboxes = append(n.Mailboxes, m)
}

// own takes a beacon of the node that is run.
func (x *examination) own(s beacon.Sighting) {
	if s.Leaving() || !s.Local || int(s.Port) != x.facts.Self.Port {
		return
	}
	kind := classic
	if s.State != beacon.Unknown {
		kind = state
	}
	for i := range x.facts.Interfaces {
		for j := range x.facts.Interfaces[i].Beacons {
			b := &x.facts.Interfaces[i].Beacons[j]
			if b.Kind == kind && b.ifIndex == s.IfIndex && b.From == s.Addr.WithZone("") {
				b.Back++
			}
		}
	}
}

// interfaces tells what a survey says, and what peers are told of a mailbox at that port.
func (c *Config) interfaces(surveyed []beacon.Report, port int) []Interface {
	only, alone := c.listenHost()
	var list []Interface
	for _, r := range surveyed {
		i := Interface{
			Name: clean(r.Name), Use: r.Reason.String(), Up: r.Flags&net.FlagUp != 0, Carrier: r.HasCarrier,
			Loopback: r.Flags&net.FlagLoopback != 0, Containers: isBridge(r.Name), Addresses: r.Addrs, Used: r.UsedAddrs,
		}
		for _, a := range r.UsedAddrs {
			if port > 0 && (!alone || a.Addr() == only.WithZone("")) {
				i.Endpoints = append(i.Endpoints, endpointOf(a.Addr(), uint16(port)))
			}
		}
		for _, d := range r.Classic {
			i.Beacons = append(i.Beacons, Sent{Kind: classic, Octets: 22, From: d.Src, To: d.Dst, ifIndex: d.IfIndex})
		}
		for _, d := range r.State {
			i.Beacons = append(i.Beacons, Sent{Kind: state, Octets: 23, From: d.Src, To: d.Dst, ifIndex: d.IfIndex})
		}
		list = append(list, i)
	}
	return list
}

// bridges are the names that engines of containers and virtual machines give to theirs.
var bridges = []string{"docker*", "br-*", "podman*", "cni*", "virbr*", "lxcbr*", "lxdbr*", "vboxnet*", "vmnet*"}

func isBridge(name string) bool {
	return slices.ContainsFunc(bridges, func(glob string) bool {
		ok, _ := path.Match(glob, name) // the globs are well-formed
		return ok
	})
}

func trimScheme(endpoint string) string { return strings.TrimPrefix(endpoint, "tcp://") }
