package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// A contact is an address where a peer may be, known by neither a beacon nor a HELLO but from a source: the application
// (Config.Peers), the DNS (Config.SRV), or gossip. While a source names it and no session leads there it is tried, with back-off.
//
// To try means to ask the ROUTER there for its identity. A node of ours has one, and a session begins as if it had beaconed.
// Others have none, and tell who they are only in answer to a HELLO, by a HELLO of their own on a connection that they make. So
// a session begins without the peer's UUID, and gets it when that HELLO comes (see recognise). C zyre, pyre and zyre.js break
// off a session when they hear a second HELLO, so it is the first connection that stays.
//
// The control loop owns contacts.
type contact struct {
	at      netip.AddrPort
	sources []string

	peer     uuid.UUID // who was met there, or is known to be there; Nil so far
	session  *session  // with who is there and has not told its UUID yet
	trying   bool
	attempts int // that failed, since the last success
	turn     int // counts what was scheduled; an older one is void
}

// Sources of contacts.
const (
	fromPeers  = "peer "   // and the endpoint
	fromSRV    = "SRV "    // and the name
	fromGossip = "gossip " // and the UUID
)

const (
	// ownPause is the time between two looks at an address that is our own: another may get it.
	ownPause = time.Minute
	// hearsayPause bounds the back-off where the DNS or gossip alone know an address: they may name the dead for ever.
	hearsayPause = 30 * time.Second
	// maxTrying bounds the attempts at one time.
	maxTrying = 64
	// answerTime is how long who was said HELLO may take to answer before the next is.
	answerTime = 3 * time.Second
	// answerGrace is how long a session without its peer's UUID may wait for its connection, as its answer may overtake the word that it is up.
	answerGrace = 2 * time.Second
)

// All functions here run in the control loop, but for probe.

// know has a source name these addresses, and no others any more.
func (n *Node) know(source string, now []netip.AddrPort) {
	if n.stopping {
		return
	}
	old := n.sources[source]
	for _, at := range old {
		if !slices.Contains(now, at) {
			n.unknow(source, at)
		}
	}
	for _, at := range now {
		c := n.contacts[at]
		if c == nil {
			if len(n.contacts) >= n.cfg.Limits.Peers {
				n.log.Warn().Str("source", source).Stringer("address", at).Int("limit", n.cfg.Limits.Peers).Msg("too many addresses to try, ignored")
				continue
			}
			c = &contact{at: at}
			n.contacts[at] = c
		}
		if !slices.Contains(c.sources, source) {
			c.sources = append(c.sources, source)
			c.attempts = 0
			n.try(c)
		}
	}
	if n.sources[source] = slices.Clone(now); len(now) == 0 {
		delete(n.sources, source)
	}
	n.checkPeers()
}

// unknow: the source does not name the address any more. Sessions with who entered stay: a source tells where to look, not who is
// there.
func (n *Node) unknow(source string, at netip.AddrPort) {
	c := n.contacts[at]
	if c == nil {
		return
	}
	c.sources = slices.DeleteFunc(c.sources, func(s string) bool { return s == source })
	if len(c.sources) > 0 {
		return
	}
	delete(n.contacts, at)
	n.noted(c, nil)
	n.problems.solve(ProblemContradiction, paths.Format(at))
	if p := c.session; p != nil {
		n.end(p)
	}
}

// schedule has a contact tried in a while.
func (n *Node) schedule(c *contact, d time.Duration) {
	c.turn++
	turn := c.turn
	n.after(d, func() {
		if c.turn == turn {
			n.try(c)
		}
	})
}

// try begins an attempt, unless there is no need.
func (n *Node) try(c *contact) {
	c.turn++
	switch {
	case n.stopping || n.contacts[c.at] != c || c.trying || c.session != nil:
	case n.agent.IsLocal(c.at.Addr()) && c.at.Port() == n.port:
		n.schedule(c, ownPause)
	case n.leadsThere(c): // until that ends, see freed
		n.noted(c, nil)
	case n.trying >= maxTrying:
		n.schedule(c, backoff(n.cfg.Network, 4))
	default:
		c.trying = true
		n.trying++
		n.wg.Go(func() {
			identity, err := n.probe(c.at)
			n.post(func() {
				c.trying = false
				n.trying--
				if n.contacts[c.at] == c && !n.stopping {
					n.probed(c, identity, err)
				}
			})
		})
	}
}

