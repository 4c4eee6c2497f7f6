package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/discovery"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/srv"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// newSeeker makes the seeker, which finds peers that no beacon shows.
func (n *Node) newSeeker() *discovery.Seeker {
	return discovery.New(discovery.Config{
		Sessions:          discoverySessions{n},
		Self:              n.cfg.UUID,
		Secure:            n.isSecure(),
		Candidates:        n.cfg.Limits.Peers,
		Context:           n.life,
		Go:                n.wg.Go,
		Post:              n.post,
		Probe:             n.probe,
		Resolver:          resolver(n.cfg.Network),
		DNSServer:         n.cfg.Resolver,
		Dial:              n.cfg.Network.Dial,
		IsOwn:             func(at netip.AddrPort) bool { return at.Port() == n.mailboxPort() && n.agent.IsLocal(at.Addr()) },
		Pause:             func(attempts int) time.Duration { return backoff(n.cfg.Network, attempts) },
		Report:            n.reportCandidate,
		Removed:           func(c *discovery.Candidate) { n.problems.solve(ProblemContradiction, paths.Format(c.At())) },
		ConfiguredChanged: n.checkContradictionsSoon,
		ReportDNS:         n.reportDNS,
		ReportHub:         func(endpoint string, err error) { n.report(ProblemGossip, endpoint, err) },
		Log:               n.log,
	})
}

// probe asks the ROUTER at a place for its identity. It waits for the network.
func (n *Node) probe(ctx context.Context, at discovery.Place) (id uuid.UUID, named bool, err error) {
	dialling, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	nc, err := n.cfg.Network.Dial(dialling, "tcp", at.String())
	if err != nil {
		return uuid.Nil, false, err
	}
	cfg := n.zmtp
	cfg.Curve = n.curveTo(uuid.Nil, at.Key, false)
	identity, err := zmtp.Identify(ctx, nc, cfg)
	if err != nil {
		return uuid.Nil, false, err
	}
	id, named = parseIdentity(identity)
	return id, named, nil
}

// Everything below runs in the control loop.

// discoverySessions is the view of the sessions that package discovery has.
type discoverySessions struct{ *Node }

// At implements discovery.Sessions.
func (n discoverySessions) At(at discovery.Place) (uuid.UUID, bool) {
	for _, id := range n.addresses.At(at.AddrPort) {
		if s := n.sessions[id]; s != nil && s.candidate == nil && s.key == at.Key {
			return id, true
		}
	}
	return uuid.Nil, false
}

// With implements discovery.Sessions.
func (n discoverySessions) With(id uuid.UUID) (found, isForeign bool) {
	s := n.sessions[id]
	return s != nil, s != nil && !s.isOurs
}

// Meet implements discovery.Sessions.
func (n discoverySessions) Meet(id uuid.UUID, at discovery.Place) error {
	s := n.sessions[id]
	if s != nil && n.endHinted(s, at.Key) {
		s = nil
	}
	switch {
	case s == nil:
	case s.key != at.Key:
		return errOtherKey
	default:
		s.isBound.Store(n.isSecure())
		s.addEndpoint(at.AddrPort, false)
		n.index(s)
		return nil
	}
	if n.meet(peerClaim{id, at.Key, n.isSecure()}, n.newPaths([]netip.AddrPort{at.AddrPort}, false), n.agent.IsLocal(at.Addr())) == nil {
		return discovery.ErrTooManyPeers
	}
	return nil
}

// Greet implements discovery.Sessions.
func (n discoverySessions) Greet(c *discovery.Candidate) bool {
	claim := peerClaim{uuid: uuid.New(), key: c.PublicKey()}
	s := n.begin(claim, n.newPaths([]netip.AddrPort{c.At()}, false), false, 0, c, nil, nil)
	if s == nil {
		return false
	}
	n.unnamed = append(n.unnamed, s)
	return true
}

// End implements discovery.Sessions.
func (n discoverySessions) End(c *discovery.Candidate) {
	if i := slices.IndexFunc(n.unnamed, func(s *session) bool { return s.candidate == c }); i >= 0 {
		n.end(n.unnamed[i])
	}
}

// reportCandidate raises the problem that no peer is met at a candidate address, or solves it.
func (n *Node) reportCandidate(c *discovery.Candidate, err error) {
	about := paths.Format(c.At())
	if err == nil {
		n.problems.solve(ProblemUnreachable, about)
		n.problems.solve(ProblemRefusedBy, about)
		return
	}
	if isOurRefusal(err) {
		return
	}
	kind := ProblemUnreachable
	if n.isSecure() && isRefusedBy(err) {
		kind = ProblemRefusedBy
	}
	level := zerolog.InfoLevel // the DNS and gossip may name nodes that are gone
	if c.IsFrom(discovery.Configured) {
		level = zerolog.WarnLevel
	}
	if by := c.Sources(); by != configuredSource(about).String() {
		err = fmt.Errorf("named by %s: %w", by, err)
	}
	n.problems.raiseAt(level, kind, about, &Peer{UUID: c.Peer(), Endpoint: about, Transport: TCP, PublicKey: c.PublicKey()}, err)
}

