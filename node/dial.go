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

// run dials until it is connected, or ctx ends. From there on the mailbox hears of the connection's end. hello is what the connection
// begins with, but for the endpoint. The peer's UUID is given, since it may become known meanwhile.
func (s *session) run(ctx context.Context, id uuid.UUID, hello msg.OutHello) {
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
		if errors.Is(err, errOffer) { // its own call may be on its way
			continue
		}
		n.figures.dialsFailed.Add(1)
		n.post(func() { n.handle(s, dialFailed, detail{err: err}) })
	}
}

// pauseAfter is the pause after an attempt that ended so, where it is d as a rule. A peer that refuses us has given its answer; its own HELLO ends the
// pause.
func (n *Node) pauseAfter(err error, d time.Duration) time.Duration {
	if n.isSecure() && isRefusedBy(err) {
		return paths.RefusalFactor * d
	}
	return d
}

// sleep waits before another attempt; a new endpoint, or a HELLO of the peer, ends the wait. It returns false when there is to be none.
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

// reserve makes sure that no other session leads to an address, and that none comes to while this one dials it: a ROUTER of libzmq is deaf to
// all but the newest of our connections. greets says that this one is about to say HELLO there. It asks the control loop.
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
			if s.greets = greets; greets {
				s.linkedTick = n.clock.Now()
			}
		}
	})
	if closed != nil {
		return closed
	}
	return err
}

// All that follows runs in the control loop.

// index makes known where a session leads, and may lead.
func (n *Node) index(s *session) {
	addrs := s.paths.Endpoints()
	if s.reached.IsValid() {
		addrs = append(addrs, s.reached)
	}
	n.addresses.Set(s.uuid, addrs)
}

func (n *Node) unindex(s *session) { n.addresses.Remove(s.uuid) }

// unreserve gives back what a session has reserved.
func (n *Node) unreserve(s *session) {
	for at, o := range n.reserved {
		if o == s {
			delete(n.reserved, at)
		}
	}
}

// holder returns the session that keeps s from dialling an address; nil if there is none. One with another key does not: at most one of the two
// keys can be right there.
func (n *Node) holder(s *session, at netip.AddrPort) *session {
	if o := n.reserved[at]; o != nil && o != s && o.key == s.key && n.sessions[o.uuid] == o && !o.isOurs {
		return o
	}
	if o := n.occupant(s, at); o != nil && o.key == s.key {
		return o
	}
	return n.successor(s, at)
}

// occupant returns the session, not s, whose connection leads to a ROUTER without identity at an address; nil if there is none.
func (n *Node) occupant(s *session, at netip.AddrPort) *session {
	for _, id := range n.addresses.At(at) {
		if o := n.sessions[id]; o != nil && o != s && o.mailbox != nil && !o.isOurs && o.reached == at {
			return o
		}
	}
	return nil
}

// successor returns a session whose peer was shown at an address after that of s was shown there; nil if there is none.
func (n *Node) successor(s *session, at netip.AddrPort) *session {
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

// contestGrace is how long a peer has to show that it is still where another one has appeared: several round trips.
const contestGrace = 2 * time.Second

// contest: a peer is shown at addresses. Another one that our connection leads to there must show that it is still there.
func (n *Node) contest(s *session, at []netip.AddrPort) {
	for _, at := range at {
		if o := n.occupant(s, at); o != nil {
			n.demand(o, contestGrace, addressTaken)
		}
	}
}

// demand asks a peer for a sign of life on our connection to it; without one in time the event happens to the session. It does not ask again
// before the evasive timeout is over.
func (n *Node) demand(s *session, within time.Duration, e event) {
	now := time.Now()
	if s.mailbox == nil || now.Sub(s.askedFor) < n.cfg.EvasiveTimeout {
		return
	}
	n.askProof(s, now)
	n.after(within, func() {
		if s.askedFor == now && !s.answered.Load() && !s.isStalled() {
			n.handle(s, e, detail{})
		}
	})
}

// askProof asks a peer to show that it hears us.
func (n *Node) askProof(s *session, now time.Time) {
	s.askedFor = now
	s.isProven = s.isProven || s.answered.Load()
	s.answered.Store(false)
	s.out.Ping()
	s.noteAsked()
}

// extendAsk gives a peer more time to answer: octets come that are a part of a message, and its answer comes behind that.
func (s *session) extendAsk(now time.Time) {
	if !s.answered.Load() && s.askedFor.After(s.linked) {
		s.askedFor = now
	}
}

// showLife has a peer know that we live, though we read nothing of it: its PINGs wait for the application, with all else that it says. A PING
// of ours is a sign of life; its answer waits too.
func (n *Node) showLife(s *session, now time.Time) {
	if s.isStalled() && s.mailbox != nil && now.Sub(s.askedFor) >= n.cfg.EvasiveTimeout/2 {
		n.askProof(s, now)
	}
}

// checkHearing makes sure that a foreign peer hears us: a ROUTER of libzmq to which another program connects with our identity is deaf to us
// from then on, and tells nothing. A peer that answers no PING for the expired timeout is said HELLO again.
func (n *Node) checkHearing(s *session, now time.Time) {
	if s.isOurs || s.state != ready {
		return
	}
	if s.askedFor.Before(s.linked) {
		s.askedFor = s.linked
		s.answered.Store(true)
	}
	switch asked := now.Sub(s.askedFor); {
	case s.answered.Load() && asked >= n.cfg.ExpiredTimeout/3:
		n.askProof(s, now)
	case !s.answered.Load() && asked >= n.cfg.ExpiredTimeout:
		n.handle(s, pathGone, detail{})
	}
}
