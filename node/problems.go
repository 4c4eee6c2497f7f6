package node

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/internal/eventqueue"
)

// problemTexts holds the log messages for the beginning and the end of each kind of problem.
var problemTexts = map[ProblemKind]struct{ begins, ends string }{
	ProblemUnreachable:       {"cannot reach a peer, still trying", "the peer is reached, or no longer looked for"},
	ProblemFlapping:          {"sessions with a peer break again and again", "the session with the peer lasts"},
	ProblemConflict:          {"two nodes have the same UUID", "one node has the UUID"},
	ProblemAddressTaken:      {"another node answers at the address of a peer", "the address is the peer's"},
	ProblemTooManyPeers:      {"too many peers, new ones are ignored", "there is room for peers again"},
	ProblemContradiction:     {"two settings contradict each other", "the settings agree"},
	ProblemInterfaceMissing:  {"a chosen interface or address is missing, waiting for it", "the interface or address is here"},
	ProblemInterfacesUnknown: {"the network interfaces cannot be listed, no beacons meanwhile", "the network interfaces are known"},
	ProblemBeaconPort:        {"a UDP port of the beacons cannot be opened, still trying", "the UDP port of the beacons is open"},
	ProblemBeacons:           {"some beacons cannot be sent or received, still trying", "all beacons can be sent and received"},
	ProblemNotAccepting:      {"cannot accept now, still trying", "connections are accepted again"},
	ProblemDNS:               {"the DNS does not resolve a name, still trying", "the name is resolved, or no longer looked up"},
	ProblemGossip:            {"no connection to a gossip hub, still trying", "the gossip hub is connected, or no longer wanted"},
	ProblemRefused:           {"a peer is refused", "the peer is let in, or no longer tries"},
	ProblemRefusedBy:         {"a peer refuses this node, still trying", "the peer lets this node in, or is no longer looked for"},
	ProblemNoKey:             {"a secure node does not connect to an endpoint whose public key it does not have", "the endpoint is no longer wanted"},
	ProblemUnlisted:          {"too many problems, others are not listed", "all problems are listed"},
}

// cause returns the text of a problem's cause, without what changes from attempt to attempt.
func cause(err error) string {
	if err == nil {
		return ""
	}
	return root(err)
}

// root returns the text of the innermost error, without what changes from attempt to attempt, such as our port.
func root(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

const (
	// maxProblems bounds the list of problems: other nodes can cause some.
	maxProblems = 256
	// causePause is the least time between two reports of one problem whose cause changes.
	causePause = time.Minute
)

// problems is the list of current problems. One log line and one event report each change: a problem begins, has another cause (at most once
// in causePause), or is solved. Its methods may be called from any goroutine, and do not block.
type problems struct {
	log    zerolog.Logger
	events *eventqueue.Queue

	mu       sync.Mutex // guards all fields below, and the order of the events
	current  map[problemKey]*currentProblem
	unlisted int // problems raised while there was no room
}

// problemKey identifies a problem.
type problemKey struct {
	kind  ProblemKind
	about string
}

// currentProblem is a current problem.
type currentProblem struct {
	problem       Problem
	reportedCause string // the cause that was last reported
	reportedAt    time.Time
	level         zerolog.Level
}

// raise reports a problem of a kind that concerns about (an endpoint, a UUID, an interface). peer and err, the cause, may be nil. Each failed
// attempt raises the same problem again: it keeps its Since, and gets the new cause.
func (s *problems) raise(kind ProblemKind, about string, peer *Peer, err error) {
	s.raiseAt(zerolog.WarnLevel, kind, about, peer, err)
}

// raiseAt is raise with a log level.
func (s *problems) raiseAt(level zerolog.Level, kind ProblemKind, about string, peer *Peer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	key := problemKey{kind, about}
	p := s.current[key]
	if p == nil {
		if len(s.current) >= maxProblems && kind != ProblemUnlisted {
			s.unlisted++
			s.log.WithLevel(zerolog.DebugLevel).Stringer("problem", kind).Str("about", about).AnErr("reason", err).Msg("problem not listed")
			key = problemKey{kind: ProblemUnlisted}
			if s.current[key] != nil {
				return
			}
			kind, about, peer, err, level = ProblemUnlisted, "", nil, nil, zerolog.WarnLevel
		}
		if s.current == nil {
			s.current = make(map[problemKey]*currentProblem)
		}
		p = &currentProblem{problem: Problem{Kind: kind, About: about, Since: now}, level: level}
		s.current[key] = p
	}
	p.problem.Peer, p.problem.Err = cmp.Or(peer, p.problem.Peer), err
	text := cause(p.problem.Err)
	if !p.reportedAt.IsZero() && (text == p.reportedCause || now.Sub(p.reportedAt) < causePause) {
		return
	}
	p.reportedCause, p.reportedAt = text, now
	s.log.WithLevel(p.level).Stringer("problem", kind).Str("about", about).AnErr("reason", err).Msg(problemTexts[kind].begins)
	s.report(p.problem)
}

// solve reports that a problem is over. It does nothing if there is none.
func (s *problems) solve(kind ProblemKind, about string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(problemKey{kind, about})
	if s.unlisted > 0 && len(s.current) <= maxProblems/2 { // not at once: one more problem would begin it again
		s.unlisted = 0
		s.end(problemKey{kind: ProblemUnlisted})
	}
}

// end needs mu.
func (s *problems) end(key problemKey) {
	p := s.current[key]
	if p == nil {
		return
	}
	delete(s.current, key)
	p.problem.Solved = true
	level := min(p.level, zerolog.InfoLevel)
	s.log.WithLevel(level).Stringer("problem", key.kind).Str("about", key.about).Time("since", p.problem.Since).Msg(problemTexts[key.kind].ends)
	s.report(p.problem)
}

// report needs mu.
func (s *problems) report(p Problem) {
	s.events.Announce(Event{Kind: ProblemChanged, Peer: cmp.Or(p.Peer, &Peer{}), Problem: &p})
}

// list returns the current problems, sorted by kind and what they concern.
func (s *problems) list() []Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Problem, 0, len(s.current))
	for _, p := range s.current {
		list = append(list, p.problem)
	}
	slices.SortFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.About, b.About))
	})
	for i := range list {
		if list[i].Kind == ProblemUnlisted {
			list[i].Err = fmt.Errorf("raised %d times without room to list them", s.unlisted)
		}
	}
	return list
}

// Problems returns the current problems, sorted by kind and what they concern.
func (n *Node) Problems() []Problem { return n.problems.list() }
