package node

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Problems of sessions. A session ends at the first failure, so repeated failures of one peer are counted here, across sessions. Everything
// here runs in the control loop.

// trouble records what goes wrong with one peer. A zero time means that this is not, or no longer, a problem.
type trouble struct {
	peer        *Peer          // its last snapshot while it was present; nil if it never was
	last        time.Time      // when anything last went wrong
	failing     time.Time      // since when every attempt to connect has failed
	undelivered time.Time      // when it was last given up because its connection took no data
	taken       netip.AddrPort // the address where another peer answers; not valid if none does
	takenAt     time.Time      // since when
	short       int            // sessions in a row that were shorter than shortSession
	rival       time.Time      // when another node with its UUID was last refused
	refused     time.Time      // when it last refused us
}

const (
	// takenGrace is how long another peer must answer at a peer's address before that is a problem. If the peer is gone and another one has its
	// address, that is noticed within occupantGrace.
	takenGrace = 5 * time.Second
	// flappingSessions is how many sessions in a row must be shorter than shortSession.
	flappingSessions = 4
)

var (
	// errAddressTaken: a ROUTER without identity may belong to any peer. If another peer answers there, our HELLO would be a second one to it,
	// and end its session.
	errAddressTaken = errors.New("another peer answers at this address")
	// errAddressAwaited: the same, before it is known whether the other peer answers.
	errAddressAwaited = errors.New("another peer of this address is dialled first")
)

