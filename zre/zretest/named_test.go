package zretest_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// loggedDials is a host that lists the addresses that it dials by TCP.
type loggedDials struct {
	*zretest.Host
	dials *dialLog
}

type dialLog struct {
	mu  sync.Mutex
	all []string
}

func newLoggedDials(h *zretest.Host) loggedDials { return loggedDials{h, new(dialLog)} }

func (l loggedDials) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "tcp" {
		l.dials.mu.Lock()
		l.dials.all = append(l.dials.all, address)
		l.dials.mu.Unlock()
	}
	return l.Host.Dial(ctx, network, address)
}

func (l loggedDials) has(address string) bool {
	l.dials.mu.Lock()
	defer l.dials.mu.Unlock()
	return slices.Contains(l.dials.all, address)
}

// A HELLO from another host cannot make a node dial loopback or an address that only the node's own host has.
func TestNamedByHello(t *testing.T) {
	for _, test := range []struct {
		name     string
		sameHost bool // the peer is another process of the node's host
		endpoint string
		believed bool
	}{
		{"loopback", false, "127.0.0.1:9999", false},
		{"another loopback address", false, "127.8.8.8:9999", false},
		{"loopback by IPv6", false, "[::1]:9999", false},
		{"the node's address", false, "10.0.0.1:9999", false},
		{"the node's address elsewhere", false, "192.168.122.1:9999", false},
		{"an address of the peer", false, "10.0.0.66:9999", true},
		{"an address beyond a router", false, "203.0.113.7:9999", true},
		{"loopback on the same host", true, "127.0.0.1:9999", true},
		{"another address of the same host", true, "192.168.122.1:9999", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				machine, host := lan.Host("10.0.0.1", "192.168.122.1"), lan.Host("10.0.0.66")
				if test.sameHost {
					host = machine.Process()
				}
				here := newLoggedDials(machine)
				alice, _ := named(t, here, host, test.endpoint)
				enter := zretest.Next[zre.Enter](alice)
				if got := enter.Peer.Endpoint == "tcp://"+test.endpoint; got != test.believed {
					t.Errorf("it entered by %s", enter.Peer.Endpoint)
				}
				advance(time.Minute) // nothing listens at that port, so all paths are dialled
				if here.has(test.endpoint) != test.believed {
					t.Errorf("dialled: %q", here.dials.all)
				}
			})
		})
	}
}

// A peer that names a useless address, as C zyre does if it finds no interface, is reached at the address that its HELLO came from.
func TestNamedLoopbackIsReached(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		alice, peer := named(t, lan.Host("10.0.0.1"), lan.Host("10.0.0.66"), "127.0.0.1:5671")
		if enter := zretest.Next[zre.Enter](alice); enter.Peer.Endpoint != "tcp://10.0.0.66:5671" {
			t.Errorf("it entered by %s", enter.Peer.Endpoint)
		}
		if err := alice.Whisper(t.Context(), peer.UUID(), []byte("x")); err != nil {
			t.Error(err)
		}
		zretest.Next[zre.Whisper](peer)
	})
}

// named starts a node and a peer. The node learns of the peer by a HELLO with that endpoint. The peer's mailbox is at port 5671.
func named(t *testing.T, here, host zre.Network, endpoint string) (node, peer *zretest.Watched) {
	options := func(name string, port int, more ...zre.Option) []zre.Option {
		return append(more, zre.WithName(name), zre.WithTransports("tcp"), zre.WithBeaconPort(port))
	}
	node = zretest.Start(t, here, options("node", 1001, zre.WithListen("tcp://*:5670"))...)
	peer = zretest.Start(t, host, options("peer", 1002, zre.WithListen("tcp://*:5671"), zre.WithAdvertise("tcp://"+endpoint),
		zre.WithPeers("tcp://10.0.0.1:5670"))...)
	return node, peer
}

// Gossip from another host cannot make a node dial loopback. Two nodes on one host may find each other through a hub elsewhere.
func TestNamedByGossip(t *testing.T) {
	for _, test := range []struct {
		name     string
		from     string // the host of the peer that names the endpoint: "remote" or "local"
		hub      string // where both have a hub: "remote", "local", or "node", which is the node itself
		endpoint string
		address  string // target of the endpoint; the endpoint itself if ""
		believed bool
	}{
		{"loopback by a hub elsewhere", "remote", "remote", "127.0.0.1:5671", "", false},
		{"loopback by the node's own hub", "remote", "node", "127.0.0.1:5671", "", false},
		{"a name that leads to loopback", "remote", "remote", "rebound.example:5671", "127.0.0.1:5671", false},
		{"loopback by a hub elsewhere, but of this host", "local", "remote", "127.0.0.1:5671", "", false},
		{"loopback of this host by a hub there", "local", "local", "127.0.0.1:5671", "", true},
		{"loopback of this host by the node's own hub", "local", "node", "127.0.0.1:5671", "", true},
		{"an address of this host by a hub elsewhere", "local", "remote", "10.0.0.1:5671", "", true},
		{"a name that leads to this host", "local", "remote", "here.example:5671", "10.0.0.1:5671", true},
		{"another host", "remote", "remote", "10.0.0.66:5671", "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetHostName("rebound.example", "127.0.0.1")
				lan.SetHostName("here.example", "10.0.0.1")
				machine, remote, far := lan.Host("10.0.0.1"), lan.Host("10.0.0.66"), lan.Host("10.0.0.7")
				here := newLoggedDials(machine)
				options := func(name string, port int, more ...zre.Option) []zre.Option {
					return append(more, zre.WithName(name), zre.WithTransports("tcp"), zre.WithBeaconPort(port))
				}
				join, hub := zre.WithGossipConnect("tcp://10.0.0.7:5672"), far
				switch test.hub {
				case "local":
					join, hub = zre.WithGossipConnect("tcp://10.0.0.1:5672"), machine.Process()
				case "node":
					join = zre.WithGossipBind("tcp://*:5672")
				}
				alice := zretest.Start(t, here, options("alice", 1001, join)...)
				if test.hub == "node" {
					join = zre.WithGossipConnect("tcp://10.0.0.1:5672")
				} else {
					zretest.Start(t, hub, options("hub", 1002, zre.WithGossipBind("tcp://*:5672"))...)
				}
				host := remote
				if test.from == "local" {
					host = machine.Process()
				}
				// It cannot dial alice: the nodes meet by gossip alone.
				zretest.Start(t, deafTo{host, endpointOf(alice)[len("tcp://"):]}, options("peer", 1003, join, zre.WithListen("tcp://*:5671"),
					zre.WithAdvertise("tcp://"+test.endpoint))...)
				advance(time.Minute)
				address := test.address
				if address == "" {
					address = test.endpoint
				}
				if here.has(address) != test.believed {
					t.Errorf("dialled: %q", here.dials.all)
				}
			})
		})
	}
}

// A host that is deafTo an address cannot dial it.
type deafTo struct {
	*zretest.Host
	address string
}

func (d deafTo) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address == d.address {
		return nil, net.ErrClosed
	}
	return d.Host.Dial(ctx, network, address)
}
