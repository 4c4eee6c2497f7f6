package zre

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/node"
)

// Option sets something of a node when it is made.
type Option func(*config) error

type config struct{ node.Config }

// WithName sets the public name that peers see, at most 255 octets of UTF-8. Names need not be unique. By default it is the
// first six hex digits of the UUID.
func WithName(name string) Option {
	return func(c *config) error {
		c.Name = name
		return nil
	}
}

// WithUUID sets the node's identity, which is random by default. Two nodes of one UUID on one network disturb each other.
func WithUUID(id uuid.UUID) Option {
	return func(c *config) error {
		if id == uuid.Nil {
			return fmt.Errorf("zre: WithUUID: the nil UUID names no node")
		}
		c.UUID = id
		return nil
	}
}

// WithHeader adds a property that peers see in Peer.Headers when this node enters. The name has 1 to 255 octets.
func WithHeader(name, value string) Option {
	return func(c *config) error {
		c.Headers = maps.Clone(c.Headers) // options may be used for several nodes
		if c.Headers == nil {
			c.Headers = make(map[string]string)
		}
		c.Headers[name] = value
		return nil
	}
}

// WithInterfaces chooses the network interfaces: a name ("eth0"), a glob of names ("en*"), an address ("192.168.1.7", "fd00::7"), or a
// CIDR ("192.168.0.0/16": only addresses within it are used); after "!" what to leave out ("!docker*", "!br-*", "!172.16.0.0/12";
// "!::/0" does without IPv6). All may come later; a name or address that is not there is a ProblemInterface until it is. By
// default it is every interface that is up, has an address, can broadcast or multicast, and is not point-to-point (name a VPN to use
// it); bridges of containers are used too. Loopback is used only where there is no other with IPv4, so that nodes of one machine find
// each other offline. Changes are followed while the node runs.
func WithInterfaces(interfaces ...string) Option {
	return func(c *config) error {
		c.Interfaces = append(c.Interfaces[:len(c.Interfaces):len(c.Interfaces)], interfaces...)
		return nil
	}
}

// WithListen has the node's mailbox listen at an endpoint: "tcp://*:5671" for a port on every address, "tcp://192.168.1.7:5671" for
// one address. By default it is a free port from 49152 up. An endpoint that is none is an error of NewNode, one that is taken
// of Start. An address that this machine does not have yet is waited for: until it is there the node has a ProblemNotAccepting, and does
// not beacon.
func WithListen(endpoint string) Option {
	return func(c *config) error {
		c.Listen = endpoint
		return nil
	}
}

// WithAdvertise has the node name another endpoint than its own to its peers, such as "tcp://203.0.113.7:5671": where a NAT or a port
// mapping leads to it. HELLO and gossip carry it; beacons, which do not leave the node's own networks, do not. Without it the HELLO to
// each peer names the address by which this node reaches that peer. Use it with WithListen, so that the port is known.
func WithAdvertise(endpoint string) Option {
	return func(c *config) error {
		c.Advertise = endpoint
		return nil
	}
}

// WithCertificate makes the node a secure one: all that it says to peers and hears of them is encrypted and authenticated with CURVE, by the keys of a
// certificate. It meets secure nodes alone; to others it says nothing. Without WithAuthorizer any peer that has a key is let in.
func WithCertificate(certificate *Certificate) Option {
	return func(c *config) error {
		if certificate == nil || certificate.cert == nil {
			return fmt.Errorf("zre: WithCertificate: the certificate is empty; leave the option out for a node without one")
		}
		c.Certificate = certificate.cert
		return nil
	}
}

// WithAuthorizer sets what decides which peers are let in: an error of authorize refuses a peer. It needs WithCertificate. It is called within the
// handshake of each connection, when the peer has proven its key and before it is told anything; by several goroutines at once. It may block
// until ctx ends, 10 s at most, and should not take long, as the peer waits.
func WithAuthorizer(authorize Authorizer) Option {
	return func(c *config) error {
		if c.Authorize != nil {
			return fmt.Errorf("zre: WithAuthorizer: the node has an authorizer already; make one function of the two")
		}
		if authorize == nil {
			return fmt.Errorf("zre: WithAuthorizer: the function is nil; leave the option out to let in any key")
		}
		c.Authorize = func(ctx context.Context, peer node.Identity) error { return authorize(ctx, Identity(peer)) }
		return nil
	}
}

