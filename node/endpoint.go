package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

var errNoEndpoint = errors.New("node: no endpoint to dial")

// cutEndpoint takes a ZRE endpoint apart: tcp://host:port. RFC 36 allows tcp alone; other transports would let a stranger point us
// at local sockets. The host may be an address of IPv6 with or without brackets, as C zyre writes it: what is behind the last
// colon is the port.
func cutEndpoint(endpoint string) (host string, port uint16, err error) {
	address, ok := strings.CutPrefix(endpoint, "tcp://")
	colon := strings.LastIndexByte(address, ':')
	if !ok || colon < 1 {
		return "", 0, fmt.Errorf("endpoint %q: want tcp://host:port", endpoint)
	}
	number, err := strconv.ParseUint(address[colon+1:], 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("endpoint %q: want a port from 1 to 65535 behind the last colon", endpoint)
	}
	host = address[:colon]
	if bare, open := strings.CutPrefix(host, "["); open {
		if host, ok = strings.CutSuffix(bare, "]"); !ok || !strings.Contains(host, ":") {
			return "", 0, fmt.Errorf("endpoint %q: brackets are for an address of IPv6, as in tcp://[fd00::7]:5671", endpoint)
		}
	}
	return host, uint16(number), nil
}

// splitEndpoint is cutEndpoint for an endpoint that is to be dialled.
func splitEndpoint(endpoint string) (host string, port uint16, err error) {
	host, port, err = cutEndpoint(endpoint)
	if err != nil {
		return "", 0, err
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.IsUnspecified() || addr.IsMulticast() {
			return "", 0, fmt.Errorf("endpoint %q: not an address that can be dialled", endpoint)
		}
	} else if !isHostName(host) {
		return "", 0, fmt.Errorf("endpoint %q: %q is neither an IP address nor a host name", endpoint, host)
	}
	return host, port, nil
}

// isHostName tells whether the DNS may know such a name.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return false
			}
		}
	}
	return true
}

func formatEndpoint(ap netip.AddrPort) string { return "tcp://" + ap.String() }

// bareEndpoint is formatEndpoint as C zyre does it: it writes addresses of IPv6 without brackets.
func bareEndpoint(ap netip.AddrPort) string {
	return "tcp://" + ap.Addr().String() + ":" + strconv.Itoa(int(ap.Port()))
}

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

// zoned completes a link-local address that another machine has told us, and which came by a connection from there: it is on
// the same link. Its own zone means nothing here.
func zoned(told netip.AddrPort, by net.Addr) netip.AddrPort {
	addr := told.Addr().WithZone("")
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(addrPortOf(by).Addr().Zone())
	}
	return netip.AddrPortFrom(addr, told.Port())
}
