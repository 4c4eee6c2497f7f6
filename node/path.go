package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// A path is an endpoint of a peer, and when it was last shown there, by a beacon or a HELLO. A peer that is seen through several
// interfaces is one peer with several paths: it is dialled by the best, stays there, and is moved when that path dies.
type path struct {
	netip.AddrPort
	seen  *atomic.Uint32 // the node's tick; 0 for what is only hearsay
	ready bool           // the HELLO of this session came this way, which so is known to work
}

// pathGrace is how long a connection may be without its interface before it moves: an address that goes may be back at once.
const pathGrace = 100 * time.Millisecond

// paths makes paths of endpoints that were shown now, or that are hearsay.
func (n *Node) paths(endpoints []netip.AddrPort, shown bool) []path {
	list := make([]path, len(endpoints))
	for i, ap := range endpoints {
		list[i] = path{AddrPort: ap, seen: new(atomic.Uint32)}
		if shown {
			list[i].seen.Store(n.clock.Load())
		}
	}
	return list
}

// addEndpoint makes known where else the peer may be reached. Of too many the oldest is forgotten: the peer may have moved.
func (p *peer) addEndpoint(ap netip.AddrPort, shown bool) {
	if p.see(ap, shown) {
		return
	}
	old := *p.paths.Load()
	p.setPaths(append(slices.Clone(old[max(0, len(old)+1-maxEndpoints):]), p.node.paths([]netip.AddrPort{ap}, shown)...))
}

// follow makes the endpoints of the peer's HELLO the newest. One that names the address which it came from is known to work; of two, the
// one that it names, as an advertised one, may lead nowhere from here, so beacons are believed more. If the peer may have restarted,
// what has another port is gone: the rest may be the same mailbox by another interface.
func (p *peer) follow(endpoints []netip.AddrPort, restarted bool) {
	var paths []path
	for _, o := range *p.paths.Load() {
		o.ready = false
		moved := restarted && len(endpoints) > 0 && o.Port() != endpoints[0].Port()
		if !moved && !slices.Contains(endpoints, o.AddrPort) {
			paths = append(paths, o)
		}
	}
	proven := len(endpoints) == 1
	for _, o := range p.node.paths(endpoints, proven) {
		o.ready = proven
		paths = append(paths, o)
	}
	p.setPaths(paths[max(0, len(paths)-maxEndpoints):])
}

// setPaths has a dial under way look whether there is a better path now. Who waits before another attempt, as after a session that
// broke soon, waits on, unless there is a new endpoint to try.
func (p *peer) setPaths(paths []path) {
	known := p.endpoints()
	p.paths.Store(&paths)
	signal(p.better)
	if slices.ContainsFunc(paths, func(o path) bool { return !slices.Contains(known, o.AddrPort) }) {
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

// see notes that the peer was shown at an endpoint, if that is known.
func (p *peer) see(ap netip.AddrPort, shown bool) bool {
	for _, path := range *p.paths.Load() {
		if path.AddrPort != ap {
			continue
		}
		if now := p.node.clock.Load(); shown && path.seen.Load() != now {
			path.seen.Store(now)
		}
		return true
	}
	return false
}

// unproven returns the paths for another session, of which none has shown yet that it works.
func (p *peer) unproven() []path {
	paths := slices.Clone(*p.paths.Load())
	for i := range paths {
		paths[i].ready = false
	}
	return paths
}

// endpoints returns where the peer may be reached, the newest last.
func (p *peer) endpoints() []netip.AddrPort {
	var list []netip.AddrPort
	for _, path := range *p.paths.Load() {
		list = append(list, path.AddrPort)
	}
	return list
}

// isFresh tells whether a path was shown of late.
func (n *Node) isFresh(p path) bool {
	seen := p.seen.Load()
	return seen != 0 && n.clock.Load()-seen <= uint32(n.cfg.EvasiveTimeout/n.tick)+1
}

// A route is a path and how good it is.
type route struct {
	path
	score int
}

// routes returns the paths, the best first: those that were shown of late, of these where the peer's HELLO came from, of these the
// better links, of these the newest.
func (p *peer) routes() []route {
	interfaces := p.node.agent.Interfaces()
	var list []route
	for _, o := range *p.paths.Load() {
		r := route{o, quality(o.Addr(), onLink(o.Addr(), interfaces))}
		if o.ready {
			r.score += 8
		}
		if p.node.isFresh(o) {
			r.score += 16
		}
		list = append(list, r)
	}
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b route) int { return b.score - a.score })
	return list
}

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
				if best := p.routes()[0]; best.score > now.score && best.AddrPort != now.AddrPort {
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

var errBetterPath = errors.New("node: another path is better")

// quality orders links: a subnet of our own, elsewhere, addresses that hosts give themselves, this host. Without a carrier nothing
// gets through.
func quality(addr netip.Addr, link *linkTo) int {
	switch {
	case addr.IsLoopback():
		return 0
	case link != nil && !link.carrier:
		return 1
	case addr.IsLinkLocalUnicast():
		return 2
	case link == nil:
		return 3
	}
	return 4
}

// linkTo is what leads to an address without a router.
type linkTo struct{ carrier bool }

// onLink finds the link that an address is on; nil if it is on none.
func onLink(addr netip.Addr, interfaces []beacon.Interface) *linkTo {
	for _, i := range interfaces {
		for _, prefix := range i.Addrs {
			if prefix.Contains(addr.WithZone("")) && (addr.Zone() == "" || addr.Zone() == i.Name) {
				return &linkTo{i.Flags&net.FlagRunning != 0}
			}
		}
	}
	return nil
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
		other := slices.ContainsFunc(*p.paths.Load(), func(o path) bool {
			link := onLink(o.Addr(), interfaces)
			return o.AddrPort != p.reached && n.isFresh(o) && link != nil && link.carrier
		})
		if other || !n.agent.IsLocal(p.local) && slices.ContainsFunc(interfaces, carries) {
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
	stale, other := false, false
	for _, path := range *p.paths.Load() {
		if path.AddrPort == p.reached {
			stale = path.seen.Load() != 0 && !n.isFresh(path)
		} else if n.isFresh(path) {
			other = true
		}
	}
	switch {
	case !stale || !other:
		p.suspected = time.Time{}
	case p.suspected.IsZero():
		p.suspected = now
		p.answered.Store(false)
		p.out.Ping()
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