// WithPeers adds endpoints of peers that beacons do not reach, such as "tcp://robot.example.org:5671" or "tcp://10.1.0.7:5671". Whose
// they are is learned from the peer. Each is dialled, with back-off, for as long as the node runs and no peer is met there; a
// host name is looked up every 30 s, and when an attempt fails or a peer met there is gone (once a second at most), and each of its
// addresses may be another peer's. The peers may be of any
// implementation; they need a way back to this node (see WithAdvertise), and only one of the two must know the other. A node with a certificate needs
// the public key of the peer, behind a bar: "tcp://10.1.0.7:5671|KEY". Without it nothing is said there (ProblemNoKey).
func WithPeers(endpoints ...string) Option {
	return func(c *config) error {
		c.Peers = append(c.Peers[:len(c.Peers):len(c.Peers)], endpoints...)
		return nil
	}
}

// WithSRV finds peers by the DNS: "example.org" asks for the SRV records of _zre._tcp.example.org; a name that begins with an underscore
// is taken as it is, such as "_zre._tcp.robots.default.svc.cluster.local" for the port named "zre" of a headless service of Kubernetes,
// or "_robots._tcp.service.consul". What is found is dialled as with WithPeers; the node's own entry is skipped. A name without a dot at its
// end is searched as those of hosts are, by search and ndots of /etc/resolv.conf.
//
// Start does not wait for the DNS. A name is looked up again when the TTL of its records ends (after 5 s at least); every second while nobody is known by
// it, so that a new record is soon seen; and after a failure in 0.5 s, 1 s, and so on up to 5 s. The last good answer stays while there is no
// other. A record that goes does not end the session with its peer. What fails is a Problem (ProblemDNS). With a certificate only targets are dialled whose name has
// one TXT record "zre-key=KEY", with the public key of the node there (ProblemNoKey).
func WithSRV(domains ...string) Option {
	return func(c *config) error {
		c.SRV = append(c.SRV[:len(c.SRV):len(c.SRV)], domains...)
		return nil
	}
}

// WithResolver sets the DNS server that WithSRV asks: "10.0.0.2", "10.0.0.2:8600", or "tcp://10.0.0.2:8600" for one that is to be asked
// by TCP alone, as Consul's is if answers are many. By default it is the system's, /etc/resolv.conf with its options ndots, timeout,
// attempts, rotate, use-vc and no-aaaa. A server that is named here is asked for names as they are, without a search list.
func WithResolver(server string) Option {
	return func(c *config) error {
		c.Resolver = server
		return nil
	}
}

// WithGossipBind makes the node a gossip hub, at "tcp://*:5672" or "tcp://10.1.0.7:5672": nodes that connect there learn of each other, and
// of what this hub learns from others. It is zgossip, as C zyre speaks it.
func WithGossipBind(endpoints ...string) Option {
	return func(c *config) error {
		c.GossipBind = append(c.GossipBind[:len(c.GossipBind):len(c.GossipBind)], endpoints...)
		return nil
	}
}

// WithGossipConnect connects the node to gossip hubs, such as "tcp://hub.example.org:5672", of this implementation or czmq's, and again
// whenever that breaks. The node's endpoint is told there, and peers that others tell are met as with WithPeers. Several hubs are
// joined by the nodes that know them: what one tells the others learn. With a certificate a hub is named with its public key, "tcp://hub.example.org:5672|KEY".
func WithGossipConnect(endpoints ...string) Option {
	return func(c *config) error {
		c.GossipConnect = append(c.GossipConnect[:len(c.GossipConnect):len(c.GossipConnect)], endpoints...)
		return nil
	}
}

// WithTransports restricts how messages travel, to some of "inproc" (between nodes of one process), "ipc" (between processes of one
// user on one host, by unix sockets in /tmp/zre-UID), and "tcp", which is always needed. By default the first of them that leads to
// a peer is used; Peer.Transport tells. Restrict it to watch the traffic, or to keep it out of the file system.
func WithTransports(transports ...string) Option {
	return func(c *config) error {
		c.Transports = append([]string{}, transports...)
		return nil
	}
}

// WithBeaconPort sets the UDP port of the beacons, 1 to 55535; 5670 by default. Nodes with different ports do not see each
// other: use it for separate networks in one place. The port 10,000 above it is used too, for beacons with a state.
func WithBeaconPort(port int) Option {
	return func(c *config) error {
		if port < 1 || port > 55535 {
			return fmt.Errorf("zre: WithBeaconPort(%d): choose a port from 1 to 55535", port)
		}
		c.BeaconPort = port
		return nil
	}
}

// Reach is how far beacons with a state, which go by multicast, travel.
type Reach int

const (
	ReachLAN  Reach = beacon.DefaultTTL // one LAN, the default
	ReachSite Reach = beacon.SiteTTL    // a site whose routers route multicast, through seven of them
)

// WithReach has the node found on its LAN, or on its site: WithTTL with a name.
func WithReach(reach Reach) Option { return WithTTL(int(reach)) }

