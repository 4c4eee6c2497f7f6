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
)

// minInterval keeps a mistaken unit from flooding a network.
const minInterval = 10 * time.Millisecond

var defaultGroup = netip.MustParseAddr(DefaultGroup)

// A Config says how an agent finds and is found. Only UUID is needed.
type Config struct {
	// Network carries the beacons; nil means System.
	Network Network

	// UUID names the node. The agent does not hear the beacons that it sends itself.
	UUID uuid.UUID

	// Port is the UDP port of classic beacons, 1 to 65535; 0 means DefaultPort. State beacons use a port 10,000 above it,
	// or 10,000 below it where there is none above. Nodes with different ports do not see each other.
	Port int

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

	// Interfaces names the network interfaces to use, by name ("eth0") or by IPv4 address. They must exist when the agent
	// is opened and are used whenever they are up. Empty means all that are fit for it: up, with an IPv4 address, not
	// point-to-point, and loopback only when there is no other.
	Interfaces []string

	// Handler is called with each beacon heard from another node, also from a node of this process; nil hears none. A beacon
	// that bears the agent's own UUID, but another port or from another machine, is one: two nodes have one UUID. It
	// runs on the goroutine that receives for all agents of the process, so it must neither block nor open or close an
	// agent; SetState, Interfaces and IsLocal are fine. It is never called twice at once, nor after Close has returned.
	Handler func(Sighting)

	// Log gets changes of the interfaces in use and failures, each once. Silent by default.
	Log zerolog.Logger
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
	if c.Handler == nil {
		c.Handler = func(Sighting) {}
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
	case c.Interval < minInterval:
		return fmt.Errorf("beacon: Interval: %v is too short, want %v or more, or 0 for %v", c.Interval, minInterval, DefaultInterval)
	}
	for _, name := range c.Interfaces {
		if !exists(all, name) {
			return fmt.Errorf("beacon: Interfaces: %q is neither the name nor an IPv4 address of an interface here (there are %s)",
				name, list(all))
		}
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

// statePort returns the UDP port of the state beacons that belong to a port of classic beacons.
func statePort(port int) uint16 {
	if port > 65535-10_000 {
		return uint16(port - 10_000)
	}
	return uint16(port + 10_000)
}

// exists reports whether an interface has this name or this IPv4 address.
func exists(all []Interface, name string) bool {
	return slices.ContainsFunc(all, func(i Interface) bool {
		return i.Name == name || slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool {
			return p.Addr().Is4() && p.Addr().String() == name
		})
	})
}

// list names the interfaces for a person.
func list(all []Interface) string {
	var text []string
	for _, i := range all {
		text = append(text, strings.TrimSpace(fmt.Sprintf("%s %v", i.Name, i.Addrs)))
	}
	return strings.Join(text, ", ")
}
