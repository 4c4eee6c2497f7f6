package node

import (
	"net/netip"
	"time"

	"github.com/go-zre/go-zre/beacon"
)

// sighting takes what a beacon told. The beacon's receiver calls it, for every beacon on the network: it must be quick.
func (n *Node) sighting(s beacon.Sighting) {
	n.mu.RLock()
	p := n.peers[s.UUID]
	n.mu.RUnlock()
	if p != nil && s.Port != 0 && p.knows(s) {
		if !p.alive.Load() {
			p.alive.Store(true)
		}
		return
	}
	select {
	case n.sightings <- s:
	default: // the control loop is behind; the next beacon will do
	}
}

// moved hears that our interfaces have changed, or that we slept. The beacon's receiver calls it: it must not wait.
func (n *Node) moved() {
	signal(n.moves)
}

// relocate looks for the peers from where we are now: who waits before another attempt to dial does not wait any longer, and who
// is connected is asked for a sign of life, which shows a connection that leads nowhere.
func (n *Node) relocate() {
	n.publish()
	n.checkPeers()
	n.after(pathGrace, n.leavePaths)
	for _, c := range n.contacts {
		c.attempts = 0
		n.try(c)
	}
	for _, p := range n.peers {
		if p.connected && p.entered {
			p.ping()
			continue
		}
		signal(p.wake)
	}
}

// knows says that a sighting brings nothing new.
func (p *peer) knows(s beacon.Sighting) bool {
	if s.State != beacon.Unknown && uint32(s.State) != p.state.Load() {
		return false
	}
	return p.see(netip.AddrPortFrom(s.Addr, s.Port), true)
}

// sighted takes a beacon that brings news.
func (n *Node) sighted(s beacon.Sighting) {
	p := n.peers[s.UUID]
	if s.Port == 0 || s.State == beacon.Exit {
		if p != nil && !n.farewells.repeats(s.UUID) {
			n.farewell(p)
		}
		return
	}
	endpoint := netip.AddrPortFrom(s.Addr, s.Port)
	if s.UUID == n.cfg.UUID {
		n.conflict(endpoint)
		return
	}
	if p == nil {
		p = n.recognise(s.UUID, []netip.AddrPort{endpoint})
	}
	if p == nil {
		if n.farewells.has(s.UUID, endpoint) {
			return
		}
		if !n.strangers.admit(endpoint, time.Now()) {
			return
		}
		if p = n.meet(s.UUID, n.paths([]netip.AddrPort{endpoint}, true), s.Local, nil); p == nil {
			n.strangers.release(endpoint.Addr())
			return
		}
		p.stranger = endpoint
	}
	p.alive.Store(true)
	if s.Local {
		p.sameHost.Store(true)
	}
	p.addEndpoint(endpoint, true)
	n.stated(p, s.State, false)
}

// depart: the peer said GOODBYE, on the connection itself: all it sent before has been read.
func (n *Node) depart(p *peer) {
	if n.peers[p.uuid] == p {
		p.reason = Left // of the session before, whose Exit may wait for this
		n.remove(p, Left)
	}
}

// farewell: the peer leaves.
func (n *Node) farewell(p *peer) {
	if !p.entered {
		p.reason = Left // of the session before, whose Exit may wait for this
		n.remove(p, Left)
		return
	}
	if p.ending != Left {
		// Anybody can send a farewell: one who answers has not left.
		p.answered.Store(false)
		p.ping()
	}
	n.end(p, Left)
}

// reap looks at every peer once a tick: who was silent for too long is PINGed, and given up at last.
func (n *Node) reap(now time.Time) {
	stalled := now.Sub(n.reaped) > 2*n.tick+n.cfg.EvasiveTimeout/4
	n.reaped = now
	n.clock.Add(1)
	n.strangers.prune(now)
	n.farewells.prune(now)
	n.checkRoom()
	for _, p := range n.peers {
		p.tidy()
		if p.ending != 0 {
			continue // drain looks after it
		}
		// Whose messages wait for the application is not silent. After a stall of our own (a stopped process, a suspended laptop)
		// what peers said meanwhile is not yet read.
		beaconed, spoke := p.alive.Swap(false), p.spoke.Swap(false)
		if beaconed || spoke || p.stuck.Load() || stalled {
			p.heard, p.evasive, p.silent, p.asked = now, false, false, false
			n.checkPath(p, now)
			continue
		}
		switch quiet := now.Sub(p.heard); {
		case quiet >= n.cfg.ExpiredTimeout:
			n.remove(p, Expired)
		case !p.entered:
		case quiet >= 2*n.cfg.EvasiveTimeout && !p.silent:
			p.silent = true
			n.events.push(p, Event{Kind: Silent, Peer: p.snapshot.Load()})
			p.ping()
		case quiet >= n.cfg.EvasiveTimeout && !p.evasive:
			p.evasive = true
			n.events.push(p, Event{Kind: Evasive, Peer: p.snapshot.Load()})
			p.ping()
		case quiet >= n.cfg.EvasiveTimeout/2 && !p.asked:
			p.asked = true // who does not beacon to us, where none get through, need not be evasive
			p.ping()
		}
	}
}
