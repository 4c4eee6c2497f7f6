package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/curve"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// A secure node has a certificate. Plain and secure nodes never mix: every connection of a secure node uses CURVE.
//
// A session belongs to a UUID and a key, and our connection demands that key. A key from a beacon, gossip or the application is only a hint.
// The key is bound to the UUID once its owner has claimed the UUID, by the identity of its ROUTER or by a HELLO. After that no owner of another
// key can claim it. Before that, a HELLO with another key ends the session of the hint, and begins one with the key that it proves.

// keyHeader is the header of HELLO with the sender's key, the same as in C zyre.
const keyHeader = "X-PUBLICKEY"

// hintTime is how long the key of one beacon is tried before the key of another beacon with the same UUID.
const hintTime = 250 * time.Millisecond

var (
	errOtherKey  = errors.New("it claims the UUID of a peer that has another key")
	errKeyHeader = errors.New("the header " + keyHeader + " of its HELLO is not the key that it has proven")
	errMoreKeys  = errors.New("more keys are refused than are listed")
)

// isSecure reports whether the node has a certificate.
func (n *Node) isSecure() bool { return n.cfg.Certificate != nil }

// publicKey returns the node's own key; zero for a plain node.
func (n *Node) publicKey() (key PublicKey) {
	if n.isSecure() {
		key = n.cfg.Certificate.Public()
	}
	return key
}

// keyOf returns the key that the other end of a connection has proven; zero for a plain node.
func keyOf(conn *zmtp.Conn) PublicKey {
	key, _ := conn.PublicKey()
	return PublicKey(key)
}

// peerClaim identifies the peer with which a session begins.
type peerClaim struct {
	uuid    uuid.UUID
	key     PublicKey // the key that it must have; zero for a plain node
	isBound bool      // the key's owner has claimed the UUID
}

// claim identifies the peer of a session, for the session that follows it.
func (s *session) claim() peerClaim { return peerClaim{s.uuid, s.key, s.isBound.Load()} }

// isBoundToOther reports whether a UUID is bound to another key.
func (n *Node) isBoundToOther(id uuid.UUID, key PublicKey) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	s := n.sessions[id]
	return s != nil && s.key != key && s.isBound.Load()
}

// authorize decides whether a peer that has proven its key may continue its handshake. It runs in the handshake's goroutine, and waits for the
// application.
func (n *Node) authorize(ctx context.Context, peer Identity) error {
	var err error
	if !peer.Outgoing && n.isBoundToOther(peer.UUID, peer.PublicKey) {
		err = errOtherKey
	} else if n.cfg.Authorize != nil {
		err = n.cfg.Authorize(ctx, peer)
	}
	switch {
	case err == nil:
		n.noteAuthorized(peer.PublicKey)
	case n.life.Err() == nil:
		n.noteRefused(peer, err)
	}
	return err
}

// authorizeCaller is authorize for a peer that connects to our mailbox. A caller without an identity only asks whose address this is.
func (n *Node) authorizeCaller(ctx context.Context, c zmtp.Candidate) error {
	peer := identityOf(c)
	if id, ok := parseIdentity(c.Identity); ok {
		peer.UUID = id
	} else if len(c.Identity) > 0 {
		return fmt.Errorf("%w: %x", errIdentity, c.Identity)
	}
	return n.authorize(ctx, peer)
}

// curveTo returns what a connection to a peer needs to authenticate it; nil for a plain node. id is the UUID that the peer must have,
// uuid.Nil if none is known.
func (n *Node) curveTo(id uuid.UUID, key PublicKey, isGossip bool) *zmtp.Curve {
	if !n.isSecure() {
		return nil
	}
	return &zmtp.Curve{Keys: n.zmtp.Curve.Keys, Server: curve.PublicKey(key), Authorize: func(ctx context.Context, c zmtp.Candidate) error {
		peer := identityOf(c)
		peer.UUID, peer.Outgoing, peer.Gossip = id, true, isGossip
		return n.authorize(ctx, peer)
	}}
}

// curveOfHub returns what the listeners of our own gossip hub need; nil for a plain node.
func (n *Node) curveOfHub() *zmtp.Curve {
	if !n.isSecure() {
		return nil
	}
	return &zmtp.Curve{Keys: n.zmtp.Curve.Keys, Authorize: func(ctx context.Context, c zmtp.Candidate) error {
		peer := identityOf(c)
		peer.Gossip = true
		return n.authorize(ctx, peer)
	}}
}

func identityOf(c zmtp.Candidate) Identity {
	return Identity{PublicKey: PublicKey(c.PublicKey), Addr: paths.AddrPortOf(c.RemoteAddr), Transport: transportTo(c.RemoteAddr)}
}

