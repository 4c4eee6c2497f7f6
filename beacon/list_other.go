//go:build !linux

package beacon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// systemInterfaces lists the machine's interfaces.
func systemInterfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("beacon: listing the network interfaces: %w", err)
	}
	list := make([]Interface, 0, len(all))
	for _, i := range all {
		addrs, err := i.Addrs()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			return nil, fmt.Errorf("beacon: listing the addresses of %s: %w", i.Name, err) // it has not vanished: we are short of files
		}
		if err != nil {
			continue
		}
		list = append(list, Interface{Index: i.Index, Name: i.Name, Flags: i.Flags, Addrs: prefixes(i.Name, addrs)})
	}
	return list, nil
}

// prefixes translates the addresses of an interface from package net's form.
func prefixes(name string, addrs []net.Addr) []netip.Prefix {
	var list []netip.Prefix
	for _, addr := range addrs {
		ipnet, ok := addr.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(ipnet.IP); ok {
			bits, _ := ipnet.Mask.Size()
			list = append(list, netip.PrefixFrom(ip.Unmap(), bits))
		}
	}
	if isPeerToPeer(name) {
		list = slices.DeleteFunc(list, func(p netip.Prefix) bool { return p.Addr().Is6() })
	}
	return list
}

// isPeerToPeer tells whether an interface is one of those by which Apple's machines talk to any nearby machine, of any owner. They
// always have an IPv6 address, and are no network of their user.
func isPeerToPeer(name string) bool {
	return runtime.GOOS == "darwin" && (strings.HasPrefix(name, "awdl") || strings.HasPrefix(name, "llw"))
}
