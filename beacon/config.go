package beacon

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// Defaults of a Config.
const (
	DefaultPort     = 5670            // UDP port of the ZRE discovery service, for classic beacons (RFC 36)
	DefaultGroup    = "239.255.90.82" // multicast group of the state beacons
	DefaultInterval = time.Second
	DefaultTTL      = 1 // state beacons stay on their link
)

// SiteTTL is the TTL for a site whose routers pass multicast on: through seven of them, more than lie between two hosts of
// most sites, and far below 32, from which on, by old convention, a datagram may leave the site.
const SiteTTL = 8

// minInterval keeps a mistaken unit from flooding a network.
const minInterval = 10 * time.Millisecond

var defaultGroup = netip.MustParseAddr(DefaultGroup)

// A Config says how an agent finds and is found. Only UUID is needed.
type Config struct {
	// Network carries the beacons; nil means System.
	Network Network

	// UUID names the node. The agent does not hear the beacons that it sends itself.
	UUID uuid.UUID

	// Port is the UDP port of classic beacons, 1 to 65535; 0 means DefaultPort. Nodes with different ports do not see each
	// other.
	Port int

	// StatePort is the UDP port of state beacons. 0 means 10,000 above Port, or 10,000 below it where there is none above.
	// It must be neither Port nor 5670: a state beacon there ends pyre nodes.
	StatePort int

	// TTL is the time to live of a state beacon, 1 to 255: one more than the routers that may pass it on. 0 means DefaultTTL,
	// no router. A broadcast passes none in any case, so nodes of different subnets find each other by state beacons
	// alone: with the same group and port, a TTL that is large enough (SiteTTL), and routers that are told to route
	// multicast. A node that is heard need not hear. Windows does not tell the interface of a datagram, so there
	// beacons from other subnets are not heard.
	TTL int

	// Addresses says which beacons are sent, and where. A broadcast address means classic beacons: that of a subnet, or
	// 255.255.255.255 for every subnet of the interfaces in use, each at its own broadcast address. A multicast address
	// means state beacons to that group; there may be one. Empty means 255.255.255.255 and DefaultGroup. Whatever is
	// sent, both kinds are heard, state beacons on the group named here or on DefaultGroup.
	Addresses []netip.Addr

	// StateByBroadcast sends the proposal of 2013 to the letter: 23 octets, with the state, in place of the classic 22, to the
	// classic port and addresses. Every pyre node of the network DIES of the first such beacon; C zyre and zyre.js
	// ignore it, and so find this node no more. For networks of nodes that understand it.
	StateByBroadcast bool

	// Interval is the time between two beacons, 10 % more or less so that nodes started together drift apart. 0 means
	// DefaultInterval, 10 ms is the least. A longer one saves traffic, but others meet a node later where they missed
	// its first beacons.
	Interval time.Duration

	// Interfaces chooses the network interfaces to use. An entry is
	//
	//   - a name, "eth0", or a glob of names as of path.Match, "en*" or "wl?0": with all IPv4 addresses of these interfaces;
	//   - an IPv4 address, "192.168.1.7", or a CIDR, "192.168.0.0/16": the interfaces that have such an address, which then
	//     speak from that address only;
	//   - or, after "!", any of these to leave out, whatever other entries say: "!docker*", "!br-*", "!172.17.0.0/16".
	//
	// Names and addresses to use must exist when the agent is opened. What else is chosen may come later: the choice is made
	// anew whenever something changes. Empty, or with entries that only leave out, it means every interface fit for it: up,
	// with an IPv4 address, able to broadcast or multicast, and not point-to-point (a VPN often is: name it). Bridges
	// of containers and virtual machines are used. Loopback is used only if it is named, or if there is no other.
	Interfaces []string

	// Handler is called with each beacon heard from another node, also from a node of this process; nil hears none. A beacon
	// that bears the agent's own UUID, but another port or from another machine, is one: two nodes have one UUID. It
	// runs on the goroutine that receives for all agents of the process, so it must neither block nor open or close an
	// agent; SetState, Interfaces and IsLocal are fine. It is never called twice at once, nor after Close has returned.
	Handler func(Sighting)

	// Changed is called, between Announce and Close, when the interfaces in use or their addresses have changed, when a
	// carrier has come back, and when the machine has slept: connections may be dead, and peers that were out of reach may
	// be within it. It is called as Handler is, and must not block either. It may be nil.
	Changed func()

	// Log gets changes of the interfaces in use and failures, each once. Silent by default.
	Log zerolog.Logger

	poll time.Duration // between two scans of the interfaces; 0, but in tests, means scanInterval
}

