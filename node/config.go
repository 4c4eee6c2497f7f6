package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/cert"
)

// Config is the configuration of a node. The zero value of a field means its default.
type Config struct {
	// UUID identifies the node; a random one by default.
	UUID uuid.UUID

	// Name is the public name that HELLO carries, at most 255 octets of UTF-8. By default the first six hex digits of the
	// UUID, in upper case, as C zyre does.
	Name string

	// Headers are the name/value pairs that HELLO carries.
	Headers map[string]string

	// Interfaces restricts discovery and the mailbox to these network interfaces (names or addresses). By default every usable
	// one is used, and loopback only where there is no other.
	Interfaces []string

	// Listen is where the mailbox listens: "tcp://*:5671" on every address, "tcp://192.168.1.7:5671" on one. By default it is
	// a free port of RFC 36's range, on every address.
	Listen string

	// Advertise is the endpoint that HELLO and gossip name in place of the node's own, for example "tcp://203.0.113.7:5671". Set it to
	// where peers beyond a NAT reach the node.
	Advertise string

	// Certificate makes this a secure node: it speaks CURVE with these keys, and nothing else. Nil makes it a plain node. The certificate must
	// have a secret key. If Authorize is set, it judges each peer during the handshake; an error refuses the peer. It may block until ctx ends,
	// and is called from many goroutines. Without it any key is accepted.
	Certificate *cert.Certificate
	Authorize   func(ctx context.Context, peer Identity) error

	// Peers are endpoints of possible peers, "tcp://host:port", that need no beacon and no known UUID.
	Peers []string

	// SRV are domains whose SRV records name such endpoints. Resolver is the DNS server to ask, by default the system's.
	SRV      []string
	Resolver string

	// GossipBind are the endpoints at which the node is a gossip hub, for example "tcp://*:5672". GossipConnect are the endpoints of the hubs
	// of which it is a client.
	GossipBind    []string
	GossipConnect []string

	// Transports are the transports that may be used: Inproc, IPC and TCP; all by default. TCP is always needed.
	Transports []string

	// NoBeacons turns beacons off: the node neither sends nor receives any.
	NoBeacons bool

	// BeaconPort is the UDP port of the classic beacons, 5670 by default. Beacons that carry a state go to the port 10,000
	// above it. Nodes with different beacon ports do not see each other.
	BeaconPort int

	// TTL is how far beacons with a state travel. Groups (one for each address family) and StatePort are their destination. See
	// zre.WithMulticastTTL and the options next to it.
	TTL       int
	Groups    []netip.Addr
	StatePort int

	// BeaconInterval is the time between two beacons, 1 s by default. A shorter one finds new peers sooner where datagrams
	// get lost, at the price of more traffic: every node of the network receives every beacon.
	BeaconInterval time.Duration

	// EvasiveTimeout is how long a peer may be silent (no beacon and no message) before it is PINGed and reported as
	// evasive; 5 s by default.
	EvasiveTimeout time.Duration

	// SilentTimeout is how long a peer may be silent before it is reported as silent, if it has not answered the PING either; twice
	// EvasiveTimeout by default. If set, it must lie between EvasiveTimeout and ExpiredTimeout.
	SilentTimeout time.Duration

	// ExpiredTimeout is how long a peer may be silent before its session ends; 30 s by default. It must be longer than EvasiveTimeout.
	// A shorter one notices vanished hosts sooner, but also loses peers on bad Wi-Fi sooner.
	ExpiredTimeout time.Duration

	// SendTimeout is how long Whisper and Shout wait for room in the queue of a peer that does not read its messages; 5 s by default.
	// Then the peer is dropped as not responding.
	SendTimeout time.Duration

	// SkipBusy makes Shout skip members whose queue is full, instead of waiting for them; see zre.WithShoutPolicy.
	SkipBusy bool

	// AutoState makes the node's state follow its activity; see zre.WithAutoState.
	AutoState bool

	// StateByBroadcast sends beacons with a state where RFC 36 has beacons without one. This kills pyre; see zre.WithStateByBroadcast.
	StateByBroadcast bool

	// Contest names groups that the node joins at the start and whose leadership it contests. ElectAll sends ELECT and LEADER to every
	// member; see zre.WithElectionsToAll.
	Contest  []string
	ElectAll bool

	// Discard counts and discards incoming WHISPER and SHOUT; see zre.WithSendOnly.
	Discard bool

	// ShareStats makes the node answer peers of this implementation that ask for its figures; see zre.WithSharedStats.
	ShareStats bool

	// Linger is how long Close waits until queued messages are handed to the operating system; 5 s by default. If negative, it does not wait.
	Linger time.Duration

	// Network is the network that the node uses; by default the operating system's.
	Network Network

	// Log receives internal events, mostly at debug level. By default nothing is logged.
	Log zerolog.Logger

	// Limits bounds what other nodes can make this node hold in memory.
	Limits Limits

	// Public converts this package's types to the application's.
	Public Public
}

