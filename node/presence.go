package node

import (
	"net/netip"
	"time"

	"github.com/go-zre/go-zre/beacon"
)

// receiveSighting handles a beacon. The beacon's receiver calls it for every beacon on the network, so it must be quick.
func (n *Node) receiveSighting(s beacon.Sighting) {
	n.mu.RLock()
	p := n.sessions[s.UUID]
	n.mu.RUnlock()
	if n.isForeign(s, p) {
		return
	}
	if p != nil && s.Port != 0 && p.isUpToDate(s) {
		if !p.alive.Load() {
			p.alive.Store(true)
		}
		return
	}
	select {
	case n.sightings <- s:
	default: // the control loop is busy; the next beacon will do
	}
}

// isForeign reports whether a beacon is not for us. Plain and secure nodes do not talk to each other. A beacon with another key than the one
// bound to its UUID does not come from that peer. p is the session with that UUID, if there is one.
func (n *Node) isForeign(s beacon.Sighting, p *session) bool {
	switch {
	case s.Key.IsZero() == n.isSecure():
		return true
	case s.UUID == n.cfg.UUID:
		return PublicKey(s.Key) != n.publicKey()
	}
	return p != nil && p.key != PublicKey(s.Key) && p.isBound.Load()
}

// signalNetworkChange signals that our interfaces have changed, or that the machine was asleep. The beacon's receiver calls it, so it must not
// block.
func (n *Node) signalNetworkChange() {
	signal(n.networkChanges)
}

// handleNetworkChange looks for the peers after such a change. Pauses between dials end. Connected peers are asked for a sign of life, which
// reveals dead connections.
func (n *Node) handleNetworkChange() {
	n.noteChange()
	n.reportEndpoints()
	n.publishEndpoint()
	n.checkContradictions()
	n.after(pathGrace, n.leavePaths)
	n.seeker.Retry()
	for _, p := range n.sessions {
		if p.mailbox != nil && p.state.isPresent() {
			p.out.Ping()
			continue
		}
		signal(p.wake)
	}
}

// isUpToDate reports that a sighting brings nothing new.
func (p *session) isUpToDate(s beacon.Sighting) bool {
	if s.State != beacon.Unknown && uint32(s.State) != p.peerState.Load() || p.key != PublicKey(s.Key) {
		return false
	}
	return p.paths.See(netip.AddrPortFrom(s.Addr, s.Port))
}

// handleSighting handles a beacon that brings something new.
func (n *Node) handleSighting(s beacon.Sighting) {
	p, key := n.sessions[s.UUID], PublicKey(s.Key)
	if n.isForeign(s, p) { // the session may have changed since receiveSighting looked
		return
	}
	if s.Port == 0 || s.State == beacon.Exit {
		if p != nil && p.key == key && !n.departures.Recent(s.UUID, time.Now()) {
			n.handle(p, farewellCame, detail{})
		} else if p == nil {
			n.forgetTrouble(s.UUID)
		}
		return
	}
	endpoint := netip.AddrPortFrom(s.Addr, s.Port)
	if s.UUID == n.cfg.UUID {
		n.noteConflict(endpoint)
		return
	}
	if p != nil && p.key != key {
		if !p.wasTriedLongEnough() || !n.endHinted(p, key) {
			return // the key of the session is tried first
		}
		p = nil
	}
	if p == nil && !n.isSecure() { // for a secure node its HELLO decides
		p = n.claimGreeting(peerClaim{uuid: s.UUID}, []netip.AddrPort{endpoint})
	}
	if p == nil {
		if n.departures.RecentFrom(s.UUID, endpoint, time.Now()) {
			return
		}
		if !n.unverified.AdmitKey(endpoint, key, time.Now()) {
			return
		}
		if p = n.meet(peerClaim{uuid: s.UUID, key: key}, n.newPaths([]netip.AddrPort{endpoint}, true), s.Local); p == nil {
			n.unverified.Release(endpoint)
			return
		}
		p.unverified = endpoint
		n.noteChange()
	}
	p.alive.Store(true)
	if s.Local {
		p.sameHost.Store(true)
	}
	p.addEndpoint(endpoint, true)
	n.index(p)
	n.checkOccupants(p, []netip.AddrPort{endpoint})
	n.handleState(p, s.State, false)
}