// WithTTL sets how far beacons with a state, which go by multicast, travel: one more than the routers that may pass them on, 1 to 255;
// 1 by default. With more, IPv6 has another group, of site scope. Broadcasts pass no router, so nodes of different subnets find each
// other by these beacons alone; other implementations have none (see WithPeers).
func WithTTL(ttl int) Option {
	return func(c *config) error {
		if ttl < 1 || ttl > 255 {
			return fmt.Errorf("zre: WithTTL(%d): choose 1 to 255", ttl)
		}
		c.TTL = ttl
		return nil
	}
}

// WithMulticastGroup sets the group of the beacons with a state: 239.255.90.82 by default, for IPv6 ff12::5a:5245 on one LAN and
// ff15::5a:5245 beyond (WithTTL). Use it once for each address family. Nodes of different groups still see each other by the classic
// beacons on one link.
func WithMulticastGroup(group netip.Addr) Option {
	return func(c *config) error {
		if !group.IsMulticast() {
			return fmt.Errorf("zre: WithMulticastGroup(%v): not a multicast address", group)
		}
		if group == netip.MustParseAddr(beacon.AllNodes) {
			return fmt.Errorf("zre: WithMulticastGroup(%v): that is all nodes of the link, where the classic beacons go; choose another", group)
		}
		c.Groups = append(c.Groups[:len(c.Groups):len(c.Groups)], group)
		return nil
	}
}

// WithMulticastPort sets the UDP port of the beacons with a state; by default it is 10,000 above that of the others. It can be neither
// 5670, where such a beacon would kill pyre, nor the port of the others.
func WithMulticastPort(port int) Option {
	return func(c *config) error {
		if port < 1 || port > 65535 {
			return fmt.Errorf("zre: WithMulticastPort(%d): choose a port from 1 to 65535", port)
		}
		c.StatePort = port
		return nil
	}
}

// WithBeaconInterval sets the time between beacons, 1 s by default. Less finds peers sooner where datagrams get lost; every node
// receives every beacon, so traffic and work grow with the square of the number of nodes.
func WithBeaconInterval(d time.Duration) Option {
	return duration("WithBeaconInterval", d, func(c *config) *time.Duration { return &c.BeaconInterval })
}

// WithoutBeacons neither sends nor hears beacons, and opens no UDP port: for networks that carry none, or should not. Then peers are found by
// WithPeers, WithSRV or gossip alone, on either side.
func WithoutBeacons() Option {
	return func(c *config) error {
		c.NoBeacons = true
		return nil
	}
}

// WithEvasiveTimeout sets how long a peer may be silent before it is PINGed and an Evasive event comes; 5 s by default.
func WithEvasiveTimeout(d time.Duration) Option {
	return duration("WithEvasiveTimeout", d, func(c *config) *time.Duration { return &c.EvasiveTimeout })
}

// WithSilentTimeout sets how long a peer may be silent, the PING unanswered too, before a Silent event comes; twice the evasive timeout by default. It must lie
// between the evasive and the expired timeout.
func WithSilentTimeout(d time.Duration) Option {
	return duration("WithSilentTimeout", d, func(c *config) *time.Duration { return &c.SilentTimeout })
}

// WithExpiredTimeout sets how long a peer may be silent before it exits; 30 s by default. Only peers whose host vanished wait for
// it: one whose process ends is noticed at once. It must be longer than the evasive timeout.
func WithExpiredTimeout(d time.Duration) Option {
	return duration("WithExpiredTimeout", d, func(c *config) *time.Duration { return &c.ExpiredTimeout })
}

// WithSendTimeout sets how long Whisper and Shout wait for a peer that does not take its messages before it is dropped as not
// responding; 5 s by default.
func WithSendTimeout(d time.Duration) Option {
	return duration("WithSendTimeout", d, func(c *config) *time.Duration { return &c.SendTimeout })
}

// ShoutPolicy says what Shout and ShoutGiven do about members of the group whose queue is full.
type ShoutPolicy uint8

const (
	// ShoutWaits has them wait until there is room, ctx ends, or the send timeout; then the member is dropped as not responding. Nobody misses a
	// message, and the slowest member sets the pace.
	ShoutWaits ShoutPolicy = iota

	// ShoutSkipsBusy has them leave out such members, without waiting: the error joins a *PeerError with ErrPeerBusy for each. A member stays
	// present, however long it is busy, and gets what is sent once it has room again: for what is of no use later, such as pictures of a
	// camera. What waits for it is held meanwhile (Limits.QueueMessages, QueueOctets).
	ShoutSkipsBusy
)