// leadsThere tells whether there is a session with who is at the contact, and notes with whom.
func (n *Node) leadsThere(c *contact) bool {
	if n.sessions[c.peer] != nil {
		return true
	}
	for _, source := range c.sources {
		if id, ok := gossiped(source); ok && n.sessions[id] != nil {
			c.peer = id
			return true
		}
	}
	for id, p := range n.sessions {
		if p.contact == nil && (p.reached == c.at || p.paths.Contains(c.at)) {
			c.peer = id
			return true
		}
	}
	// A host name may have an address of each family. Who has no identity would take the second for a new session.
	for _, source := range c.sources {
		for _, at := range n.sources[source] {
			o := n.contacts[at]
			if o == nil || o == c || at.Addr().Is4() == c.at.Addr().Is4() || !strings.HasPrefix(source, fromPeers) {
				continue
			}
			if p := n.sessions[o.peer]; o.session != nil || p != nil && !p.isOurs {
				c.peer = o.peer
				return true
			}
		}
	}
	return false
}

// probe asks who is at an address.
func (n *Node) probe(at netip.AddrPort) (identity []byte, err error) {
	ctx, cancel := context.WithTimeout(n.life, dialTimeout)
	defer cancel()
	nc, err := n.cfg.Network.Dial(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	return zmtp.Probe(n.life, nc, n.zmtp)
}

// probed takes what an attempt found.
func (n *Node) probed(c *contact, identity []byte, err error) {
	if err != nil {
		n.failed(c, err)
		return
	}
	id, named := parseIdentity(identity)
	if named || n.leadsThere(c) { // else it is solved by a HELLO that comes back, see name
		n.noted(c, nil)
	}
	switch {
	case named && id == n.cfg.UUID:
		n.schedule(c, ownPause)
	case n.leadsThere(c):
	case !named && !c.isFrom(fromGossip) && n.introducing():
		n.schedule(c, backoff(n.cfg.Network, 3))
	case !named:
		p := n.begin(uuid.New(), n.paths([]netip.AddrPort{c.at}, false), false, 0, nil, nil)
		if p == nil {
			n.failed(c, errTooManyPeers)
			return
		}
		p.contact, c.session = c, p
		n.unnamed = append(n.unnamed, p)
	default:
		c.peer = id
		if p := n.sessions[id]; p != nil {
			p.addEndpoint(c.at, false)
			n.index(p)
		} else if n.meet(id, n.paths([]netip.AddrPort{c.at}, false), n.agent.IsLocal(c.at.Addr())) == nil {
			n.failed(c, errTooManyPeers)
		}
	}
}

// introducing tells whether somebody without an identity has just been said HELLO and not answered yet. Others wait: two addresses may
// be of the same peer, which would end each session over the HELLO of the other. Once the first has answered, the second is known by
// its own answer.
func (n *Node) introducing() bool {
	return slices.ContainsFunc(n.unnamed, func(p *session) bool { return time.Since(p.began) < answerTime })
}

var errTooManyPeers = errors.New("too many peers")

// failed: an attempt came to nothing, or the session that it began did.
func (n *Node) failed(c *contact, err error) {
	c.attempts++
	n.lookAgain(c)
	switch {
	case n.leadsThere(c):
		n.noted(c, nil)
	case !errors.Is(err, errTooManyPeers): // that is a problem of its own
		n.noted(c, err)
	}
	pause := backoff(n.cfg.Network, c.attempts)
	if c.attempts > 8 && !c.isFrom(fromPeers) {
		pause += hearsayPause - maxBackoff
	}
	n.schedule(c, pause)
}

// noted raises the problem that nobody is met at a contact, or solves it.
func (n *Node) noted(c *contact, err error) {
	about := paths.Format(c.at)
	if err == nil {
		n.problems.solve(ProblemUnreachable, about)
		return
	}
	level := zerolog.InfoLevel // the DNS and gossip may name the dead
	if c.isFrom(fromPeers) {
		level = zerolog.WarnLevel
	}
	if by := strings.Join(c.sources, ", "); by != fromPeers+about {
		err = fmt.Errorf("named by %s: %w", by, err)
	}
	n.problems.raiseAt(level, ProblemUnreachable, about, &Peer{UUID: c.peer, Endpoint: about, Transport: TCP}, err)
}

// isFrom tells whether a source of that kind names the address: fromPeers is the application itself, fromGossip says whose it is.
func (c *contact) isFrom(kind string) bool {
	return slices.ContainsFunc(c.sources, func(s string) bool { return strings.HasPrefix(s, kind) })
}

// root is what an error is at bottom, without what changes from try to try, such as our port.
func root(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

// recognise gives a session that waits for the answer to its HELLO the UUID of the peer that answers, if it leads to one of these
// endpoints, or to where gossip has the peer. It returns nil if there is none.
func (n *Node) recognise(id uuid.UUID, endpoints []netip.AddrPort) *session {
	s := n.recognised(id, endpoints)
	if s != nil {
		n.assignUUID(s, id)
	}
	return s
}

// recognised tells which session recognise would take: one without UUID, or one whose peer has not been seen at its address since we connected
// to it. Its HELLO went to the peer that has the address now.
func (n *Node) recognised(id uuid.UUID, endpoints []netip.AddrPort) *session {
	for _, s := range n.unnamed {
		if slices.Contains(endpoints, s.contact.at) || slices.Contains(s.contact.sources, fromGossip+id.String()) {
			return s
		}
	}
	for _, at := range endpoints {
		for _, other := range n.addresses.At(at) {
			s := n.sessions[other]
			if s != nil && s.greetsAt(at) && !s.isOurs && s.contact == nil && s.paths.ShownAt(at) <= s.linkedTick {
				return s
			}
		}
	}
	return nil
}

// greetsAt tells whether a session has said HELLO at an address, or is about to, and the peer's has not come.
func (s *session) greetsAt(at netip.AddrPort) bool {
	return s.state == greeting && s.reached == at || s.state == dialling && s.greets && s.node.reserved[at] == s
}

// assignUUID gives a session the UUID of the peer that it proves to be with.
func (n *Node) assignUUID(s *session, id uuid.UUID) {
	n.unnamed = slices.DeleteFunc(n.unnamed, func(o *session) bool { return o == s })
	if c := s.contact; c != nil {
		s.contact, c.session = nil, nil
		c.peer, c.attempts = id, 0
		n.noted(c, nil)
	}
	n.reportPrevious(s)
	n.verify(s)
	n.unindex(s)
	n.mu.Lock()
	delete(n.sessions, s.uuid)
	s.uuid = id
	n.sessions[id] = s
	n.mu.Unlock()
	n.index(s)
	if n.asking == s {
		n.asking = nil
		n.askWhose()
	}
	n.settleUndecided()
}

// freed: a session is over, so contacts that it led to are tried again.
func (n *Node) freed(p *session) {
	if c := p.contact; c != nil {
		n.unnamed = slices.DeleteFunc(n.unnamed, func(o *session) bool { return o == p })
		p.contact, c.session = nil, nil
		if n.asking == p {
			n.asking = nil
			n.after(0, n.askWhose)
		}
		n.failed(c, cmp.Or(p.dialErr, errNotNamed))
		n.settleUndecided()
		return
	}
	for _, c := range n.contacts {
		if c.peer != p.uuid {
			continue
		}
		if p.state.isPresent() {
			c.attempts = 0
		}
		c.attempts++
		n.lookAgain(c)
		n.schedule(c, backoff(n.cfg.Network, c.attempts))
	}
}

var errNotNamed = errors.New("who answers there says no HELLO to us: if it cannot reach this node's endpoint, advertise another")

// alias: a session whose peer did not tell its UUID was closed by the other side. If another session with a peer of a foreign
// implementation has just been connected, it is most likely the same peer, which knows us by our newest connection only: the
// contact is one more address of that peer.
func (n *Node) alias(s *session) {
	if o := n.nearest(s); o != nil {
		s.contact.peer = o.uuid
	}
}

// nearest returns the session with a peer of a foreign implementation that was connected next to a session without UUID, in time; nil if there
// is none. A peer with two addresses, where both have just been said HELLO, has answered both by one HELLO.
func (n *Node) nearest(s *session) (nearest *session) {
	least := steady
	for _, o := range n.sessions {
		if o.contact != nil || o.mailbox == nil || o.isOurs {
			continue
		}
		if apart := o.linked.Sub(s.linked).Abs(); apart < least {
			nearest, least = o, apart
		}
	}
	return nearest
}
