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

// Option is a setting of a node, for NewNode. One Option may be used for several nodes.
type Option func(*config) error

type config struct {
	node.Config
	observers []func(Event)
}

// WithName sets the name that peers see, up to 255 bytes of UTF-8. Names need not be unique. The default is the first six hex digits of the UUID.
func WithName(name string) Option {
	return func(c *config) error {
		c.Name = name
		return nil
	}
}

// WithUUID sets the UUID of the node; the default is a random one. Two nodes with one UUID on one network disturb each other.
func WithUUID(id uuid.UUID) Option {
	return func(c *config) error {
		if id == uuid.Nil {
			return fmt.Errorf("zre: WithUUID: the nil UUID names no node")
		}
		c.UUID = id
		return nil
	}
}

// WithHeader sets a header: a property that peers see in Peer.Headers. Node.SetHeader has the rules, and changes headers later.
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

// WithInterfaces chooses the network interfaces. An entry is a name ("eth0"), a glob of names ("en*"), an address ("192.168.1.7", "fd00::7"), or a CIDR
// ("192.168.0.0/16": only addresses within it). An entry after "!" is left out ("!docker*", "!br-*", "!172.16.0.0/12"; "!::/0" for no IPv6). If you
// choose interfaces, connections on all others are refused. An interface or address that is missing is a ProblemInterfaceMissing until it is there.
//
// By default the node uses every interface that is up, has an address, can broadcast or multicast, and is not point-to-point (name a VPN to use it).
// This includes the bridges of containers. Loopback is used only if no other interface has IPv4, so that nodes on one machine find each other
// offline. The node follows changes of the interfaces while it runs.
func WithInterfaces(interfaces ...string) Option {
	return func(c *config) error {
		c.Interfaces = append(c.Interfaces[:len(c.Interfaces):len(c.Interfaces)], interfaces...)
		return nil
	}
}

// WithListen sets the endpoint at which the node listens: "tcp://*:5671" for one port on every address, "tcp://192.168.1.7:5671" for one address. The
// default is a free port from 49152 up. If the port is in use, Start fails (ErrListen). If this machine does not have the address yet, the node waits
// for it: until then it has a ProblemNotAccepting and sends no beacons.
func WithListen(endpoint string) Option {
	return func(c *config) error {
		c.Listen = endpoint
		return nil
	}
}

// WithAdvertise sets the endpoint that the node tells its peers in place of its own, such as "tcp://203.0.113.7:5671": use it where a NAT or a port mapping
// leads to the node, together with WithListen, so that the port is fixed. HELLO and gossip carry it. Beacons do not, since they stay on the node's
// own networks. By default, HELLO names the address by which this node reaches the peer.
func WithAdvertise(endpoint string) Option {
	return func(c *config) error {
		c.Advertise = endpoint
		return nil
	}
}

// WithCertificate makes the node a secure node: everything that it exchanges with peers is encrypted and authenticated with CURVE, by the keys of the
// certificate. It talks to secure nodes only; other nodes hear nothing from it. Without WithAuthorizer, every peer that has a key is let in.
func WithCertificate(certificate *Certificate) Option {
	return func(c *config) error {
		if certificate == nil || certificate.cert == nil {
			return fmt.Errorf("zre: WithCertificate: the certificate is empty; leave the option out for a node without one")
		}
		c.Certificate = certificate.cert
		return nil
	}
}

// WithAuthorizer sets the function that decides which peers are let in. It needs WithCertificate. The node calls it within the handshake of each
// connection, after the peer has proven its key and before the peer is told anything; several goroutines may call it at once. It may block until ctx
// ends, 10 s at most, but the peer waits meanwhile.
//
// About every 3 s the node asks again about each peer that is present, in one goroutine, with 2 s for each answer. A peer that is refused twice in a row
// exits (ReasonRefused); a connection of gossip ends (Identity.Gossip). A function whose answers are costly, or may fail for a moment, should cache them.
func WithAuthorizer(authorize Authorizer) Option {
	return func(c *config) error {
		if c.Authorize != nil {
			return fmt.Errorf("zre: WithAuthorizer: the node has an authorizer already; make one function of the two")
		}
		if authorize == nil {
			return fmt.Errorf("zre: WithAuthorizer: the function is nil; leave the option out to let in any key")
		}
		c.Authorize = func(ctx context.Context, peer node.Identity) error { return authorize(ctx, identityOf(peer)) }
		return nil
	}
}