// checkTimeouts checks every session once a tick. A peer that was silent for too long gets a PING, and in the end its session ends. The same
// happens to a peer that could not be reached for as long.
func (n *Node) checkTimeouts(now time.Time) {
	stalled := now.Sub(n.checked) > 2*n.tick+n.cfg.EvasiveTimeout/4
	n.checked = now
	n.clock.Advance()
	n.unverified.Prune(now)
	n.departures.Prune(now)
	n.former.prune(now)
	n.unreachable.prune(now)
	n.dropped.prune(now)
	n.undelivered.prune(now)
	n.checkPeerLimit()
	n.checkTroubles(now)
	n.checkRefused(now)
	n.checkAuthorized(now)
	n.checkAccepting(now)
	n.checkCalm(now)
	n.figures.countLost()
	for _, s := range n.sessions {
		s.out.ReleaseUnusedMemory()
		n.sendHeadersTo(s, now)
		n.checkReach(s, now, stalled)
		isTaken := n.checkDelivery(s, now, stalled)
		// A peer whose messages wait for the application is not silent. After a stall of our own (a stopped process, a suspended laptop), messages
		// that arrived meanwhile are not read yet.
		beaconed, spoke := s.alive.Swap(false), s.spoke.Load()
		if s.state != draining && s.state != leaving { // keepReading checks it in these states
			s.spoke.Store(false)
			spoke = n.checkHeard(s, now, spoke) || spoke
		}
		if isTaken {
			s.lastHeard, s.proofAskedAt, s.isEvasive, s.isSilent = now, now, false, false
		}
		if beaconed || spoke || s.isStalled() || stalled {
			s.lastHeard, s.isEvasive, s.isSilent, s.isPinged = now, false, false, false
			n.pingWhileStalled(s, now)
			n.checkPath(s)
			n.checkReceiving(s, now)
			continue
		}
		n.checkSilence(s, now.Sub(s.lastHeard))
	}
}

// checkHeard reports whether bytes of a peer came since the last check; spoke says that whole messages did. If only part of a message came, the
// peer's answers and PINGs come behind it. Such a peer gets more time to answer, and a foreign peer gets a PING from us in time.
func (n *Node) checkHeard(s *session, now time.Time, spoke bool) bool {
	isHeard := s.hasHeardBytes()
	switch {
	case spoke:
		s.partialSince = time.Time{}
	case !isHeard:
	case s.partialSince.IsZero():
		s.partialSince = now
		s.extendAnswerTime(now)
	case !s.isOurs && s.mailbox != nil && s.state == ready && now.Sub(s.partialSince) >= n.cfg.EvasiveTimeout/2:
		s.partialSince = now
		n.pingForProof(s, now)
	default:
		s.extendAnswerTime(now)
	}
	return isHeard
}

// checkReach ends the session of a peer that was unreachable for the expired timeout.
func (n *Node) checkReach(s *session, now time.Time, stalled bool) {
	if s.mailbox != nil || stalled {
		s.unreachableSince = now
	} else if now.Sub(s.unreachableSince) >= n.cfg.ExpiredTimeout {
		n.handle(s, unreachableExpired, detail{})
	}
}

// checkSilence acts on how long a peer has been silent.
func (n *Node) checkSilence(s *session, quiet time.Duration) {
	switch {
	case quiet >= n.cfg.ExpiredTimeout:
		n.handle(s, silenceExpired, detail{})
	case !s.state.isPresent() || s.state == draining || s.state == leaving:
	case quiet >= n.cfg.SilentTimeout && s.isEvasive && !s.isSilent:
		s.isSilent = true
		n.events.Push(s.stream.Load(), Event{Kind: Silent, Peer: s.snapshot.Load()})
		s.out.Ping()
	case quiet >= n.cfg.EvasiveTimeout && !s.isEvasive:
		s.isEvasive = true
		n.events.Push(s.stream.Load(), Event{Kind: Evasive, Peer: s.snapshot.Load()})
		s.out.Ping()
	case quiet >= n.cfg.EvasiveTimeout/2 && !s.isPinged:
		n.pingSilent(s) // a peer whose beacons do not reach us need not be evasive
	}
}