// dialError is an error of an attempt to connect by tcp, with the address.
type dialError struct {
	at  netip.AddrPort
	err error
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// troubleWith returns the trouble with a peer; nil if there is no room for it.
func (n *Node) troubleWith(s *session) *trouble {
	t := n.troubles[s.uuid]
	if t == nil {
		if len(n.troubles) >= n.cfg.Limits.Peers || n.stopping {
			return nil
		}
		t = new(trouble)
		n.troubles[s.uuid] = t
	}
	t.last = time.Now()
	t.peer = cmp.Or(s.snapshot.Load(), t.peer)
	return t
}

// peerShown returns the peer that a problem shows.
func (t *trouble) peerShown(s *session) *Peer {
	if t.peer != nil {
		return t.peer
	}
	p := &Peer{UUID: s.uuid, Transport: TCP, State: beacon.Unknown, PublicKey: s.key}
	if at := s.paths.Newest(); at.IsValid() {
		p.Endpoint = paths.Format(at)
	}
	return p
}

// noteFailure records a failed attempt to connect to a peer. For a session without its peer's UUID, the candidate address has that problem.
func (n *Node) noteFailure(s *session, err error) {
	if s.candidate != nil || isOurRefusal(err) {
		return
	}
	t := n.troubleWith(s)
	if t == nil {
		return
	}
	var failed *dialError
	var at netip.AddrPort
	if errors.As(err, &failed) {
		at = failed.at
	}
	switch isTaken := errors.Is(err, errAddressTaken) || errors.Is(err, zmtp.ErrWrongPeer); {
	case n.isSecure() && isRefusedBy(err):
		t.refused = t.last
		n.problems.raise(ProblemRefusedBy, s.uuid.String(), t.peerShown(s), err)
	case !isTaken:
		if at == t.taken {
			n.noteAddressFree(t)
		}
		if t.failing.IsZero() {
			t.failing = t.last
		}
		if t.last.Sub(t.failing) >= n.cfg.ExpiredTimeout {
			n.problems.raise(ProblemUnreachable, s.uuid.String(), t.peerShown(s), err)
		}
	case at != t.taken:
		n.noteAddressFree(t)
		t.taken, t.takenAt = at, t.last
	case t.last.Sub(t.takenAt) >= takenGrace:
		n.problems.raise(ProblemAddressTaken, paths.Format(at), t.peerShown(s), err)
	}
}

// noteUnreachable records that a peer exits as unreachable.
func (n *Node) noteUnreachable(s *session) {
	if t := n.troubleWith(s); t != nil {
		t.failing = t.last.Add(-n.cfg.ExpiredTimeout)
		n.problems.raise(ProblemUnreachable, s.uuid.String(), t.peerShown(s), cmp.Or(s.dialErr, errNoDialEnded))
	}
}

// noteReached records that our connection to a peer is up.
func (n *Node) noteReached(id uuid.UUID) {
	if t := n.troubles[id]; t != nil {
		t.failing = time.Time{}
		if !t.refused.IsZero() {
			t.refused = time.Time{}
			n.problems.solve(ProblemRefusedBy, id.String())
		}
		if t.undelivered.IsZero() { // otherwise a connection alone does not show that data arrives
			n.problems.solve(ProblemUnreachable, id.String())
		}
		n.noteAddressFree(t)
	}
}

// noteAddressFree records that no other peer answers at a peer's address any more, or that the address is no longer dialled.
func (n *Node) noteAddressFree(t *trouble) {
	if t.taken.IsValid() {
		n.problems.solve(ProblemAddressTaken, paths.Format(t.taken))
		t.taken, t.takenAt = netip.AddrPort{}, time.Time{}
	}
}

// noteEnd records the end of a session.
func (n *Node) noteEnd(s *session, reason Reason) {
	switch {
	case s.candidate != nil || n.stopping:
		return
	case reason == Left:
		n.forgetTrouble(s.uuid)
		return
	case reason == Expired:
		n.noteReached(s.uuid) // it is no longer seen
	}
	if s.state.isPresent() {
		n.noteShortSession(s, reason.String())
	}
}

// noteShortSession counts a session that has ended, if it was short.
func (n *Node) noteShortSession(s *session, end string) {
	if s.candidate != nil || time.Since(s.began) >= shortSession {
		return
	}
	t := n.troubleWith(s)
	if t == nil {
		return
	}
	if t.short++; t.short >= flappingSessions {
		n.problems.raise(ProblemFlapping, s.uuid.String(), t.peerShown(s),
			fmt.Errorf("%d sessions in a row, or more, ended within %v of their beginning; the last: %s", flappingSessions, shortSession, end))
	}
}

// noteRival records that another node with a peer's UUID was refused.
func (n *Node) noteRival(s *session, err error) {
	if t := n.troubleWith(s); t != nil {
		t.rival = t.last
		n.problems.raise(ProblemConflict, s.uuid.String(), t.peerShown(s), err)
	}
}

// noteRivalGone records that no other node has a peer's UUID any more.
func (n *Node) noteRivalGone(id uuid.UUID) {
	if t := n.troubles[id]; t != nil && !t.rival.IsZero() {
		t.rival = time.Time{}
		n.problems.solve(ProblemConflict, id.String())
	}
}

// noteLastingSession records that a session with a peer lasts.
func (n *Node) noteLastingSession(id uuid.UUID, t *trouble) {
	t.short = 0
	n.problems.solve(ProblemFlapping, id.String())
}

// forgetTrouble solves all problems with a peer: it is gone.
func (n *Node) forgetTrouble(id uuid.UUID) {
	if t := n.troubles[id]; t != nil {
		t.undelivered = time.Time{}
		n.noteReached(id)
		n.noteLastingSession(id, t)
		n.noteRivalGone(id)
		delete(n.troubles, id)
	}
}

// checkTroubles runs once a tick. It solves the problems that end with time.
func (n *Node) checkTroubles(now time.Time) {
	if !n.conflictAt.IsZero() && now.Sub(n.conflictAt) >= conflictPause {
		n.conflictAt = time.Time{}
		n.problems.solve(ProblemConflict, n.cfg.UUID.String())
	}
	for id, t := range n.troubles {
		s := n.sessions[id]
		if s == nil && now.Sub(t.last) >= n.cfg.ExpiredTimeout {
			n.forgetTrouble(id)
			continue
		}
		if t.short > 0 && s != nil && s.state.isPresent() && now.Sub(s.began) >= shortSession {
			n.noteLastingSession(id, t)
		}
		if now.Sub(t.rival) >= conflictPause {
			n.noteRivalGone(id)
		}
		if !t.undelivered.IsZero() && now.Sub(t.undelivered) >= 2*n.cfg.ExpiredTimeout && s != nil && s.mailbox != nil && s.delivery.stuck.IsZero() {
			t.undelivered = time.Time{}
			n.noteReached(id)
		}
		if t.failing.IsZero() && t.undelivered.IsZero() && !t.taken.IsValid() && t.short == 0 && t.rival.IsZero() && t.refused.IsZero() {
			delete(n.troubles, id)
		}
	}
}