// withDefaults returns the configuration that an agent keeps: complete, and sharing no slice with the caller.
func (c Config) withDefaults() Config {
	if c.Network == nil {
		c.Network = System
	}
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	if c.poll == 0 {
		c.poll = scanInterval
	}
	if c.Handler == nil {
		c.Handler = func(Sighting) {}
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	c.Interfaces = slices.Clone(c.Interfaces)
	c.Addresses = slices.Clone(c.Addresses)
	if len(c.Addresses) == 0 {
		c.Addresses = []netip.Addr{everySubnet, defaultGroup}
	}
	return c
}

// check reports the first thing wrong with a complete configuration on a machine with these interfaces.
func (c *Config) check(all []Interface) error {
	switch {
	case c.UUID == uuid.Nil:
		return errors.New("beacon: UUID: missing, every node needs one of its own (uuid.New())")
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("beacon: Port: %d is no UDP port, want 1 to 65535, or 0 for %d", c.Port, DefaultPort)
	case c.StatePort < 0 || c.StatePort > 65535:
		return fmt.Errorf("beacon: StatePort: %d is no UDP port, want 1 to 65535, or 0 for %d", c.StatePort, defaultStatePort(c.Port))
	case c.StatePort == c.Port || c.StatePort == DefaultPort:
		return fmt.Errorf("beacon: StatePort: %d is a port of classic beacons, where state beacons end pyre nodes, want another"+
			" or 0 for %d", c.StatePort, defaultStatePort(c.Port))
	case c.TTL < 1 || c.TTL > 255:
		return fmt.Errorf("beacon: TTL: %d hops, want 1 to 255, or 0 for %d", c.TTL, DefaultTTL)
	case c.Interval < minInterval:
		return fmt.Errorf("beacon: Interval: %v is too short, want %v or more, or 0 for %v", c.Interval, minInterval, DefaultInterval)
	}
	chosen, err := parseChoice(c.Interfaces)
	if err != nil {
		return err
	}
	if err := chosen.check(all); err != nil {
		return err
	}
	return c.checkAddresses(all)
}

func (c *Config) checkAddresses(all []Interface) error {
	groups := 0
	for _, addr := range c.Addresses {
		switch {
		case !addr.Is4():
			return fmt.Errorf("beacon: Addresses: %v is not an IPv4 address", addr)
		case addr == everySubnet:
		case addr.IsMulticast():
			groups++
		case !slices.ContainsFunc(all, func(i Interface) bool { return i.broadcasts(addr) }):
			return fmt.Errorf("beacon: Addresses: %v is neither a multicast address nor the broadcast address of a subnet here"+
				" (%v stands for every subnet's)", addr, everySubnet)
		}
	}
	if groups > 1 {
		return fmt.Errorf("beacon: Addresses: %v has %d multicast addresses, want one at most", c.Addresses, groups)
	}
	return nil
}

// broadcastsTo reports whether classic beacons go to this subnet's broadcast address.
func (c *Config) broadcastsTo(subnet netip.Addr) bool {
	return slices.Contains(c.Addresses, everySubnet) || slices.Contains(c.Addresses, subnet)
}

// multicasts reports whether state beacons are sent.
func (c *Config) multicasts() bool { return slices.ContainsFunc(c.Addresses, netip.Addr.IsMulticast) }

// group returns the multicast group of the state beacons, sent or only heard.
func (c *Config) group() netip.Addr {
	if i := slices.IndexFunc(c.Addresses, netip.Addr.IsMulticast); i >= 0 {
		return c.Addresses[i]
	}
	return defaultGroup
}

// statePort returns the UDP port of the state beacons.
func (c *Config) statePort() uint16 {
	if c.StatePort != 0 {
		return uint16(c.StatePort)
	}
	return defaultStatePort(c.Port)
}

// defaultStatePort returns the UDP port of the state beacons that belong to a port of classic beacons.
func defaultStatePort(port int) uint16 {
	if port > 65535-10_000 {
		return uint16(port - 10_000)
	}
	return uint16(port + 10_000)
}

// stationKey tells with whom an agent of this configuration shares a station.
func (c *Config) stationKey() stationKey {
	return stationKey{c.Network, c.Port, c.statePort(), c.group(), c.TTL, c.poll}
}

// list names the interfaces for a person.
func list(all []Interface) string {
	var text []string
	for _, i := range all {
		text = append(text, strings.TrimSpace(fmt.Sprintf("%s %v", i.Name, i.Addrs)))
	}
	return strings.Join(text, ", ")
}
