package node

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/go-zre/go-zre/internal/discovery"
	"github.com/go-zre/go-zre/internal/paths"
)

// The table of sessions: how one begins, is followed by another, and ends. All of it runs in the control loop.

// meet begins a session with a peer that has none, and that a beacon or a source showed. It returns nil if there is no room for another.
func (n *Node) meet(claim peerClaim, at *paths.Set, sameHost bool) *session {
	return n.begin(claim, at, sameHost, 0, nil, nil, nil)
}

// begin is meet with more parameters. candidate is the address of a peer whose UUID is not known. last is the previous session, if it broke.
// flaps is how many such sessions there were in a row. call is the connection on which the peer's HELLO came, if one did.
func (n *Node) begin(claim peerClaim, at *paths.Set, sameHost bool, flaps int, candidate *discovery.Candidate, last *session, call *inbox) *session {
	id := claim.uuid
	if n.stopping {
		return nil
	}
	if len(n.sessions) >= n.cfg.Limits.Peers {
		n.noteTooManyPeers(id)
		return nil
	}
	s := n.newSession(id, at)
	s.key, s.candidate, s.isUnnamed = claim.key, candidate, candidate != nil
	s.isBound.Store(claim.isBound)
	n.figures.begin(s)
	s.sameHost.Store(sameHost)
	s.flaps = flaps
	if last != nil {
		s.out.Inherit(last.out, last.state.isPresent())
	}
	if n.finishing {
		s.out.Refuse(ErrClosed)
	}
	n.mu.Lock()
	n.sessions[id] = s
	n.mu.Unlock()
	n.index(s)
	hello := n.hello() // as of now; later changes follow as JOIN, LEAVE and HEADERS
	s.headersVersion = n.headersVersion
	s.hello = &hello
	ctx, stop := context.WithCancel(s.ctx)
	s.stopDialling = stop
	if !n.answerOnInbox(s, call) {
		n.wg.Go(func() {
			defer stop()
			s.dialUntilConnected(ctx, id, hello)
		})
	}
	return s
}

// renew replaces a session by a new one with the same peer. The Exit of the old one, if it needs one, is delayed a little. It returns nil if no
// new session began.
func (n *Node) renew(s *session, reason Reason) *session {
	previous := s
	if !s.state.isPresent() {
		previous, reason = s.previous, s.reason
		s.previous = nil
	}
	wraps := s.out.IsWrapping()
	n.unlist(s)
	if !wraps { // otherwise it stays visible, and gets messages, until its Exit: its successor sends everything
		n.hide(s)
		n.noteFormer(s)
	}
	if !wraps {
		n.noteEnd(s, reason)
		n.noteEndCause(s, reason)
	}
	q := n.begin(s.claim(), s.paths.Unproven(), s.sameHost.Load(), s.nextFlaps(), nil, s, nil)
	s.close(errSessionOver)
	if q == nil {
		n.reportExit(previous, reason)
		return nil
	}
	q.peerState.Store(s.peerState.Load()) // HELLO does not carry it
	if !s.state.isPresent() {             // the silence continues: a peer that never enters must not get its full time again and again
		q.lastHeard = s.lastHeard
		q.alive.Store(s.alive.Load())
	}
	if previous != nil {
		q.previous, q.reason = previous, reason
		if previous.out.Successor() == nil { // otherwise it gets messages until its successor enters, or ends
			n.after(redialGrace, func() { n.reportPrevious(q) })
		}
	}
	return q
}

// remove ends a session for good.
func (n *Node) remove(s *session, reason Reason) {
	if n.sessions[s.uuid] != s {
		return
	}
	n.noteEnd(s, reason)
	n.noteEndCause(s, reason)
	n.end(s)
	n.reportPrevious(s)
	n.reportExit(s, reason)
}