// complete checks the configuration and fills in its defaults.
func (c *Config) complete() error {
	if c.UUID == uuid.Nil {
		c.UUID = uuid.New()
	}
	if c.Name == "" {
		c.Name = fmt.Sprintf("%X", c.UUID[:3])
	}
	host, _, err := listenAddress(c.Listen)
	if err != nil {
		return err
	}
	if host != "" && len(c.Interfaces) == 0 {
		c.Interfaces = []string{host} // beacons on other interfaces would lead to addresses where this node does not listen
	}
	if err := c.checkCertificate(); err != nil {
		return err
	}
	if err := c.checkSources(); err != nil {
		return err
	}
	if c.BeaconPort < 0 || c.BeaconPort > 55535 {
		return fmt.Errorf("node: beacon port %d: choose one from 1 to 55535 (beacons with a state use the port 10,000 above)", c.BeaconPort)
	}
	for _, d := range []struct {
		field    *time.Duration
		name     string
		standard time.Duration
	}{
		{&c.BeaconInterval, "beacon interval", time.Second},
		{&c.EvasiveTimeout, "evasive timeout", 5 * time.Second},
		{&c.ExpiredTimeout, "expired timeout", 30 * time.Second},
		{&c.SilentTimeout, "silent timeout", 0},
		{&c.SendTimeout, "send timeout", 5 * time.Second},
	} {
		if *d.field < 0 {
			return fmt.Errorf("node: %s %v: a duration must be positive", d.name, *d.field)
		}
		if *d.field == 0 {
			*d.field = d.standard
		}
	}
	if c.ExpiredTimeout <= c.EvasiveTimeout {
		return fmt.Errorf("node: WithEvasiveTimeout and WithExpiredTimeout: expired timeout %v: it must be longer than the evasive timeout, %v", c.ExpiredTimeout, c.EvasiveTimeout)
	}
	switch {
	case c.SilentTimeout == 0:
		c.SilentTimeout = 2 * c.EvasiveTimeout
	case c.SilentTimeout <= c.EvasiveTimeout || c.SilentTimeout >= c.ExpiredTimeout:
		return fmt.Errorf("node: WithSilentTimeout: silent timeout %v: choose one between the evasive timeout, %v, and the expired timeout, %v", c.SilentTimeout, c.EvasiveTimeout, c.ExpiredTimeout)
	}
	if err := c.beacons().Check(); err != nil {
		return fmt.Errorf("node: %s%w", beaconOption(err), err)
	}
	if c.Linger == 0 {
		c.Linger = 5 * time.Second
	}
	if c.Network == nil {
		c.Network = System
	}
	return errors.Join(c.checkTransports(), c.Limits.complete())
}

// beaconOption names the option of package zre that sets the field of beacon.Config which an error is about.
func beaconOption(err error) string {
	for field, option := range map[string]string{
		"Port": "WithBeaconPort", "StatePort": "WithMulticastPort", "TTL": "WithMulticastTTL", "Interval": "WithBeaconInterval",
		"Interfaces": "WithInterfaces", "Addresses": "WithMulticastGroup",
	} {
		if strings.HasPrefix(err.Error(), "beacon: "+field+": ") {
			return option + ": "
		}
	}
	return ""
}
