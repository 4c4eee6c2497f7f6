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
	DefaultGroup    = "239.255.90.82" // multicast group of the state beacons by IPv4
	DefaultGroup6   = "ff12::5a:5245" // and by IPv6: of the link, "ZRE" in its last octets
	DefaultInterval = time.Second
	DefaultTTL      = 1 // state beacons stay on their link
)

// Other groups of IPv6.
const (
	AllNodes   = "ff02::1"       // all hosts of a link, where classic beacons go, those of C zyre too
	SiteGroup6 = "ff15::5a:5245" // in place of DefaultGroup6 where TTL is more than 1: routers pass no group of a link on
)

// SiteTTL is the TTL for a site whose routers pass multicast on: through seven of them, more than lie between two hosts of
// most sites, and far below 32, from which on, by old convention, a datagram may leave the site.
const SiteTTL = 8

// minInterval keeps a mistaken unit from flooding a network.
const minInterval = 10 * time.Millisecond

var (
	defaultGroup  = netip.MustParseAddr(DefaultGroup)
	defaultGroup6 = netip.MustParseAddr(DefaultGroup6)
	siteGroup6    = netip.MustParseAddr(SiteGroup6)
	allNodes      = netip.MustParseAddr(AllNodes)
)

// A Config says how an agent finds and is found. Only UUID is needed.
type Config struct {
	// Network carries the beacons; nil means System.
	Network Network

	// UUID names the node. The agent does not hear the beacons that it sends itself.
	UUID uuid.UUID

	// Key is the node's long-term CURVE public key. With one, each beacon and farewell carries it: classic ones have 54 octets
	// in place of 22, state beacons 55 in place of 23. Plain nodes of other implementations do not hear these, and C zyre
	// with CURVE hears no others. A key whose first octet is 0 is an error, since C zyre takes it for none. The zero Key sends
	// plain beacons. Whatever is sent, beacons with a key and without are heard.
	//
	// Classic beacons with a key go to 255.255.255.255 from each subnet by IPv4, not to its own broadcast address, since a
	// pyre node on Linux listens on that one and dies of any beacon that has not 22 octets. A pyre node on another
	// system listens on every address, and dies of these too.
	Key Key

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
	//
	// By IPv6, more than 1 means SiteGroup6 in place of DefaultGroup6, and that state beacons come from an address that
	// other subnets can reach where the interface has one, not from its link-local one. Both groups are heard, so
	// neighbours with different TTLs hear each other.
	TTL int

	// Addresses says which beacons are sent, and where. A broadcast address means classic beacons by IPv4: that of a subnet, or
	// 255.255.255.255 for every subnet of the interfaces in use, each at its own broadcast address (but see Key). AllNodes means
	// classic beacons by IPv6. Any other multicast address means state beacons to that group; there may be one of each
	// address family. Without an IPv4 address in it, IPv4 does by default: 255.255.255.255 and DefaultGroup; likewise
	// IPv6: AllNodes and DefaultGroup6. (To do without a family see Interfaces.) Whatever is sent, both kinds are
	// heard, state beacons on the group named here or on the default ones.
	Addresses []netip.Addr

	// StateByBroadcast sends the proposal of 2013 to the letter: 23 octets, with the state (55 with a key), in place of the classic 22 (54), to the
	// classic port and broadcast addresses. Every pyre node of the network DIES of the first such beacon; C zyre and
	// zyre.js ignore it, and so find this node no more. For networks of nodes that understand it. IPv6, which the
	// proposal does not know, is left as it is.
	StateByBroadcast bool

	// Interval is the time between two beacons, 10 % more or less so that nodes started together drift apart. 0 means
	// DefaultInterval, 10 ms is the least. A longer one saves traffic, but others meet a node later where they missed
	// its first beacons.
	Interval time.Duration

	// Interfaces chooses the network interfaces to use. An entry is
	//
	//   - a name, "eth0", also one of Linux's alternative names, or a glob of names as of path.Match, "en*" or "wl?0": with all addresses of these interfaces;
	//   - an address, "192.168.1.7" or "fe80::1%eth0", or a CIDR, "192.168.0.0/16" or "fd00::/8": the interfaces that have
	//     such an address, which then speak from that address only, so not by the other address family;
	//   - or, after "!", any of these to leave out, whatever other entries say: "!docker*", "!br-*", "!172.17.0.0/16". An
	//     interface that has lost all its other addresses by this loses its link-local ones of IPv6 too. Only
	//     "!0.0.0.0/0" and "!::/0" mean a family: do without IPv4, or without IPv6.
	//
	// What is chosen may come later: the choice is made anew whenever something changes. A name or address that is not there
	// is told by Failures, so that a mistake shows. Empty, or with entries that only leave out, it means every interface fit for it: up,
	// with an IPv4 address and able to broadcast or multicast, or with an IPv6 address and able to multicast, and not
	// point-to-point (a VPN often is: name it). Bridges of containers and virtual machines are used. Loopback is used, by
	// IPv4, only if it is named, or if there is no other interface with an IPv4 address.
	Interfaces []string

	// Handler is called with each beacon heard from another node, also from a node of this process; nil hears none. A beacon
	// that bears the agent's own UUID, but another port or from another machine, is one: two nodes have one UUID. It
	// runs on the goroutine that receives for all agents of the process, so it must neither block nor open or close an
	// agent; SetState, Interfaces and IsLocal are fine. It is never called twice at once, nor after Close has returned.
	Handler func(Sighting)

	// Changed is called, between Announce and Close, when the interfaces in use or their addresses have changed, when a
	// carrier has gone or come back, and when the machine has slept: connections may be dead, and peers that were out of reach may
	// be within it. It is called as Handler is, and must not block either. It may be nil.
	Changed func()

	// Failing is called when what Agent.Failures returns has changed, also before Open has returned. It is called as Handler is, must not
	// block either, and must not call Failures. It may be nil.
	Failing func()

	// Mute opens no sockets: no beacon is heard or sent. What the agent knows of the interfaces works as ever.
	Mute bool

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
	if c.Failing == nil {
		c.Failing = func() {}
	}
	c.Interfaces = slices.Clone(c.Interfaces)
	c.Addresses = slices.Clone(c.Addresses)
	if !slices.ContainsFunc(c.Addresses, netip.Addr.Is4) {
		c.Addresses = append(c.Addresses, everySubnet, defaultGroup)
	}
	if !slices.ContainsFunc(c.Addresses, netip.Addr.Is6) {
		c.Addresses = append(c.Addresses, allNodes, c.groups6()[0])
	}
	return c
}

