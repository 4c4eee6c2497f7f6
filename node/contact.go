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
	session  *peer     // with who is there and has not told its UUID yet
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
	// doubtGrace is how long a HELLO that may be the answer to one of ours waits for a sign whether it is.
	doubtGrace = 2 * time.Second
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
	n.problems.solve(ProblemContradiction, formatEndpoint(at))
	if p := c.session; p != nil {
		n.forget(p)
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
	if n.peers[c.peer] != nil {
		return true
	}
	for _, source := range c.sources {
		if id, ok := gossiped(source); ok && n.peers[id] != nil {
			c.peer = id
			return true
		}
	}
	for id, p := range n.peers {
		if p.contact == nil && (p.reached == c.at || slices.Contains(p.endpoints(), c.at)) {
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
			if p := n.peers[o.peer]; o.session != nil || p != nil && !p.ours {
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
		if p := n.peers[id]; p != nil {
			p.addEndpoint(c.at, false)
		} else if n.meet(id, n.paths([]netip.AddrPort{c.at}, false), n.agent.IsLocal(c.at.Addr()), nil) == nil {
			n.failed(c, errTooManyPeers)
		}
	}
}

// introducing tells whether somebody without an identity has just been said HELLO and not answered yet. Others wait: two addresses may
// be of the same peer, which would end each session over the HELLO of the other. Once the first has answered, the second is known by
// its own answer.
func (n *Node) introducing() bool {
	return slices.ContainsFunc(n.unnamed, func(p *peer) bool { return time.Since(p.began) < answerTime })
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
	about := formatEndpoint(c.at)
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

// recognise gives a session begun without its peer's UUID that UUID, if it leads to one of these endpoints, or to where gossip has the
// peer. It returns nil if there is none.
func (n *Node) recognise(id uuid.UUID, endpoints []netip.AddrPort) *peer {
	p := n.recognised(id, endpoints)
	if p != nil {
		n.name(p, id)
	}
	return p
}

// recognised tells which session recognise would take.
func (n *Node) recognised(id uuid.UUID, endpoints []netip.AddrPort) *peer {
	for _, p := range n.unnamed {
		if slices.Contains(endpoints, p.contact.at) || slices.Contains(p.contact.sources, fromGossip+id.String()) {
			return p
		}
	}
	return nil
}

// name gives a session begun without its peer's UUID that UUID.
func (n *Node) name(p *peer, id uuid.UUID) {
	n.unnamed = slices.DeleteFunc(n.unnamed, func(o *peer) bool { return o == p })
	c := p.contact
	p.contact, c.session = nil, nil
	c.peer, c.attempts = id, 0
	n.noted(c, nil)
	n.mu.Lock()
	delete(n.peers, p.uuid)
	p.uuid = id
	n.peers[id] = p
	n.mu.Unlock()
	if n.asking == p {
		n.asking = nil
		n.ask()
	}
}

// doubts tells whether a HELLO that would replace p may be the answer to a HELLO of ours, by another address of the same peer or
// through a NAT. C zyre and pyre answer a second HELLO with one of their own and a new session; if we answered that in turn there
// would be no end.
func (n *Node) doubts(in *inbox, p *peer) bool {
	return !in.sure && in.extensions == 0 && p.linked.After(p.greeted) && time.Since(p.linked) < doubtGrace
}

// freed: a session is over, so contacts that it led to are tried again.
func (n *Node) freed(p *peer) {
	if c := p.contact; c != nil {
		n.unnamed = slices.DeleteFunc(n.unnamed, func(o *peer) bool { return o == p })
		p.contact, c.session = nil, nil
		if n.asking == p {
			n.asking = nil
			n.after(0, n.ask)
		}
		n.failed(c, cmp.Or(p.failure, errNotNamed))
		return
	}
	for _, c := range n.contacts {
		if c.peer != p.uuid {
			continue
		}
		if p.entered {
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
func (n *Node) alias(p *peer) {
	for id, o := range n.peers {
		if o.contact == nil && o.connected && !o.ours && time.Since(o.linked) < steady {
			p.contact.peer = id
			return
		}
	}
}
