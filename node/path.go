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

// A peer that is seen through several interfaces is one peer with several paths (see package paths). It is dialled by the best, stays
// there, and is moved when that path dies.

// pathGrace is how long a connection may be without its interface before it moves: an address that goes may be back at once.
const pathGrace = 100 * time.Millisecond

var (
	errNoEndpoint = errors.New("node: no endpoint to dial")
	errBetterPath = errors.New("node: another path is better")
)

// paths makes paths of endpoints where a peer was shown now, or that are hearsay.
func (n *Node) paths(endpoints []netip.AddrPort, shown bool) *paths.Set {
	return paths.NewSet(n.clock, endpoints, shown)
}

// addEndpoint makes known where else the peer may be reached.
func (p *peer) addEndpoint(at netip.AddrPort, shown bool) {
	if p.paths.Add(at, shown) {
		signal(p.better)
		signal(p.wake)
	}
}

// follow takes the endpoints of the peer's HELLO. A dial under way looks whether there is a better path now. One that waits before
// another attempt, as after a session that broke soon, waits on, unless there is a new endpoint to try.
func (p *peer) follow(endpoints []netip.AddrPort, restarted bool) {
	added := p.paths.Follow(endpoints, restarted)
	signal(p.better)
	if added {
		signal(p.wake)
	}
}

// signal leaves a token in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (p *peer) routes() []paths.Route { return p.paths.Routes(p.node.agent.Interfaces()) }

// dialBest dials a peer for attempt number n (from 0), by its paths in turn. A path that becomes known meanwhile, and is better, ends that: errBetterPath.
func (p *peer) dialBest(ctx context.Context, attempt int, dial func(ctx context.Context, endpoint string) (*zmtp.Conn, error)) (*zmtp.Conn, error) {
	routes := p.routes()
	if len(routes) == 0 {
		return nil, errNoEndpoint
	}
	now := routes[attempt%len(routes)]
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for {
			select {
			case <-p.better:
				if best := p.routes()[0]; best.Score > now.Score && best.AddrPort != now.AddrPort {
					cancel(errBetterPath)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	conn, err := dial(ctx, now.String())
	if err != nil && context.Cause(ctx) == errBetterPath {
		err = errBetterPath
	}
	return conn, err
}

// All that follows runs in the control loop.

// leavePaths moves the peers whose connection has lost its interface: to another path if there is one, and to a new connection if our
// address has gone for good, so that the old one cannot recover.
func (n *Node) leavePaths() {
	interfaces := n.agent.Interfaces()
	carries := func(i beacon.Interface) bool { return i.Flags&net.FlagRunning != 0 }
	for _, p := range n.peers {
		if !p.isMovable() || slices.ContainsFunc(interfaces, func(i beacon.Interface) bool {
			return carries(i) && slices.ContainsFunc(i.Addrs, func(a netip.Prefix) bool { return a.Addr().WithZone("") == p.local })
		}) {
			continue
		}
		if p.paths.HasAlternative(p.reached, interfaces) || !n.agent.IsLocal(p.local) && slices.ContainsFunc(interfaces, carries) {
			n.move(p)
		}
	}
}

// checkPath asks a peer for a sign of life on our connection when it is not shown any more where that leads to, but is elsewhere: a
// switch between may have died, which neither end's interface tells. Without an answer it is moved.
func (n *Node) checkPath(p *peer, now time.Time) {
	if !p.isMovable() {
		return
	}
	switch {
	case !p.paths.HasMoved(p.reached):
		p.suspected = time.Time{}
	case p.suspected.IsZero():
		p.suspected = now
		p.answered.Store(false)
		p.ping()
	case p.answered.Load(): // it only does not beacon there
		p.suspected = now.Add(n.cfg.EvasiveTimeout)
	case now.Sub(p.suspected) >= max(2*n.tick, time.Second):
		n.move(p)
	}
}

// isMovable tells whether a session is one of tcp that is up.
func (p *peer) isMovable() bool {
	return p.connected && p.contact == nil && p.ending == 0 && p.transport == TCP
}

// move gives a peer a new session, by another path or another address of ours.
func (n *Node) move(p *peer) {
	n.log.Debug().Stringer("peer", p.uuid).Stringer("from", p.reached).Msg("path died")
	n.renew(p, Crashed)
}
