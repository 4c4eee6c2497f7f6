package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// A peer that is seen through several interfaces is one peer with several paths (see package paths). It is dialled by the best path, stays
// there, and moves when that path fails.

// pathGrace is how long a connection may be without its interface before it moves: a removed address may be back at once.
const pathGrace = 100 * time.Millisecond

var (
	errNoEndpoint = errors.New("node: no endpoint to dial")
	errBetterPath = errors.New("node: another path is better")
)

// newPaths makes a set of paths from endpoints. shown says that the peer was seen there now; otherwise they are hearsay.
func (n *Node) newPaths(endpoints []netip.AddrPort, shown bool) *paths.Set {
	return paths.NewSet(n.clock, endpoints, shown)
}

// addEndpoint adds an endpoint where the peer may be reached.
func (s *session) addEndpoint(at netip.AddrPort, shown bool) {
	if s.paths.Add(at, shown) {
		signal(s.better)
		signal(s.wake)
	}
}

// addHelloEndpoints adds the endpoints of the peer's HELLO. A current dial checks for a better path. A pause before another attempt, for example
// after a short session, continues unless there is a new endpoint to try.
func (s *session) addHelloEndpoints(endpoints []netip.AddrPort, restarted bool) {
	added := s.paths.Follow(endpoints, restarted)
	signal(s.better)
	if added {
		signal(s.wake)
	}
}

// signal leaves a token in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *session) routes() []paths.Route { return s.paths.Routes(s.node.agent.Interfaces()) }

// dialBest makes attempt number n (from 0) to dial a peer, by each path in turn. If a better path appears meanwhile, it returns errBetterPath.
func (s *session) dialBest(ctx context.Context, attempt int, dial func(ctx context.Context, at netip.AddrPort) (*zmtp.Conn, error)) (*zmtp.Conn, error) {
	routes := s.routes()
	if len(routes) == 0 {
		return nil, errNoEndpoint
	}
	now := routes[attempt%len(routes)]
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for {
			select {
			case <-s.better:
				if best := s.routes()[0]; best.Score > now.Score && best.AddrPort != now.AddrPort {
					cancel(errBetterPath)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	conn, err := dial(ctx, now.AddrPort)
	if err != nil && context.Cause(ctx) == errBetterPath {
		err = errBetterPath
	}
	return conn, err
}

// Everything below runs in the control loop.

// leavePaths moves the peers whose connection has lost its interface. They move to another path if there is one. They move to a new
// connection if our address is gone for good, so that the old one cannot recover.
func (n *Node) leavePaths() {
	interfaces := n.agent.Interfaces()
	carries := func(i beacon.Interface) bool { return i.Flags&net.FlagRunning != 0 }
	for _, s := range n.sessions {
		if !s.isMovable() || slices.ContainsFunc(interfaces, func(i beacon.Interface) bool {
			return carries(i) && slices.ContainsFunc(i.Addrs, func(a netip.Prefix) bool { return a.Addr().WithZone("") == s.local })
		}) {
			continue
		}
		if s.paths.HasAlternative(s.reached, interfaces) || !n.agent.IsLocal(s.local) && slices.ContainsFunc(interfaces, carries) {
			n.handle(s, pathGone, detail{})
		}
	}
}

// checkPath asks a peer for a sign of life on our connection if beacons no longer show it there, but elsewhere. A switch in between may
// have failed, which neither end's interface shows. Without an answer the peer is moved.
func (n *Node) checkPath(s *session) {
	if s.isMovable() && s.paths.HasMoved(s.reached) && !s.paths.IsRare(s.reached, uint32(beacon.MaxCalmInterval/n.tick), n.agent.Interfaces()) {
		n.requireAnswer(s, max(2*n.tick, time.Second), pathGone)
	}
}

// isMovable reports whether a session has a working TCP connection.
func (s *session) isMovable() bool {
	return s.mailbox != nil && s.candidate == nil && s.state != draining && s.state != leaving && s.transport == TCP
}