// checkKey checks that a HELLO names the key that its sender has proven, and no other.
func (in *inbox) checkKey() error {
	if !in.node.isSecure() {
		return nil
	}
	key := in.key()
	isNamed, isAnother := false, false
	for _, h := range in.message.Hello.Headers {
		if string(h.Name) == keyHeader {
			isNamed, isAnother = true, isAnother || string(h.Value) != key.String()
		}
	}
	if isNamed && !isAnother {
		return nil
	}
	in.node.noteRefused(in.identity(), errKeyHeader)
	return errKeyHeader
}

// identity returns the peer's identity, as passed to Config.Authorize.
func (in *inbox) identity() Identity {
	addr := in.conn.RemoteAddr()
	return Identity{PublicKey: in.key(), UUID: in.uuid, Addr: paths.AddrPortOf(addr), Transport: transportTo(addr), Outgoing: in.dialledBy != nil}
}

// endHinted ends a session that began with a hint if another key's owner claims the UUID. It reports whether it did. A bound key stays, and the
// other one is refused.
func (n *Node) endHinted(s *session, key PublicKey) (isOver bool) {
	if s.key == key || s.isBound.Load() {
		return false
	}
	n.log.Debug().Stringer("peer", s.uuid).Stringer("key", s.key).Stringer("other", key).Msg("another key than the one that was tried")
	n.remove(s, Crashed)
	return true
}

// wasTriedLongEnough reports whether a session with an unproven key was tried for long enough to connect and to get an answer. The node there may
// accept our HELLO and send nothing.
func (s *session) wasTriedLongEnough() bool {
	switch s.state {
	case dialling:
		return time.Since(s.since) >= hintTime
	case greeting:
		return time.Since(s.since) >= greetGrace
	}
	return false
}

// isKeyFailure reports whether a dial failed because of the key: it is not the key of the peer there, or one side refuses the other.
func isKeyFailure(err error) bool {
	return isOurRefusal(err) || isRefusedBy(err) || errors.Is(err, zmtp.ErrNoWelcome) || errors.Is(err, curve.ErrKey)
}

// isOurRefusal reports whether this side refused the other, which is a problem of its own.
func isOurRefusal(err error) bool {
	_, isOurs := errors.AsType[*zmtp.RefusedError](err)
	return isOurs
}

// isRefusedBy reports whether the other side refused us explicitly.
func isRefusedBy(err error) bool {
	_, isTheirs := errors.AsType[*zmtp.PeerError](err)
	return isTheirs
}

// refusals are the recently refused keys.
type refusals struct {
	mu         sync.Mutex
	at         map[PublicKey]time.Time // when each key was last refused
	unlistedAt time.Time               // when a key was last refused without room to list it
}

const (
	// refusedFor is how long a key must not have been refused before the problem is solved.
	refusedFor = 10 * time.Minute
	// maxRefused is how many refused keys are listed: a host can have as many keys as it likes.
	maxRefused = 64
)

// noteRefused records that a key was refused. It may be called from any goroutine.
func (n *Node) noteRefused(peer Identity, err error) {
	r := &n.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = make(map[PublicKey]time.Time)
	}
	if _, listed := r.at[peer.PublicKey]; !listed && len(r.at) >= maxRefused {
		r.unlistedAt = time.Now()
		n.problems.raise(ProblemRefused, "", nil, errMoreKeys)
		return
	}
	r.at[peer.PublicKey] = time.Now()
	p := &Peer{UUID: peer.UUID, Transport: peer.Transport, State: beacon.Unknown, PublicKey: peer.PublicKey}
	if peer.Outgoing && peer.Addr.IsValid() {
		p.Endpoint = paths.Format(peer.Addr)
	}
	if peer.Addr.IsValid() {
		err = fmt.Errorf("from %v: %w", peer.Addr.Addr(), err)
	}
	n.problems.raise(ProblemRefused, peer.PublicKey.String(), p, err)
}

// noteAuthorized records that a key was accepted.
func (n *Node) noteAuthorized(key PublicKey) {
	r := &n.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, listed := r.at[key]; listed {
		delete(r.at, key)
		n.problems.solve(ProblemRefused, key.String())
	}
}

// checkRefused runs once a tick. It solves the problems of keys that were not refused for refusedFor.
func (n *Node) checkRefused(now time.Time) {
	r := &n.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, at := range r.at {
		if now.Sub(at) >= refusedFor {
			delete(r.at, key)
			n.problems.solve(ProblemRefused, key.String())
		}
	}
	if !r.unlistedAt.IsZero() && now.Sub(r.unlistedAt) >= refusedFor {
		r.unlistedAt = time.Time{}
		n.problems.solve(ProblemRefused, "")
	}
}