// WithPeers adds endpoints of peers that beacons do not reach, such as "tcp://robot.example.org:5671" or "tcp://10.1.0.7:5671". The node dials each
// endpoint, with growing pauses, until it meets a peer there. It looks up a host name every 30 s, and when an attempt fails or the peer that
// it met there is gone (at most once a second); each address of a name may be another peer.
//
// The peers may be of any implementation. Only one of the two nodes must know the other, but the peer must be able to connect back to this node (see
// WithAdvertise). A node with a certificate needs the public key of the peer, after a bar:
// "tcp://10.1.0.7:5671|KEY". Without the key the node says nothing there (ProblemNoKey).
func WithPeers(endpoints ...string) Option {
	return func(c *config) error {
		c.Peers = append(c.Peers[:len(c.Peers):len(c.Peers)], endpoints...)
		return nil
	}
}

// WithSRV finds peers by DNS SRV records. "example.org" asks for _zre._tcp.example.org. A name that begins with an underscore is used as it is, such as
// "_zre._tcp.robots.default.svc.cluster.local" for the port "zre" of a headless Kubernetes service, or "_robots._tcp.service.consul". The node dials
// what it finds as with WithPeers, and skips its own entry. A name without a dot at its end is searched with search and ndots of /etc/resolv.conf, as
// host names are.
//
// Start does not wait for the DNS. The node looks a name up again when the TTL of its records ends (after at least 5 s); every second while no peer is
// known by it, so that a new record is seen soon; and after a failure in 0.5 s, 1 s, and so on up to 5 s. The last good answer stays in use until
// there is another. Removing a record does not disconnect its peer. A failure is a Problem (ProblemDNS). A node with a certificate
// dials only targets whose name has one TXT record "zre-key=KEY", with the public key of the node there (ProblemNoKey).
func WithSRV(domains ...string) Option {
	return func(c *config) error {
		c.SRV = append(c.SRV[:len(c.SRV):len(c.SRV)], domains...)
		return nil
	}
}

// WithDNSServer sets the DNS server that WithSRV asks: "10.0.0.2" or "10.0.0.2:8600". Use "tcp://10.0.0.2:8600" to query it over TCP only, for example Consul
// with many answers. The default is the servers of /etc/resolv.conf, with its options ndots, timeout, attempts, rotate, use-vc and no-aaaa. A server
// that is set here is asked for names as they are, without a search list.
func WithDNSServer(server string) Option {
	return func(c *config) error {
		c.Resolver = server
		return nil
	}
}

// WithGossipBind makes the node a gossip hub at "tcp://*:5672" or "tcp://10.1.0.7:5672". Nodes that connect to it learn of each other, and of the nodes
// that this hub learns of from others. The protocol is zgossip, as in C zyre.
func WithGossipBind(endpoints ...string) Option {
	return func(c *config) error {
		c.GossipBind = append(c.GossipBind[:len(c.GossipBind):len(c.GossipBind)], endpoints...)
		return nil
	}
}

// WithGossipConnect connects the node to gossip hubs, such as "tcp://hub.example.org:5672", of this implementation or of czmq. It connects again whenever a
// connection breaks. It publishes the endpoint of the node there, and dials the peers that others publish, as with WithPeers. A node that is connected to
// several hubs passes on to each what it learns from the others. A node with a certificate needs the public key of the hub: "tcp://hub.example.org:5672|KEY".
func WithGossipConnect(endpoints ...string) Option {
	return func(c *config) error {
		c.GossipConnect = append(c.GossipConnect[:len(c.GossipConnect):len(c.GossipConnect)], endpoints...)
		return nil
	}
}

// WithTransports restricts how messages travel: "inproc" (between nodes of one process), "ipc" (between processes of one user on one host, by unix sockets in
// /tmp/zre-UID) and "tcp", which is always needed. By default the node uses the first of these that leads to the peer; Peer.Transport says
// which. Restrict it to watch the traffic, or to keep sockets out of the file system.
func WithTransports(transports ...string) Option {
	return func(c *config) error {
		c.Transports = append([]string{}, transports...)
		return nil
	}
}