// reportDNS raises the problem that a name is not resolved, or that none of its targets has a key, or solves both.
func (n *Node) reportDNS(src discovery.Source, err error) {
	if errors.Is(err, srv.ErrNoKey) {
		n.report(ProblemDNS, src.Name, nil)
		n.report(ProblemNoKey, src.Name, err)
		return
	}
	n.report(ProblemNoKey, src.Name, nil)
	n.report(ProblemDNS, src.Name, err)
}

// report raises a problem without a peer, or solves it if err is nil.
func (n *Node) report(kind ProblemKind, about string, err error) {
	if err == nil {
		n.problems.solve(kind, about)
	} else {
		n.problems.raise(kind, about, nil, err)
	}
}

// configuredSource returns the source of an endpoint of Config.Peers.
func configuredSource(endpoint string) discovery.Source {
	return discovery.Source{Kind: discovery.Configured, Name: endpoint}
}

var errNoHello = errors.New("the program there sends no HELLO: if it cannot reach this node's endpoint, advertise another one")

// informSeeker informs the seeker that a session is over.
func (n *Node) informSeeker(s *session) {
	c := s.candidate
	if c == nil {
		n.seeker.SessionEnded(s.uuid, s.state.isPresent())
		return
	}
	n.removeCandidate(s)
	if n.asking == s {
		n.asking = nil
		n.after(0, n.askUnnamed)
	}
	n.seeker.GreetingEnded(c, cmp.Or(s.dialErr, errNoHello))
}

// removeCandidate removes the candidate from the session that it began: the session is over, or has its peer's UUID.
func (n *Node) removeCandidate(s *session) {
	n.unnamed = slices.DeleteFunc(n.unnamed, func(o *session) bool { return o == s })
	s.candidate = nil
	n.releaseUndecided()
}

// claimGreeting finds a session that waits for the answer to its HELLO and leads to one of these endpoints, or to where gossip has the peer. It
// gives that session the UUID of the peer that answers. It returns nil if there is none.
func (n *Node) claimGreeting(claim peerClaim, endpoints []netip.AddrPort) *session {
	s := n.findGreeting(claim, endpoints)
	if s != nil {
		n.assignUUID(s, claim.uuid)
	}
	return s
}

// findGreeting returns the session that claimGreeting would choose. That is one without UUID, or one whose peer was not seen at its address since
// we connected there: its HELLO went to the peer that has the address now.
func (n *Node) findGreeting(claim peerClaim, endpoints []netip.AddrPort) *session {
	for _, s := range n.unnamed {
		if s.key == claim.key && (slices.Contains(endpoints, s.candidate.At()) || s.candidate.IsGossiped(claim.uuid)) {
			return s
		}
	}
	for _, at := range endpoints {
		for _, other := range n.addresses.At(at) {
			s := n.sessions[other]
			if s != nil && s.key == claim.key && s.greetsAt(at) && !s.isOurs && s.candidate == nil && s.paths.ShownAt(at) <= s.connectedTick {
				return s
			}
		}
	}
	return nil
}

// greetsAt reports whether a session has said HELLO at an address, or is about to, and the peer's HELLO has not come.
func (s *session) greetsAt(at netip.AddrPort) bool {
	return s.state == greeting && s.reached == at || s.state == dialling && s.saysHello && s.node.reserved[at] == s
}

// assignUUID gives a session the UUID that its peer has proven.
func (n *Node) assignUUID(s *session, id uuid.UUID) {
	c, was := s.candidate, s.uuid
	n.removeCandidate(s)
	n.reportPrevious(s)
	n.releaseUnverified(s)
	n.unindex(s)
	n.mu.Lock()
	delete(n.sessions, s.uuid)
	s.uuid = id
	n.sessions[id] = s
	n.mu.Unlock()
	n.index(s)
	if c != nil {
		n.seeker.Identified(c, id)
	} else {
		n.seeker.Renamed(was, id)
	}
	if n.asking == s {
		n.asking = nil
		n.askUnnamed()
	}
}

// presumeSamePeer: the peer of a session without UUID closed the connection. If another session with a foreign peer was just connected, it is most
// likely the same peer, which knows us only by our newest connection. Then the candidate is one more address of that peer.
func (n *Node) presumeSamePeer(s *session) {
	if o := n.nearestConnected(s); o != nil {
		n.seeker.Presume(s.candidate, o.uuid)
	}
}

// nearestConnected returns the session with a foreign peer that was connected closest in time to a session without UUID; nil if there is none. If a
// peer has two addresses and both just got our HELLO, the peer has answered both with one HELLO.
func (n *Node) nearestConnected(s *session) (nearest *session) {
	least := shortSession
	for _, o := range n.sessions {
		if o.candidate != nil || o.mailbox == nil || o.isOurs || o.key != s.key {
			continue
		}
		if apart := o.connectedAt.Sub(s.connectedAt).Abs(); apart < least {
			nearest, least = o, apart
		}
	}
	return nearest
}