// WithShoutPolicy sets what Shout does about members that are busy; ShoutWaits by default. Whisper waits all the same.
func WithShoutPolicy(policy ShoutPolicy) Option {
	return func(c *config) error {
		if policy > ShoutSkipsBusy {
			return fmt.Errorf("zre: WithShoutPolicy(%d): choose ShoutWaits or ShoutSkipsBusy", policy)
		}
		c.SkipBusy = policy == ShoutSkipsBusy
		return nil
	}
}

// WithContest has the node join groups when it starts, and contest for their leadership, as Node.Contest does.
func WithContest(groups ...string) Option {
	return func(c *config) error {
		c.Contest = append(c.Contest[:len(c.Contest):len(c.Contest)], groups...)
		return nil
	}
}

// WithElectionsToAll has the node send ELECT and LEADER, the messages of elections, to every member of a group, as C zyre does: for groups with
// nodes of C zyre that do not contest, which name a leader only if all members send them these. IT MUST NOT BE USED BESIDE OTHERS: pyre and zyre.js drop a peer that
// sends these messages, and gyre dies of them. Without it they go to nodes of this implementation, and to those that have sent one themselves. A node
// sends none in groups that nobody contests.
func WithElectionsToAll() Option {
	return func(c *config) error {
		c.ElectAll = true
		return nil
	}
}

// WithAutoState has the node's state follow what it does: RECEIVING while messages arrive, PROCESSING while the application lags
// behind its events (for 100 ms it has not come back for more), IDLE when it has caught up. A state begins at once and ends a quarter
// of a second after its cause, so that it does not flap. A state other than IDLE that SetState sets holds until SetState sets IDLE.
func WithAutoState() Option {
	return func(c *config) error {
		c.AutoState = true
		return nil
	}
}

// WithSharedStats lets peers of this implementation ask for this node's figures by Node.SharedStats, at most once a second each: how many
// messages and bytes it sent and received, in all and for each of its 64 busiest peers, and what waits. Without it no peer learns them. zre map and zre top
// show the figures of nodes that share them.
func WithSharedStats() Option {
	return func(c *config) error {
		c.ShareStats = true
		return nil
	}
}

// WithStateByBroadcast sends beacons that carry a state, of 23 octets, where RFC 36 has those of 22: by broadcast to the classic port.
// It is what the proposal of 2013 asked for, to the letter, and IT KILLS PYRE: every pyre node on the network dies of the first such
// beacon. C zyre and zyre.js ignore them, and so find this node only if it finds them. Use it where all nodes are known to
// understand it. Without it states travel by multicast on a port of their own, which disturbs nobody; beacons of 23 octets are
// understood wherever they arrive.
func WithStateByBroadcast() Option {
	return func(c *config) error {
		c.StateByBroadcast = true
		return nil
	}
}

// WithDiscard is for a program that only sends: whispers and shouts that come are discarded at once, and counted (Node.Discarded), so that no
// peer ever sees this node as busy. Requests are refused (ErrNoHandler); its own are answered. The other events come as ever. A program that does not want them either need not read them: of
// what waits for it the queue then keeps only what it would have to know, so the coming and going of peers takes no more memory and stops
// nothing. A node of this kind that has 65,536 such events to tell (a peer present is one, and one for each of its groups) takes in no further
// peers before some are read.
func WithDiscard() Option {
	return func(c *config) error {
		c.Discard = true
		return nil
	}
}

// WithLinger sets for how long Close may go on sending what is queued; 5 s by default. 0 means not at all. Shutdown has its context instead.
func WithLinger(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("zre: WithLinger(%v): a duration must not be negative", d)
		}
		if c.Linger = d; d == 0 {
			c.Linger = -1
		}
		return nil
	}
}

// WithLogger has the node log what happens inside, mostly at debug level. By default it is silent. WithSlog is for programs that use log/slog.
func WithLogger(log zerolog.Logger) Option {
	return func(c *config) error {
		c.Log = log
		return nil
	}
}

// WithLimits bounds what others can make the node hold. Fields that are 0 keep their default.
func WithLimits(limits Limits) Option {
	return func(c *config) error {
		c.Limits = node.Limits(limits)
		return nil
	}
}

// WithNetwork puts the node on another network than the operating system's: a simulated one, in tests.
func WithNetwork(network Network) Option {
	return func(c *config) error {
		c.Network = network
		return nil
	}
}

// Network is all that a node needs of the world: interfaces, datagrams, listeners and dials.
type Network = node.Network

func duration(option string, d time.Duration, field func(*config) *time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("zre: %s(%v): a duration must be positive", option, d)
		}
		*field(c) = d
		return nil
	}
}
