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

// Other IPv6 groups.
const (
	AllNodes   = "ff02::1"       // all hosts of a link, the destination of classic beacons, also C zyre's
	SiteGroup6 = "ff15::5a:5245" // instead of DefaultGroup6 if TTL is more than 1: routers do not forward a group of a link
)

// SiteTTL is the TTL for a site whose routers forward multicast: through seven of them, more than between two hosts of most sites, and far
// below 32. By old convention, datagrams with 32 or more may leave the site.
const SiteTTL = 8

// minInterval keeps a mistaken unit from flooding a network.
const minInterval = 10 * time.Millisecond

var (
	defaultGroup  = netip.MustParseAddr(DefaultGroup)
	defaultGroup6 = netip.MustParseAddr(DefaultGroup6)
	siteGroup6    = netip.MustParseAddr(SiteGroup6)
	allNodes      = netip.MustParseAddr(AllNodes)
)

// A Config says how an agent finds others and is found. Only UUID is required.
type Config struct {
	// Network carries the beacons; nil means System.
	Network Network

	// UUID identifies the node. The agent does not hear its own beacons.
	UUID uuid.UUID

	// Key is the node's long-term CURVE public key. With a key, each beacon and farewell carries it: classic ones have 54 octets instead of
	// 22, state beacons 55 instead of 23. Plain nodes of other implementations do not hear these, and C zyre with CURVE hears no others. A
	// key whose first octet is 0 is an error, because C zyre treats it as no key. The zero Key sends plain beacons. In any case the agent
	// hears beacons with and without a key.
	//
	// By IPv4, classic beacons with a key go from each subnet to 255.255.255.255, not to the subnet's broadcast address: a pyre node on
	// Linux listens on that address, and crashes on any beacon that does not have 22 octets. A pyre node on another system listens on every
	// address, and crashes on these too.
	Key Key

	// Port is the UDP port of classic beacons, 1 to 65535; 0 means DefaultPort. Nodes with different ports do not see each other.
	Port int

	// StatePort is the UDP port of state beacons. 0 means 10,000 above Port, or 10,000 below it if that is not possible. It must be neither
	// Port nor 5670: a state beacon there crashes pyre nodes.
	StatePort int

	// TTL is the time to live of a state beacon, 1 to 255: one more than the number of routers that may forward it. 0 means DefaultTTL, no
	// router. Routers never forward a broadcast, so nodes of different subnets find each other only by state beacons: with the same group
	// and port, a TTL that is large enough (SiteTTL), and routers that are configured to route multicast. That a node is heard does not
	// mean that it hears. Windows does not report the interface of a datagram, so beacons from other subnets are not heard there.
	//
	// By IPv6, a value above 1 means SiteGroup6 instead of DefaultGroup6, and state beacons come from an address that other subnets can
	// reach, if the interface has one, not from its link-local address. Both groups are heard, so neighbours with different TTLs hear each
	// other.
	TTL int

	// Addresses says which beacons are sent, and where to. A broadcast address means classic beacons by IPv4: that of a subnet, or
	// 255.255.255.255 for every subnet of the interfaces in use, each at its own broadcast address (but see Key). AllNodes means classic
	// beacons by IPv6. Any other multicast address means state beacons to that group; there may be one for each address family. Without an
	// IPv4 address in the list, IPv4 uses its defaults: 255.255.255.255 and DefaultGroup; likewise IPv6: AllNodes and DefaultGroup6. (To
	// turn off a family see Interfaces.) In any case both kinds are heard, state beacons on the group named here or on the default ones.
	Addresses []netip.Addr

	// StateByBroadcast follows the proposal of 2013 to the letter: it sends 23 octets, with the state (55 with a key), instead of the
	// classic 22 (54), to the classic port and broadcast addresses. Every pyre node of the network CRASHES on the first such beacon; C zyre
	// and zyre.js ignore it, and so no longer find this node. It is for networks of nodes that understand it. IPv6, which the proposal does
	// not know, is unchanged.
	StateByBroadcast bool

	// Interval is the time between two beacons, 10 % more or less so that nodes started together drift apart. 0 means DefaultInterval, 10
	// ms is the minimum. A longer interval saves traffic, but other nodes meet this one later if they missed its first beacons.
	Interval time.Duration

	// Interfaces chooses the network interfaces to use. An entry is
	//
	//   - a name, "eth0", also one of Linux's alternative names, or a glob of names as in path.Match, "en*" or "wl?0": all addresses of
	//     these interfaces are used;
	//   - an address, "192.168.1.7" or "fe80::1%eth0", or a CIDR, "192.168.0.0/16" or "fd00::/8": the interfaces that have
	//     such an address, which then send only from that address, so not by the other address family;
	//   - or, after "!", any of these to exclude, whatever other entries say: "!docker*", "!br-*", "!172.17.0.0/16". An
	//     interface that has lost all its other addresses this way loses its link-local IPv6 addresses too. Only
	//     "!0.0.0.0/0" and "!::/0" mean a family: use no IPv4, or no IPv6.
	//
	// What is chosen may appear later: the choice is made again whenever something changes. Failures reports a name or address that does
	// not exist, so that a mistake shows. If the list is empty, or only has entries that exclude, it means every suitable interface: up,
	// with an IPv4 address and able to broadcast or multicast, or with an IPv6 address and able to multicast, and not point-to-point (a VPN
	// often is: name it). Bridges of containers and virtual machines are used. Loopback is used, by IPv4, only if it is named, or if there
	// is no other interface with an IPv4 address.
	Interfaces []string

	// Handler is called with each beacon heard from another node, also from a node of this process; nil hears none. A beacon with the
	// agent's own UUID, but with another port or from another machine, counts as another node's: two nodes have the same UUID. The handler
	// runs on the goroutine that receives for all agents of the process, so it must neither block nor open or close an agent; it may call
	// SetState, Interfaces and IsLocal. It is never called concurrently, nor after Close has returned.
	Handler func(Sighting)

	// Changed is called, between Announce and Close, when the interfaces in use or their addresses have changed, when a carrier was lost or
	// came back, and when the machine has slept: connections may be dead, and peers that were out of reach may be reachable again. It is
	// called like Handler, and must not block either. It may be nil.
	Changed func()

	// Failing is called when the result of Agent.Failures has changed, also before Open has returned. It is called like Handler, must not
	// block either, and must not call Failures. It may be nil.
	Failing func()

	// Mute opens no sockets: no beacon is heard or sent. What the agent knows about the interfaces works as always.
	Mute bool

	// Log gets changes of the interfaces in use and failures, each once. It is silent by default.
	Log zerolog.Logger

	poll time.Duration // between two scans of the interfaces; 0, except in tests, means scanInterval
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

// Check reports what in the configuration can never work, as Open does. It looks at nothing else.
func (c Config) Check() error {
	c = c.withDefaults()
	return c.check()
}

// check reports the first error in a complete configuration, whatever the machine's interfaces are.
func (c *Config) check() error {
	switch {
	case c.UUID == uuid.Nil:
		return errors.New("beacon: UUID: missing, every node needs one of its own (uuid.New())")
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("beacon: Port: %d is no UDP port, want 1 to 65535, or 0 for %d", c.Port, DefaultPort)
	case c.StatePort < 0 || c.StatePort > 65535:
		return fmt.Errorf("beacon: StatePort: %d is no UDP port, want 1 to 65535, or 0 for %d", c.StatePort, defaultStatePort(c.Port))
	case c.StatePort == c.Port || c.StatePort == DefaultPort:
		return fmt.Errorf("beacon: StatePort: %d is a port of classic beacons, where state beacons crash pyre nodes, want another"+
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
		return fmt.Errorf("beacon: Addresses: %v has several multicast addresses for state beacons, want at most one of each"+
			" address family", c.Addresses)
	}
	return nil
}

// missing returns a failure for each entry of Interfaces that names what does not exist on a machine with these interfaces, and for each
// broadcast address in Addresses that none of its subnets has.
func (c *Config) missing(all []Interface) (list []Failure) {
	chosen, _ := parseChoice(c.Interfaces) // check has seen the error
	for _, p := range chosen.include {
		f := Failure{Op: OpChoose, Interface: p.text, Err: ErrMissing}
		if p.single && !p.exists(all) && !slices.ContainsFunc(list, f.isSameEntry) {
			list = append(list, f)
		}
	}
	for _, addr := range c.Addresses {
		if addr.Is4() && !addr.IsMulticast() && addr != everySubnet && !slices.ContainsFunc(all, func(i Interface) bool { return i.isBroadcast(addr) }) {
			list = append(list, Failure{Op: OpChoose, Interface: addr.String(), Err: ErrMissing, ofAddresses: true})
		}
	}
	return list
}

// broadcastsTo tells whether classic beacons go to this subnet's broadcast address.
func (c *Config) broadcastsTo(subnet netip.Addr) bool {
	return slices.Contains(c.Addresses, everySubnet) || slices.Contains(c.Addresses, subnet)
}

// broadcastOf returns where classic beacons go on a subnet with that broadcast address: with a key to every host of the link, so that no
// pyre node hears them.
func (c *Config) broadcastOf(subnet netip.Addr) netip.AddrPort {
	if !c.Key.IsZero() {
		subnet = everySubnet
	}
	return netip.AddrPortFrom(subnet, uint16(c.Port))
}

// broadcasts6 tells whether classic beacons are sent by IPv6.
func (c *Config) broadcasts6() bool { return slices.Contains(c.Addresses, allNodes) }

// multicastsTo returns the group to which state beacons are sent by IPv4, or by IPv6; invalid if none are.
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

// groups6 returns the IPv6 multicast groups on which state beacons are heard: the default ones, the first of which is also the one to send
// to, or just the configured one.
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

// defaultStatePort returns the UDP port of the state beacons that belongs to a port of classic beacons.
func defaultStatePort(port int) uint16 {
	if port > 65535-10_000 {
		return uint16(port - 10_000)
	}
	return uint16(port + 10_000)
}

// stationKey identifies the station that agents of this configuration share.
func (c *Config) stationKey() stationKey {
	return stationKey{c.Network, c.Mute, c.Port, c.statePort(), c.group(), c.groups6(), c.TTL, c.poll}
}

// formatInterfaces formats the interfaces for a person.
func formatInterfaces(all []Interface) string {
	var text []string
	for _, i := range all {
		text = append(text, strings.TrimSpace(fmt.Sprintf("%s %v", i.Name, i.Addrs)))
	}
	return strings.Join(text, ", ")
}