// WithBeaconPort sets the UDP port of the beacons, from 1 to 55535; the default is 5670. Nodes with different ports do not see each other, so this
// separates networks in one place. Beacons with a state use the port 10,000 above it.
func WithBeaconPort(port int) Option {
	return func(c *config) error {
		if port < 1 || port > 55535 {
			return fmt.Errorf("zre: WithBeaconPort(%d): choose a port from 1 to 55535", port)
		}
		c.BeaconPort = port
		return nil
	}
}

// WithMulticastTTL sets how far beacons with a state travel, from 1 to 255 hops. They go by multicast. The default, 1, is the local network. 8 reaches a site
// whose routers route multicast; then IPv6 uses a group of site scope. Broadcasts pass no router, so nodes of different subnets find each other
// only by these beacons. Other implementations do not have them (see WithPeers).
func WithMulticastTTL(ttl int) Option {
	return func(c *config) error {
		if ttl < 1 || ttl > 255 {
			return fmt.Errorf("zre: WithMulticastTTL(%d): choose 1 to 255", ttl)
		}
		c.TTL = ttl
		return nil
	}
}

// WithMulticastGroup sets the multicast group of the beacons with a state. The default is 239.255.90.82, and for IPv6 ff12::5a:5245, or ff15::5a:5245 with a
// WithMulticastTTL of more than 1. Use it once for each address family. Nodes with different groups still see each other by the classic beacons on one
// network.
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

// WithMulticastPort sets the UDP port of the beacons with a state; the default is 10,000 above the port of the others. It can be neither the port of the
// others nor 5670, where such beacons would kill pyre.
func WithMulticastPort(port int) Option {
	return func(c *config) error {
		if port < 1 || port > 65535 {
			return fmt.Errorf("zre: WithMulticastPort(%d): choose a port from 1 to 65535", port)
		}
		c.StatePort = port
		return nil
	}
}

// WithBeaconInterval sets the time between beacons; the default is 1 s. A shorter time finds peers sooner where datagrams are lost. All nodes receive all
// beacons, so traffic and work grow with the square of the number of nodes.
func WithBeaconInterval(d time.Duration) Option {
	return duration("WithBeaconInterval", d, func(c *config) *time.Duration { return &c.BeaconInterval })
}

// WithoutBeacons makes the node neither send nor receive beacons; it opens no UDP port. Use it on networks that carry no beacons, or should not. Then
// peers are found only by WithPeers, WithSRV or gossip, on either side.
func WithoutBeacons() Option {
	return func(c *config) error {
		c.NoBeacons = true
		return nil
	}
}

// WithEvasiveTimeout sets how long a peer may be silent before it is sent a PING and an Evasive event comes; the default is 5 s.
func WithEvasiveTimeout(d time.Duration) Option {
	return duration("WithEvasiveTimeout", d, func(c *config) *time.Duration { return &c.EvasiveTimeout })
}

// WithSilentTimeout sets how long a peer may be silent, and leave the PING unanswered, before a Silent event comes; the default is twice the evasive timeout. It
// must lie between the evasive and the expired timeout.
func WithSilentTimeout(d time.Duration) Option {
	return duration("WithSilentTimeout", d, func(c *config) *time.Duration { return &c.SilentTimeout })
}

// WithExpiredTimeout sets how long a peer may be silent before it exits; the default is 30 s. It must be longer than the evasive timeout. It matters only for
// peers whose host vanished: the end of a process is noticed at once.
func WithExpiredTimeout(d time.Duration) Option {
	return duration("WithExpiredTimeout", d, func(c *config) *time.Duration { return &c.ExpiredTimeout })
}

// WithSendTimeout sets how long Whisper and Shout wait for a peer that takes no messages; the default is 5 s. Then the peer is dropped
// (ReasonNotResponding).
func WithSendTimeout(d time.Duration) Option {
	return duration("WithSendTimeout", d, func(c *config) *time.Duration { return &c.SendTimeout })
}

// ShoutPolicy says what Shout and ShoutNoCopy do about members of the group whose queue is full.
type ShoutPolicy uint8

const (
	// ShoutWaits makes them wait until there is room, or until ctx or the send timeout ends; after the send timeout the member is dropped. No member
	// misses a message, and the slowest member sets the pace.
	ShoutWaits ShoutPolicy = iota

	// ShoutSkipsBusy makes them leave out such members and not wait. The error joins a *PeerError with ErrPeerBusy for each. The member stays present,
	// and gets messages again when it has room. Use it for messages that are useless later, such as the pictures of a camera. What already waits
	// for the member is kept (Limits.QueueMessages, QueueBytes).
	ShoutSkipsBusy
)

