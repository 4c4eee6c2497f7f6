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
	"github.com/go-zre/go-zre/zre"
)

// Bounds of what is kept of data that anyone may send.
const (
	maxNodes     = 1000
	maxHeard     = 32  // kinds of beacon of a node
	maxMailboxes = 8   // of a node
	maxTested    = 512 // of all: a beacon can name any address, and must not make us probe many
)

// Kinds of beacon.
const (
	classic = "classic"
	state   = "state"
)

// beaconLength returns the length of a beacon.
func beaconLength(b beacon.Beacon) int {
	n := 22
	if !b.Key.IsZero() {
		n += 32
	}
	if b.State != beacon.Unknown {
		n++
	}
	return n
}

// node returns the record of a node, nil if there are too many.
func (x *examination) node(id uuid.UUID) *Node {
	n := x.nodes[id]
	if n == nil && len(x.nodes) < maxNodes {
		n = &Node{UUID: id, first: time.Since(x.began)}
		x.nodes[id] = n
	}
	return n
}

// handleSighting handles a beacon that the second listener heard.
func (x *examination) handleSighting(s beacon.Sighting) {
	if s.UUID == x.facts.Self.UUID {
		x.handleOwnBeacon(s)
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
	n.Left = false // it may have come back
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
	if key := zre.PublicKey(s.Key); !key.IsZero() {
		n.PublicKey = key
	}
	x.addMailbox(n, netip.AddrPortFrom(s.Addr, s.Port))
}

// heard returns the node's record of such beacons, nil if it has too many.
func (n *Node) heard(s beacon.Sighting) *Heard {
	h := &Heard{Interface: s.Interface, Address: s.Addr, Bytes: beaconLength(s.Beacon), Multicast: s.Multicast, Port: s.Port}
	i := slices.IndexFunc(n.Beacons, func(o *Heard) bool { return compareHeard(o, h) == 0 })
	switch {
	case i >= 0:
		return n.Beacons[i]
	case len(n.Beacons) >= maxHeard:
		return nil
	}
	n.Beacons = append(n.Beacons, h)
	return h
}

// compareHeard orders beacons of a node by everything that distinguishes them.
func compareHeard(a, b *Heard) int {
	return cmp.Or(strings.Compare(a.Interface, b.Interface), a.Address.Compare(b.Address), cmp.Compare(a.Port, b.Port),
		cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(boolToInt(a.Multicast), boolToInt(b.Multicast)))
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// addMailbox starts the test of a mailbox the first time it is heard of, whichever nodes name it.
func (x *examination) addMailbox(n *Node, at netip.AddrPort) {
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
			x.probe(at, n.PublicKey, func(found *Mailbox) { *m = *found })
		}
	}
	n.Mailboxes = append(n.Mailboxes, m)
}

// handleOwnBeacon handles a beacon of the doctor's node.
func (x *examination) handleOwnBeacon(s beacon.Sighting) {
	if s.Leaving() || !s.Local || int(s.Port) != x.facts.Self.Port {
		return
	}
	kind := classic
	if s.State != beacon.Unknown {
		kind = state
	}
	x.heardBack[sentKind{kind, s.IfIndex, s.Addr.WithZone("")}]++
}

// sentKind is a kind of the doctor's own beacons, by interface and source address.
type sentKind struct {
	kind    string
	ifIndex int
	from    netip.Addr
}

// interfaces describes a survey, and what peers are told of a mailbox at that port. An interface that has just been switched on may have no
// carrier and no IPv6 address yet at the first survey.
func (c *Config) interfaces(first, surveyed []beacon.Report, port int, echoes map[sentKind]int) []Interface {
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
		for _, d := range slices.Concat(r.Classic, r.State) {
			b := Sent{Kind: classic, Bytes: 22, From: d.Src, To: d.Dst}
			if slices.Contains(r.State, d) {
				b.Kind, b.Bytes = state, 23
			}
			if c.isSecure() {
				b.Bytes += len(zre.PublicKey{})
			}
			b.Back = echoes[sentKind{b.Kind, d.IfIndex, d.Src}]
			b.justSent = !slices.ContainsFunc(first, func(o beacon.Report) bool {
				return (o.HasCarrier || !r.HasCarrier) && (slices.Contains(o.Classic, d) || slices.Contains(o.State, d))
			})
			i.Beacons = append(i.Beacons, b)
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