// depart ends the session of a peer that left. reason is for the application.
func (n *Node) depart(s *session, reason Reason) {
	if n.sessions[s.uuid] != s {
		return
	}
	s.credit.lost.Store(false)
	n.dropped.remove(s.uuid)
	n.departures.Add(s.uuid, s.paths.Endpoints(), time.Now())
	n.noteEnd(s, Left)
	n.noteEndCause(s, Left)
	n.end(s)
	s.reason = reason // also for the previous session, whose Exit may be pending
	n.reportPrevious(s)
	n.reportExit(s, reason)
}

// farewellReason returns the Exit reason for a peer that says farewell only by beacon. A node of ours sends GOODBYE after its last message:
// without it, messages were lost.
func (s *session) farewellReason() Reason {
	if !s.state.isPresent() && s.previous != nil {
		s = s.previous
	}
	if s.saysGoodbye {
		return LostMessages
	}
	return Left
}

// reportPrevious reports the Exit of the previous session.
func (n *Node) reportPrevious(s *session) {
	previous := s.previous
	s.previous = nil
	n.reportExit(previous, s.reason)
}

// reportExit tells the application that a session ended, if its beginning was reported.
func (n *Node) reportExit(s *session, reason Reason) {
	if s == nil {
		return
	}
	n.hide(s)
	if !s.state.isPresent() || n.stopping { // during Close this node is the one that leaves
		return
	}
	n.noteChange()
	n.log.Debug().Stringer("peer", s.uuid).Str("name", s.name).Stringer("reason", reason).Msg("exit")
	e := Event{Kind: Exit, Peer: s.snapshot.Load(), Reason: reason}
	switch reason {
	case Unreachable:
		e.Err = cmp.Or(s.dialErr, errNoDialEnded)
	case Refused:
		e.Err = s.refusal
	}
	n.figures.exits[reason].Add(1)
	n.events.Push(s.stream.Load(), e)
	n.noteRivalGone(s.uuid) // the other node may take its place
	if reason != Left && s.out.Successor() == nil {
		n.noteFormer(s)
	}
}

// errNoDialEnded replaces the error of the last attempt to connect, if the expired timeout is shorter than an attempt.
var errNoDialEnded = errors.New("the first attempt to connect has not ended")

// dismiss ends the session with a peer that a beacon showed. Either it could not be reached, because of err, or it hung up before its HELLO.
func (n *Node) dismiss(s *session, err error) {
	switch {
	case n.isSecure() && isRefusedBy(err):
		n.unverified.RefusedBy(s.unverified, s.key, time.Now())
	case n.isSecure() && isKeyFailure(err): // another key may be right
		n.unverified.FailedKey(s.unverified, s.key, time.Now())
	default:
		n.unverified.Failed(s.unverified, time.Now())
	}
	n.remove(s, Crashed)
}

// releaseUnverified: a peer that a beacon showed has entered, or is gone.
func (n *Node) releaseUnverified(s *session) {
	if s.unverified.IsValid() {
		n.unverified.Release(s.unverified)
		s.unverified = netip.AddrPort{}
	}
}

// end removes a session from all tables and closes it.
func (n *Node) end(s *session) {
	n.unlist(s)
	n.hide(s)
	s.close(errSessionOver)
}

// unlist removes a session from the table of sessions.
func (n *Node) unlist(s *session) {
	n.releaseUnverified(s)
	n.mu.Lock()
	delete(n.sessions, s.uuid)
	n.mu.Unlock()
	n.unindex(s)
	n.informSeeker(s)
	if s.credit.lost.Load() { // for its next session
		n.dropped.add(s.uuid)
	}
}

// hide removes a session from the tables that the application sees.
func (n *Node) hide(s *session) {
	n.mu.Lock()
	n.hideLocked(s)
	n.mu.Unlock()
	n.watchers.wake()
}

// hideLocked is hide for a caller that holds mu.
func (n *Node) hideLocked(s *session) {
	if n.present[s.uuid] == s {
		delete(n.present, s.uuid)
		n.removeHost(s)
		n.lastAddressee.Store(nil)
	}
	n.withdrawFromElections(s)
	for group := range s.groups {
		n.removeMember(group, s)
	}
	s.joined = nil
}