// WithShoutPolicy sets what Shout does about members that are busy; the default is ShoutWaits. It does not change Whisper.
func WithShoutPolicy(policy ShoutPolicy) Option {
	return func(c *config) error {
		if policy > ShoutSkipsBusy {
			return fmt.Errorf("zre: WithShoutPolicy(%d): choose ShoutWaits or ShoutSkipsBusy", policy)
		}
		c.SkipBusy = policy == ShoutSkipsBusy
		return nil
	}
}

// WithContest makes the node join groups when it starts and contest for their leadership, as Node.Contest does.
func WithContest(groups ...string) Option {
	return func(c *config) error {
		c.Contest = append(c.Contest[:len(c.Contest):len(c.Contest)], groups...)
		return nil
	}
}

// WithElectionsToAll makes the node send the messages of elections, ELECT and LEADER, to all members of a group, as C zyre does. Use it for groups with C
// zyre nodes that do not contest: they name a leader only if all members send them these messages. DO NOT USE IT IF THERE ARE OTHER
// IMPLEMENTATIONS: pyre and zyre.js drop a peer that sends these messages, and gyre dies of them. By default they go only to nodes of this
// implementation and to nodes that have sent one themselves. In groups that no member contests, a node sends none.
func WithElectionsToAll() Option {
	return func(c *config) error {
		c.ElectAll = true
		return nil
	}
}

// WithAutoState makes the state of the node follow its work: StateReceiving while messages arrive, StateProcessing while the application is behind with its
// events (it has not asked for more for 100 ms), StateIdle otherwise. A state begins at once and ends a quarter of a second after its cause. A
// state other than StateIdle that SetState sets holds until SetState sets StateIdle.
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

// WithStateByBroadcast makes the node broadcast beacons of 23 bytes, which have a state, to the classic port, in place of the 22 bytes of RFC 36. The proposal of
// 2013 asked for this. IT KILLS PYRE: every pyre node on the network dies of the first such beacon. C zyre and zyre.js ignore them, so they find this
// node only if it finds them. Use it only if all nodes understand it. By default states go by multicast on a port of their own and disturb no
// other implementation; beacons of 23 bytes are understood wherever they arrive.
func WithStateByBroadcast() Option {
	return func(c *config) error {
		c.StateByBroadcast = true
		return nil
	}
}

// WithSendOnly is for a program that only sends. Whispers and shouts that arrive are discarded and counted (Stats.Discarded), so no peer ever sees this node as
// busy. Requests are refused (ErrNoHandler). All other events come as usual, but need not be read: the queue then keeps only the events that still matter, so peers that come and
// go take no more memory. A node with 65,536 such events (one for each peer present, and one for each of its groups) accepts no further peers until
// some are read.
func WithSendOnly() Option {
	return func(c *config) error {
		c.Discard = true
		return nil
	}
}

// WithLinger sets how long Close may go on sending what is queued; the default is 5 s, and 0 means not at all. Shutdown has its context instead.
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

// WithLogger makes the node log what it does, mostly at debug level. By default it logs nothing. WithSlog is for programs that use log/slog.
func WithLogger(log zerolog.Logger) Option {
	return func(c *config) error {
		c.Log = log
		return nil
	}
}

// WithLimits sets what others can make the node hold. Fields that are 0 keep their default.
func WithLimits(limits Limits) Option {
	return func(c *config) error {
		c.Limits = node.Limits(limits)
		return nil
	}
}

// WithNetwork makes the node use another network than the operating system's, such as a simulated one in tests (package zretest).
func WithNetwork(network Network) Option {
	return func(c *config) error {
		c.Network = network
		return nil
	}
}

// WithObserver calls a function with every event that the application receives, in order, just before the application gets it: for tests and logs. The
// function runs in the goroutine that receives the events, which waits for it. It does not see events that the application does not
// receive. Frames belong to the application: the function copies what it keeps, and does not call Recycle. Several observers are possible.
func WithObserver(observe func(Event)) Option {
	return func(c *config) error {
		c.observers = append(c.observers[:len(c.observers):len(c.observers)], observe)
		return nil
	}
}

func duration(option string, d time.Duration, field func(*config) *time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("zre: %s(%v): a duration must be positive", option, d)
		}
		*field(c) = d
		return nil
	}
}
