package testbed

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Router is a host with a leg in each of several networks. It forwards packets between them, but not broadcasts, and multicasts only with
// RouteMulticast.
type Router struct {
	*Host
	Legs []Leg // in the order of the networks
}

// Leg is an interface of a host in a network.
type Leg struct {
	LAN       *LAN
	Interface string // the host's own name for it
	Addr      netip.Addr
}

// NewRouter joins networks. Hosts must be told to use it: see Host.Via.
func NewRouter(t testing.TB, name string, lans ...*LAN) *Router {
	t.Helper()
	h := lans[0].Host(name)
	r := &Router{Host: h, Legs: []Leg{{lans[0], h.Interface, h.Addr}}}
	for _, lan := range lans[1:] {
		r.Legs = append(r.Legs, h.AddLeg(lan))
	}
	r.Forward(true)
	return r
}

// Leg returns the router's leg in a network.
func (r *Router) Leg(lan *LAN) Leg {
	r.t.Helper()
	i := slices.IndexFunc(r.Legs, func(l Leg) bool { return l.LAN == lan })
	if i < 0 {
		r.t.Fatalf("testbed: router %s has no leg in %v", r.Name, lan.Subnet)
	}
	return r.Legs[i]
}

// Forward makes the router forward packets, or drop them silently, like a router with a broken link.
func (r *Router) Forward(on bool) {
	r.t.Helper()
	value := "0"
	if on {
		value = "1"
	}
	err := r.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte(value), 0o644) })
	if err != nil {
		r.t.Fatalf("testbed: forwarding of %s: %v", r.Name, err)
	}
}

// Masquerade hides the other networks behind the router's address in this one, as the NAT of a home or of a container host does.
func (r *Router) Masquerade(outside *LAN) {
	r.t.Helper()
	r.nft("add chain ip testbed post { type nat hook postrouting priority 100; }")
	r.nft("add rule ip testbed post oifname " + r.Leg(outside).Interface + " masquerade")
}

// MapPort forwards connections to that TCP port of the router's address in a network to a host behind it. It returns the endpoint.
func (r *Router) MapPort(outside *LAN, port uint16, to *Host, toPort uint16) netip.AddrPort {
	r.t.Helper()
	at := netip.AddrPortFrom(r.Leg(outside).Addr, port)
	r.nft("add chain ip testbed pre { type nat hook prerouting priority -100; }")
	r.nft(fmt.Sprintf("add rule ip testbed pre ip daddr %v tcp dport %d dnat to %v", at.Addr(), port, netip.AddrPortFrom(to.Addr, toPort)))
	return at
}

// nft runs a command of the kernel's packet filter on the host.
func (h *Host) nft(command string) {
	h.t.Helper()
	path := ""
	for _, name := range []string{"nft", "/usr/sbin/nft", "/sbin/nft"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		Missing(h.t, "the tool nft (package nftables), for NAT and firewalls")
	}
	for _, c := range []string{"add table ip testbed", command} {
		out, err := h.Command(path, c).CombinedOutput()
		if err != nil && strings.Contains(string(out), "not supported") {
			Missing(h.t, "a kernel with NAT and firewalls: %s", out)
		}
		if err != nil {
			h.t.Fatalf("testbed: nft %s: %v: %s", c, err, out)
		}
	}
}

// BlockDials stops the host from connecting to another one by IPv4: a firewall drops the first packets. Connections from the other one are
// let through.
func (h *Host) BlockDials(to *Host) {
	h.t.Helper()
	h.nft("add chain ip testbed out { type filter hook output priority 0; }")
	h.nft(fmt.Sprintf("add rule ip testbed out ip daddr %v tcp flags & (syn | ack) == syn drop", to.Addr))
}

// AllowDials undoes every BlockDials.
func (h *Host) AllowDials() {
	h.t.Helper()
	h.nft("flush chain ip testbed out")
}

// AddLeg gives the host another interface, in another network.
func (h *Host) AddLeg(l *LAN) Leg {
	h.t.Helper()
	h.legs++
	prefix := l.Address()
	octets := prefix.Addr().As4()
	port := l.bridge + "-" + strconv.Itoa(int(octets[2])<<8|int(octets[3]))
	leg := Leg{l, "eth" + strconv.Itoa(h.legs), prefix.Addr()}
	l.t.Cleanup(func() { must(l.t, "link", "del", port) })
	must(l.t, "link", "add", port, "type", "veth", "peer", "name", leg.Interface, "netns", h.namespace)
	must(l.t, "link", "set", port, "master", l.bridge, "up")
	must(l.t, "-n", h.namespace, "addr", "add", prefix.String(), "broadcast", "+", "dev", leg.Interface)
	must(l.t, "-n", h.namespace, "link", "set", leg.Interface, "up")
	return leg
}

// Via makes the host send everything for other networks to a router.
func (h *Host) Via(r *Router) {
	h.t.Helper()
	for _, leg := range r.Legs {
		if leg.LAN.bridge == h.bridge {
			must(h.t, "-n", h.namespace, "route", "add", "default", "via", leg.Addr.String())
			return
		}
	}
	h.t.Fatalf("testbed: router %s is not in the network of %s", r.Name, h.Name)
}
