package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/msg"
)

// dialUntilConnected dials until it is connected or ctx ends. After that, the mailbox learns when the connection ends. hello is the HELLO that the
// connection begins with, without the endpoint. The peer's UUID is a parameter because the session's may change meanwhile.
func (s *session) dialUntilConnected(ctx context.Context, id uuid.UUID, hello msg.OutHello) {
	n := s.node
	s.dialling.Add(1)
	defer s.dialling.Done()
	var last error
	for attempt := max(s.flaps-1, 0); ; attempt++ { // the first one at once
		if attempt > 0 && !s.sleep(ctx, n.pauseAfter(last, backoff(n.cfg.Network, attempt))) {
			return
		}
		began := time.Now()
		n.figures.dials.Add(1)
		conn, err := s.connect(ctx, id, attempt, hello)
		if last = err; err == nil {
			took := time.Since(began)
			n.post(func() {
				n.unreserve(s)
				n.handle(s, connected, detail{conn: conn, took: took})
			})
			return
		}
		n.post(func() { n.unreserve(s) })
		if ctx.Err() != nil {
			return
		}
		if err == errBetterPath {
			attempt = -1
			continue
		}
		n.log.Debug().Err(err).Stringer("peer", id).Msg("cannot connect")
		if errors.Is(err, errOffer) { // the peer's own call may be on its way
			continue
		}
		n.figures.dialsFailed.Add(1)
		n.post(func() { n.handle(s, dialFailed, detail{err: err}) })
	}
}

// pauseAfter returns the pause after an attempt that ended with err; normally that is d. A peer that refuses us has given its answer, so the
// pause is longer; a HELLO of the peer ends it.
func (n *Node) pauseAfter(err error, d time.Duration) time.Duration {
	if n.isSecure() && isRefusedBy(err) {
		return paths.RefusalFactor * d
	}
	return d
}

// sleep waits before another attempt. A new endpoint, or a HELLO of the peer, ends the wait. It returns false if ctx has ended.
func (s *session) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// reserve ensures that no other session leads to an address, and that none connects there while this one dials it: a ROUTER of libzmq is deaf
// to all but the newest of our connections. greets means that this session is about to send HELLO there. It runs a function in the control loop.
func (s *session) reserve(at netip.AddrPort, greets bool) (err error) {
	n := s.node
	closed := n.do(func() {
		if o := n.holder(s, at); o != nil {
			if err = errAddressAwaited; o.mailbox != nil && o.reached == at {
				err = errAddressTaken
			}
			err = fmt.Errorf("%v: %w: %s (%v)", at, err, o.name, o.uuid)
		} else {
			n.reserved[at] = s
			if s.saysHello = greets; greets {
				s.connectedTick = n.clock.Now()
			}
		}
	})
	if closed != nil {
		return closed
	}
	return err
}

// Everything below runs in the control loop.

// index records the addresses where a session leads, and may lead.
func (n *Node) index(s *session) {
	addrs := s.paths.Endpoints()
	if s.reached.IsValid() {
		addrs = append(addrs, s.reached)
	}
	n.addresses.Set(s.uuid, addrs)
}

func (n *Node) unindex(s *session) { n.addresses.Remove(s.uuid) }

// unreserve releases the addresses that a session has reserved.
func (n *Node) unreserve(s *session) {
	for at, o := range n.reserved {
		if o == s {
			delete(n.reserved, at)
		}
	}
}

// holder returns the session that keeps s from dialling an address; nil if there is none. A session with another key does not keep it from
// dialling: at most one of the two keys can be right there.
func (n *Node) holder(s *session, at netip.AddrPort) *session {
	if o := n.reserved[at]; o != nil && o != s && o.key == s.key && n.sessions[o.uuid] == o && !o.isOurs {
		return o
	}
	if o := n.occupant(s, at); o != nil && o.key == s.key {
		return o
	}
	return n.newerAt(s, at)
}

