package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/ipc"
)

// Network is everything that a node needs from its environment: datagrams and interfaces (beacon.Network), listeners and dials.
// System is the operating system's; a simulated one lets whole clusters run in a test.
// Implementations must be comparable and safe for concurrent use: nodes with equal networks count as one process.
type Network interface {
	beacon.Network

	// Listen listens on a local address, as net.ListenConfig.Listen does. For the network "unix" the address is the UUID of the listening
	// node, and stands for a socket that the processes of one user on this host share. There, errors.ErrUnsupported says that the system
	// has no such sockets.
	Listen(ctx context.Context, network, address string) (net.Listener, error)

	// Dial connects to an address, as net.Dialer.DialContext does; for the network "unix" to that node. "udp" is only for DNS.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// A Network may also implement Resolver, for host names. Otherwise the system resolves them.
type Resolver interface {
	// LookupNetIP returns the addresses of a host, as net.Resolver.LookupNetIP does.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// resolver returns the resolver of a network.
func resolver(network Network) Resolver {
	if r, ok := network.(Resolver); ok {
		return r
	}
	return net.DefaultResolver
}

// System is the operating system's network.
var System Network = system{beacon.System}

type system struct{ beacon.Network }

// beaconNetwork returns the network of the beacons. For System it is the one of plain agents, so that all agents of a process share sockets.
func beaconNetwork(n Network) beacon.Network {
	if s, ok := n.(system); ok {
		return s.Network
	}
	return n
}

func (system) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	if network == "unix" {
		id, err := uuid.Parse(address)
		if err != nil {
			return nil, err
		}
		return ipc.Default().Listen(id)
	}
	config := net.ListenConfig{KeepAlive: -1} // a connection sets its own
	return config.Listen(ctx, network, address)
}

func (system) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "unix" {
		id, err := uuid.Parse(address)
		if err != nil {
			return nil, err
		}
		return ipc.Default().Dial(ctx, id)
	}
	dialer := net.Dialer{KeepAlive: -1} // a connection sets its own
	return dialer.DialContext(ctx, network, address)
}

// The mailbox's port is in the range of RFC 36 ("Interconnection Model").
const (
	firstPort = 0xC000
	lastPort  = 0xFFFF
)

// listenAddress splits an endpoint to listen on into the host, "" for every address, and the port, 0 for any port of RFC 36's range.
func listenAddress(endpoint string) (host string, port uint16, err error) {
	if endpoint == "" {
		return "", 0, nil
	}
	address, ok := strings.CutPrefix(endpoint, "tcp://")
	host, service, err := net.SplitHostPort(address)
	number, wrong := strconv.ParseUint(service, 10, 16)
	if service == "*" {
		number, wrong = 0, nil
	} else if number == 0 {
		ok = false
	}
	if !ok || err != nil || wrong != nil {
		return "", 0, withSentinel(fmt.Errorf("node: WithListen: cannot listen on %q: want tcp://*:PORT or tcp://ADDRESS:PORT", endpoint), ErrInvalidEndpoint)
	}
	if host == "*" {
		return "", uint16(number), nil
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return "", 0, withSentinel(fmt.Errorf("node: WithListen: cannot listen on %q: %q is no IP address", endpoint, host), ErrInvalidEndpoint)
	case addr.IsUnspecified():
		return "", uint16(number), nil
	}
	return host, uint16(number), nil
}

// listenMailbox listens on the configured endpoint, or on a free port of RFC 36's range. It starts at a random port, so that a restarted
// node is not taken for the one that had the port before. If the address does not exist yet, the listener waits for it.
func (n *Node) listenMailbox(ctx context.Context) (net.Listener, error) {
	network, endpoint := n.cfg.Network, n.cfg.Listen
	host, fixed, err := listenAddress(endpoint)
	if err != nil {
		return nil, err
	}
	if fixed != 0 {
		l, err := n.listenTCP(ctx, host, fixed, func() { n.post(func() { n.announceNewPort(fixed) }) })
		if err != nil {
			return nil, withSentinel(fmt.Errorf("node: WithListen: cannot listen on %s: %w", endpoint, err), ErrListen)
		}
		return l, nil
	}
	const count = lastPort - firstPort + 1
	start := int(beacon.RandomDuration(network, count))
	var last error
	for i := range count {
		port := uint16(firstPort + (start+i)%count)
		l, err := n.listenTCP(ctx, host, port, func() { n.post(func() { n.announceNewPort(port) }) })
		if err == nil {
			return l, nil
		}
		last = err
		if ctx.Err() != nil || i >= 1000 && !errors.Is(err, net.ErrClosed) {
			break
		}
	}
	return nil, withSentinel(fmt.Errorf("node: no free TCP port from %d to %d: %w", firstPort, lastPort, last), ErrListen)
}

// handshakeTimeout bounds greeting and handshake, and the wait for HELLO after them. When hundreds of nodes start at once on a few processors,
// each waits for thousands of others. A handshake that times out must be repeated, and may end a session.
const handshakeTimeout = 10 * time.Second

// Bounds of the pause between two attempts to reach one peer.
const (
	dialTimeout = 3 * time.Second // to connect, before the handshake
	minBackoff  = 50 * time.Millisecond
	maxBackoff  = 5 * time.Second
)

// backoff returns the pause before attempt number n (from 1), with jitter so that many nodes do not dial in step.
func backoff(network Network, n int) time.Duration {
	d := maxBackoff
	if n < 8 {
		d = min(minBackoff<<(n-1), maxBackoff)
	}
	return d/2 + beacon.RandomDuration(network, d/2)
}
