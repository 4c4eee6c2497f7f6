package paths

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Split splits a ZRE endpoint: tcp://host:port. The host may be anything; it is not checked. RFC 36 allows only tcp: other transports would
// let peers point us at local sockets. An IPv6 address may have brackets, or none, as C zyre writes it: the port is behind the last colon.
func Split(endpoint string) (host string, port uint16, err error) {
	address, ok := strings.CutPrefix(endpoint, "tcp://")
	colon := strings.LastIndexByte(address, ':')
	if !ok || colon < 1 {
		return "", 0, fmt.Errorf("endpoint %q: want tcp://host:port", endpoint)
	}
	number, err := strconv.ParseUint(address[colon+1:], 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("endpoint %q: want a port from 1 to 65535 after the last colon", endpoint)
	}
	host = address[:colon]
	if bare, open := strings.CutPrefix(host, "["); open {
		if host, ok = strings.CutSuffix(bare, "]"); !ok || !strings.Contains(host, ":") {
			return "", 0, fmt.Errorf("endpoint %q: brackets are for IPv6 addresses, as in tcp://[fd00::7]:5671", endpoint)
		}
	}
	return host, uint16(number), nil
}

// Parse is Split for an endpoint to dial: its host is a unicast address or a host name.
func Parse(endpoint string) (host string, port uint16, err error) {
	host, port, err = Split(endpoint)
	if err != nil {
		return "", 0, err
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if !isUnicast(addr) {
			return "", 0, fmt.Errorf("endpoint %q: not an address that can be dialled", endpoint)
		}
	} else if !isHostName(host) {
		return "", 0, fmt.Errorf("endpoint %q: %q is neither an IP address nor a host name", endpoint, host)
	}
	return host, port, nil
}

// isHostName tells whether s can be a name in the DNS.
func isHostName(s string) bool {
	if len(s) > 253 {
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

// Format formats an endpoint, with brackets around an IPv6 address.
func Format(at netip.AddrPort) string { return "tcp://" + at.String() }

// FormatBare is Format as C zyre does it: without brackets.
func FormatBare(at netip.AddrPort) string {
	return "tcp://" + at.Addr().String() + ":" + strconv.Itoa(int(at.Port()))
}

// AddrPortOf returns a TCP address as a value, IPv4 as such. The result is not valid for other kinds of address.
func AddrPortOf(a net.Addr) netip.AddrPort {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// AddrOf returns the host of a TCP address, without a zone, which means nothing on another machine.
func AddrOf(a net.Addr) netip.Addr { return AddrPortOf(a).Addr().WithZone("") }

// OnLinkOf completes a link-local address that another machine named on a connection from the address by: it is on the same link. A zone in
// it means nothing here.
func OnLinkOf(by net.Addr, named netip.AddrPort) netip.AddrPort {
	addr := named.Addr().WithZone("")
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(AddrPortOf(by).Addr().Zone())
	}
	return netip.AddrPortFrom(addr, named.Port())
}