// occupant returns a session other than s whose connection leads to a ROUTER without identity at an address; nil if there is none.
func (n *Node) occupant(s *session, at netip.AddrPort) *session {
	for _, id := range n.addresses.At(at) {
		if o := n.sessions[id]; o != nil && o != s && o.mailbox != nil && !o.isOurs && o.reached == at {
			return o
		}
	}
	return nil
}

// newerAt returns a session whose peer was shown at an address later than that of s; nil if there is none.
func (n *Node) newerAt(s *session, at netip.AddrPort) *session {
	if s.isOurs || s.candidate != nil {
		return nil
	}
	mine := s.paths.ShownAt(at)
	if mine == 0 {
		return nil
	}
	for _, id := range n.addresses.At(at) {
		if o := n.sessions[id]; o != nil && o != s && o.key == s.key && o.candidate == nil && o.paths.ShownAt(at) > mine {
			return o
		}
	}
	return nil
}

// occupantGrace is how long a peer has to show that it is still at an address where another peer has appeared: several round trips.
const occupantGrace = 2 * time.Second

// checkOccupants: a peer is shown at addresses. If our connection to another peer leads to one of them, that peer must show that it is still there.
func (n *Node) checkOccupants(s *session, at []netip.AddrPort) {
	for _, at := range at {
		if o := n.occupant(s, at); o != nil {
			n.requireAnswer(o, occupantGrace, addressTaken)
		}
	}
}

// requireAnswer asks a peer for a sign of life on our connection to it. Without one in time, the event happens to the session. It does not ask
// again until the evasive timeout is over.
func (n *Node) requireAnswer(s *session, within time.Duration, e event) {
	now := time.Now()
	if s.mailbox == nil || now.Sub(s.proofAskedAt) < n.cfg.EvasiveTimeout {
		return
	}
	n.pingForProof(s, now)
	n.after(within, func() {
		if s.proofAskedAt == now && !s.answered.Load() && !s.isStalled() {
			n.handle(s, e, detail{})
		}
	})
}

// pingForProof asks a peer to show that it receives our messages.
func (n *Node) pingForProof(s *session, now time.Time) {
	s.proofAskedAt = now
	s.isProven = s.isProven || s.answered.Load()
	s.answered.Store(false)
	s.noteAsked()
	s.out.Ping()
}

// extendAnswerTime gives a peer more time to answer while part of a large message arrives: the answer comes behind that message.
func (s *session) extendAnswerTime(now time.Time) {
	if !s.answered.Load() && s.proofAskedAt.After(s.connectedAt) {
		s.proofAskedAt = now
	}
}

// pingWhileStalled shows a peer that this node is alive, although it reads nothing from it: the peer's PINGs wait for the application, with
// everything else that it sends. A PING of ours is a sign of life; its answer waits too.
func (n *Node) pingWhileStalled(s *session, now time.Time) {
	if s.isStalled() && s.mailbox != nil && now.Sub(s.proofAskedAt) >= n.cfg.EvasiveTimeout/2 {
		n.pingForProof(s, now)
	}
}

// checkReceiving makes sure that a foreign peer receives our messages. If another program connects to a ROUTER of libzmq with our identity, the
// ROUTER is deaf to us from then on, without notice. A peer that answers no PING for the expired timeout gets another HELLO.
func (n *Node) checkReceiving(s *session, now time.Time) {
	if s.isOurs || s.state != ready {
		return
	}
	if s.proofAskedAt.Before(s.connectedAt) {
		s.proofAskedAt = s.connectedAt
		s.answered.Store(true)
	}
	switch asked := now.Sub(s.proofAskedAt); {
	case s.answered.Load() && asked >= n.cfg.ExpiredTimeout/3:
		n.pingForProof(s, now)
	case !s.answered.Load() && asked >= n.cfg.ExpiredTimeout:
		n.handle(s, pathGone, detail{})
	}
}
