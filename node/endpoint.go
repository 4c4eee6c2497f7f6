package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// parseEndpoint reads a ZRE endpoint. RFC 36 allows tcp alone; other transports would let a stranger point us at local sockets.
func parseEndpoint(endpoint string) (netip.AddrPort, error) {
	const scheme = "tcp://"
	if len(endpoint) <= len(scheme) || endpoint[:len(scheme)] != scheme {
		return netip.AddrPort{}, fmt.Errorf("node: endpoint %q: want tcp://address:port", endpoint)
	}
	ap, err := netip.ParseAddrPort(endpoint[len(scheme):])
	if err != nil {
		return ap, fmt.Errorf("node: endpoint %q: %w", endpoint, err)
	}
	if ap.Port() == 0 || ap.Addr().IsUnspecified() || ap.Addr().IsMulticast() {
		return ap, fmt.Errorf("node: endpoint %q: not an address that can be dialled", endpoint)
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

func formatEndpoint(ap netip.AddrPort) string { return "tcp://" + ap.String() }

var errNoEndpoint = errors.New("node: no endpoint to dial")

// addrPortOf gives a TCP address as a value, IPv4 as such; it is not valid for other kinds of address.
func addrPortOf(a net.Addr) netip.AddrPort {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// addrOf gives its host, without a zone, which means nothing on another machine.
func addrOf(a net.Addr) netip.Addr { return addrPortOf(a).Addr().WithZone("") }
