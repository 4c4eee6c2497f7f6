package node

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/seek"
)

// The table of sessions: how one begins, is followed by another, and ends. All of it runs in the control loop.

// meet begins a session with a peer that has none, and that a beacon or a source showed. It returns nil when there is no room for another.
func (n *Node) meet(who whose, at *paths.Set, sameHost bool) *session {
	return n.begin(who, at, sameHost, 0, nil, nil, nil)
}

// begin is meet; candidate is where a peer was found whose UUID is not known, last is the session before, if that broke, flaps how many such there were, and call where the peer's HELLO came from, if
// one did.
func (n *Node) begin(who whose, at *paths.Set, sameHost bool, flaps int, candidate *seek.Candidate, last *session, call *inbox) *session {
	id := who.uuid
	if n.stopping {
		return nil
	}
	if len(n.sessions) >= n.cfg.Limits.Peers {
		n.turnAway(id)
		return nil
	}
	s := n.newSession(id, at)
	s.key, s.candidate, s.isUnnamed = who.key, candidate, candidate != nil
	s.isBound.Store(who.isBound)
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
	hello := n.hello() // as of now: what changes later follows as JOIN, LEAVE and HEADERS
	s.headerTurn = n.headerTurn
	s.hello = &hello
	ctx, stop := context.WithCancel(s.ctx)
	s.stopDialling = stop
	if !n.answerOn(s, call) {
		n.wg.Go(func() {
			defer stop()
			s.run(ctx, id, hello)
		})
	}
	return s
}

// renew replaces a session by a new one with the same peer. The Exit of the old one, if it needs one, waits a little. It returns nil if no
// new one began.
func (n *Node) renew(s *session, reason Reason) *session {
	previous := s
	if !s.state.isPresent() {
		previous, reason = s.previous, s.reason
		s.previous = nil
	}
	wraps := s.out.Wraps()
	n.unlist(s)
	if !wraps { // else it stays to be seen, and sent to, until its Exit: its successor sends all
		n.hide(s)
		n.noteFormer(s)
	}
	if !wraps {
		n.noteEnd(s, reason)
		n.noteFate(s, reason)
	}
	q := n.begin(s.whose(), s.paths.Unproven(), s.sameHost.Load(), s.nextFlaps(), nil, s, nil)
	s.close(errSessionOver)
	if q == nil {
		n.reportExit(previous, reason)
		return nil
	}
	q.peerState.Store(s.peerState.Load()) // HELLO does not tell it
	if !s.state.isPresent() {             // it goes on: a peer that never enters must not have all of its time anew, again and again
		q.heard = s.heard
		q.alive.Store(s.alive.Load())
	}
	if previous != nil {
		q.previous, q.reason = previous, reason
		if previous.out.Successor() == nil { // else it is sent to until its successor enters, or ends
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
	n.noteFate(s, reason)
	n.end(s)
	n.reportPrevious(s)
	n.reportExit(s, reason)
}

// depart ends the session of a peer that left, with the reason for the application.
func (n *Node) depart(s *session, reason Reason) {
	if n.sessions[s.uuid] != s {
		return
	}
	s.credit.lost.Store(false)
	n.dropped.remove(s.uuid)
	n.departures.Add(s.uuid, s.paths.Endpoints(), time.Now())
	n.noteEnd(s, Left)
	n.noteFate(s, Left)
	n.end(s)
	s.reason = reason // of the session before, whose Exit may wait for this
	n.reportPrevious(s)
	n.reportExit(s, reason)
}

// farewellReason is the reason for the Exit of a peer that says farewell by beacon alone. A node of ours says GOODBYE behind all that it sent:
// without that it was cut short.
func (s *session) farewellReason() Reason {
	if !s.state.isPresent() && s.previous != nil {
		s = s.previous
	}
	if s.saysGoodbye {
		return LostMessages
	}
	return Left
}

// reportPrevious tells the Exit of the session before this one.
func (n *Node) reportPrevious(s *session) {
	previous := s.previous
	s.previous = nil
	n.reportExit(previous, s.reason)
}

// reportExit tells the application that a session ended, if it was told of its beginning.
func (n *Node) reportExit(s *session, reason Reason) {
	if s == nil {
		return
	}
	n.hide(s)
	if !s.state.isPresent() || n.stopping { // while we close it is we who leave
		return
	}
	n.stir()
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
	n.noteSingle(s.uuid) // the other node may come in its place
	if reason != Left && s.out.Successor() == nil {
		n.noteFormer(s)
	}
}

// errNoDialEnded stands for the error of the last attempt to connect, where the expired timeout is shorter than an attempt takes.
var errNoDialEnded = errors.New("the first attempt to connect has not ended")

// dismiss ends the session with a peer that a beacon showed, and that could not be reached for the reason err, or hung up before its HELLO.
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

// verify: a peer that a beacon showed has entered, or is gone.
func (n *Node) verify(s *session) {
	if s.unverified.IsValid() {
		n.unverified.Release(s.unverified)
		s.unverified = netip.AddrPort{}
	}
}

// end takes a session out of all tables and closes it.
func (n *Node) end(s *session) {
	n.unlist(s)
	n.hide(s)
	s.close(errSessionOver)
}

// unlist takes a session out of the table of sessions.
func (n *Node) unlist(s *session) {
	n.verify(s)
	n.mu.Lock()
	delete(n.sessions, s.uuid)
	n.mu.Unlock()
	n.unindex(s)
	n.sessionOver(s)
	if s.credit.lost.Load() { // for its next session
		n.dropped.add(s.uuid)
	}
}

// hide takes a session out of the tables that the application sees.
func (n *Node) hide(s *session) {
	n.mu.Lock()
	n.withdraw(s)
	n.mu.Unlock()
	n.watchers.wake()
}

// withdraw is hide for who holds mu.
func (n *Node) withdraw(s *session) {
	if n.present[s.uuid] == s {
		delete(n.present, s.uuid)
		n.leaveHost(s)
		n.recent.Store(nil)
	}
	n.withdrawFromElections(s)
	for group := range s.groups {
		n.removeMember(group, s)
	}
	s.joined = nil
}
