package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/cert"
)

// Config says what a node is and how it behaves. The zero value of a field means its default.
type Config struct {
	// UUID names the node; a random one by default.
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

	// Advertise is the endpoint that HELLO and gossip name in place of the node's own, such as "tcp://203.0.113.7:5671": where peers
	// beyond a NAT reach it.
	Advertise string

	// Certificate makes the node a secure one: it speaks CURVE with these keys, and nothing else; nil for a plain node. It must have a secret
	// key. Authorize, if set, judges each peer within the handshake; an error refuses it. It may block until ctx ends, and is called by many
	// goroutines. Without it any key is let in.
	Certificate *cert.Certificate
	Authorize   func(ctx context.Context, peer Identity) error

	// Peers are endpoints where peers may be, "tcp://host:port", known by neither beacon nor UUID.
	Peers []string

	// SRV are domains whose SRV records name such endpoints, and Resolver is the DNS server to ask, the system's by default.
	SRV      []string
	Resolver string

	// GossipBind are the endpoints at which the node is a gossip hub, "tcp://*:5672", and GossipConnect those of the hubs that it
	// is a client of.
	GossipBind    []string
	GossipConnect []string

	// Transports are those that may be used, of Inproc, IPC and TCP; all by default. TCP is always needed.
	Transports []string

	// NoBeacons neither sends nor hears beacons.
	NoBeacons bool

	// BeaconPort is the UDP port of the classic beacons, 5670 by default. Beacons that carry a state go to the port 10,000
	// above it. Nodes with different beacon ports do not see each other.
	BeaconPort int

	// TTL is how far beacons with a state travel, Groups (one for each address family) and StatePort where to; see zre.WithMulticastTTL and its
	// neighbours.
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

	// ExpiredTimeout is how long a peer may be silent before it is given up; 30 s by default. It must be longer than
	// EvasiveTimeout. A shorter one notices vanished hosts sooner, and loses peers of a bad Wi-Fi sooner.
	ExpiredTimeout time.Duration

	// SendTimeout is how long Whisper and Shout wait for room in the queue of a peer that does not take its messages;
	// 5 s by default. Then the peer is dropped as not responding.
	SendTimeout time.Duration

	// SkipBusy has Shout leave out members whose queue is full, instead of waiting for them; see zre.WithShoutPolicy.
	SkipBusy bool

	// AutoState has the node's state follow what it does, see zre.WithAutoState.
	AutoState bool

	// StateByBroadcast sends beacons with a state where RFC 36 has those without, which kills pyre; see zre.WithStateByBroadcast.
	StateByBroadcast bool

	// Contest names groups that the node is in from the start, and for whose leadership it contests. ElectAll sends ELECT and LEADER to every
	// member, see zre.WithElectionsToAll.
	Contest  []string
	ElectAll bool

	// Discard has WHISPER and SHOUT that come counted and discarded; see zre.WithSendOnly.
	Discard bool

	// ShareStats answers peers of this implementation that ask for the node's figures; see zre.WithSharedStats.
	ShareStats bool

	// Linger is how long Close waits until queued messages are handed to the operating system; 5 s by default, negative for not at all.
	Linger time.Duration

	// Network is what the node runs on; the operating system's by default.
	Network Network

	// Log receives what happens inside, mostly at debug level. Silent by default.
	Log zerolog.Logger

	// Limits bounds what others can make the node hold.
	Limits Limits

	// Public makes the application's types of the node's own.
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
		c.Interfaces = []string{host} // beacons elsewhere would lead to where nobody listens
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
		return fmt.Errorf("node: expired timeout %v: it must be longer than the evasive timeout, %v", c.ExpiredTimeout, c.EvasiveTimeout)
	}
	switch {
	case c.SilentTimeout == 0:
		c.SilentTimeout = 2 * c.EvasiveTimeout
	case c.SilentTimeout <= c.EvasiveTimeout || c.SilentTimeout >= c.ExpiredTimeout:
		return fmt.Errorf("node: silent timeout %v: choose one between the evasive timeout, %v, and the expired timeout, %v", c.SilentTimeout, c.EvasiveTimeout, c.ExpiredTimeout)
	}
	if err := c.beacons().Check(); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if c.Linger == 0 {
		c.Linger = 5 * time.Second
	}
	if c.Network == nil {
		c.Network = System
	}
	return errors.Join(c.checkTransports(), c.Limits.complete())
}
