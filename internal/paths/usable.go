package paths

import "net/netip"

// Usable tells whether an endpoint that a peer names as its own may be dialled. from is the remote address of the connection that named it,
// not valid for a connection within this host that has none. isLocal tells whether an address is one of this host's.
//
// A peer on another host must not point us at this one: at services that listen only on loopback, or at ourselves. So a loopback address,
// or any other address of this host, is accepted only from this host. (Two hosts may well have the same address on an interface that leads
// nowhere, such as a bridge of virtual machines.) Unspecified and multicast addresses lead to no peer.
func Usable(named netip.AddrPort, from netip.Addr, isLocal func(netip.Addr) bool) bool {
	addr := named.Addr().Unmap()
	return UsableHearsay(named, from, isLocal) && (isHere(from, isLocal) || !isLocal(addr))
}

// UsableHearsay is Usable for an endpoint of a peer other than the one that names it, as in gossip. The peer may be on this host and share
// a hub with us, so the addresses of this host count, except loopback.
func UsableHearsay(named netip.AddrPort, from netip.Addr, isLocal func(netip.Addr) bool) bool {
	addr := named.Addr().Unmap()
	return named.Port() != 0 && isUnicast(addr) && (!addr.IsLoopback() || isHere(from, isLocal))
}

// isHere tells whether something came from this host.
func isHere(from netip.Addr, isLocal func(netip.Addr) bool) bool {
	return !from.IsValid() || from.Unmap().IsLoopback() || isLocal(from.Unmap())
}

// isUnicast tells whether an address can be that of a peer.
func isUnicast(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsValid() && !addr.IsUnspecified() && !addr.IsMulticast()
}