// Check reports what of the configuration cannot become right, as Open does. It looks at nothing else.
func (c Config) Check() error {
	c = c.withDefaults()
	return c.check()
}

// check reports the first thing wrong with a complete configuration, whatever the machine's interfaces are.
func (c *Config) check() error {
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
	if err := c.Key.check(); err != nil {
		return err
	}
	if _, err := parseChoice(c.Interfaces); err != nil {
		return err
	}
	return c.checkAddresses()
}

func (c *Config) checkAddresses() error {
	groups, groups6 := 0, 0
	for _, addr := range c.Addresses {
		switch {
		case !addr.IsValid() || addr.Is4In6() || addr.Zone() != "":
			return fmt.Errorf("beacon: Addresses: %v is neither an IPv4 nor an IPv6 address (a zone is not for this: see Interfaces)", addr)
		case addr == everySubnet || addr == allNodes:
		case addr.Is4() && addr.IsMulticast():
			groups++
		case addr.IsMulticast():
			groups6++
		case addr.Is6():
			return fmt.Errorf("beacon: Addresses: %v is not a multicast address, want %s for classic beacons, or the group of"+
				" the state beacons", addr, AllNodes)
		}
	}
	if groups > 1 || groups6 > 1 {
		return fmt.Errorf("beacon: Addresses: %v has several multicast addresses for state beacons, want one at most of each"+
			" address family", c.Addresses)
	}
	return nil
}

// missing returns the entries of Interfaces that name what is not on a machine with these interfaces, and the broadcast addresses of
// Addresses that none of its subnets has.
func (c *Config) missing(all []Interface) (entries []string) {
	chosen, _ := parseChoice(c.Interfaces) // check has seen the error
	for _, p := range chosen.include {
		if p.single && !p.exists(all) && !slices.Contains(entries, p.text) {
			entries = append(entries, p.text)
		}
	}
	for _, addr := range c.Addresses {
		if addr.Is4() && !addr.IsMulticast() && addr != everySubnet && !slices.ContainsFunc(all, func(i Interface) bool { return i.broadcasts(addr) }) {
			entries = append(entries, addr.String())
		}
	}
	return entries
}

// broadcastsTo reports whether classic beacons go to this subnet's broadcast address.
func (c *Config) broadcastsTo(subnet netip.Addr) bool {
	return slices.Contains(c.Addresses, everySubnet) || slices.Contains(c.Addresses, subnet)
}

// broadcastOf returns where classic beacons go on a subnet of that broadcast address: with a key to every host of the link, so that no pyre
// node hears them.
func (c *Config) broadcastOf(subnet netip.Addr) netip.AddrPort {
	if !c.Key.IsZero() {
		subnet = everySubnet
	}
	return netip.AddrPortFrom(subnet, uint16(c.Port))
}

// broadcasts6 reports whether classic beacons are sent by IPv6.
func (c *Config) broadcasts6() bool { return slices.Contains(c.Addresses, allNodes) }

// multicastsTo returns the group to which state beacons are sent by IPv4, or by IPv6; invalid where none are.
func (c *Config) multicastsTo(six bool) netip.Addr {
	for _, a := range c.Addresses {
		if a.IsMulticast() && a != allNodes && a.Is6() == six {
			return a
		}
	}
	return netip.Addr{}
}

// group returns the IPv4 multicast group on which state beacons are heard.
func (c *Config) group() netip.Addr {
	if group := c.multicastsTo(false); group.IsValid() {
		return group
	}
	return defaultGroup
}

// groups6 returns the IPv6 multicast groups on which state beacons are heard: the default ones, of which the first is the one
// to send to, or one alone that is named.
func (c *Config) groups6() [2]netip.Addr {
	switch group := c.multicastsTo(true); {
	case group.IsValid() && group != defaultGroup6 && group != siteGroup6:
		return [2]netip.Addr{group}
	case c.TTL > 1:
		return [2]netip.Addr{siteGroup6, defaultGroup6}
	}
	return [2]netip.Addr{defaultGroup6, siteGroup6}
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
	return stationKey{c.Network, c.Mute, c.Port, c.statePort(), c.group(), c.groups6(), c.TTL, c.poll}
}

// list names the interfaces for a person.
func list(all []Interface) string {
	var text []string
	for _, i := range all {
		text = append(text, strings.TrimSpace(fmt.Sprintf("%s %v", i.Name, i.Addrs)))
	}
	return strings.Join(text, ", ")
}
