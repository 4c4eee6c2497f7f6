package node

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/go-zre/go-zre/internal/paths"
)

// Endpoints returns the endpoints where peers reach the node, "tcp://address:port", the best first: the advertised one, then the addresses
// of its network interfaces. It is empty before Start.
func (n *Node) Endpoints() []string {
	n.lifecycle.mu.Lock()
	defer n.lifecycle.mu.Unlock()
	if n.agent == nil {
		return nil
	}
	return n.endpoints()
}

// Endpoint returns the first of Endpoints; "" before Start.
func (n *Node) Endpoint() string {
	if list := n.Endpoints(); len(list) > 0 {
		return list[0]
	}
	return ""
}

// endpoint is Endpoint after Start. Gossip names it, and HELLO does if the connection shows no address.
func (n *Node) endpoint() string { return n.endpoints()[0] }

// endpoints is Endpoints after Start. It has at least one element: the loopback address if there is no other.
func (n *Node) endpoints() (list []string) {
	if n.cfg.Advertise != "" {
		list = append(list, n.cfg.Advertise)
	}
	var addresses []netip.Addr
	for _, i := range n.agent.Interfaces() {
		for _, prefix := range i.Addrs {
			if addr := prefix.Addr().WithZone(""); !slices.Contains(addresses, addr) {
				addresses = append(addresses, addr)
			}
		}
	}
	slices.SortStableFunc(addresses, func(a, b netip.Addr) int { return rankOf(b) - rankOf(a) })
	for _, addr := range addresses {
		list = append(list, paths.Format(netip.AddrPortFrom(addr, n.mailboxPort())))
	}
	if len(list) == 0 {
		list = append(list, paths.Format(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), n.mailboxPort())))
	}
	return list
}

// rankOf ranks an address by how likely other nodes can reach it.
func rankOf(addr netip.Addr) int {
	switch {
	case addr.IsLoopback():
		return 0
	case addr.Is6() && addr.IsLinkLocalUnicast():
		return 1
	case addr.Is6():
		return 2
	}
	return 3
}

// reportEndpoints tells the application if our endpoints have changed. It runs in the control loop, or before that starts.
func (n *Node) reportEndpoints() {
	list := n.endpoints()
	if slices.Equal(list, n.shownEndpoints) {
		return
	}
	first := n.shownEndpoints == nil
	n.shownEndpoints = list
	if !first && !n.stopping { // the endpoints at the start are no change
		n.events.Push(&n.ownStream, Event{Kind: EndpointsChanged, Peer: n.asPeer(), Group: strings.Join(list, " ")})
	}
}
