package discovery

import (
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
)

// ErrTooManyPeers says that there is no room for another session. It is the node's problem, not the candidate's.
var ErrTooManyPeers = errors.New("too many peers")

// schedule queues a candidate to be tried after d.
func (s *Seeker) schedule(c *Candidate, d time.Duration) {
	if s.stopped {
		return
	}
	c.stage = queued
	q := &s.queues[1]
	if c.IsFrom(Configured) {
		q = &s.queues[0]
	}
	s.enqueue(c, q, time.Now().Add(d))
	s.setTimer()
}

// try begins an attempt, if one is needed. The candidate is in no queue.
func (s *Seeker) try(c *Candidate) {
	switch {
	case s.cfg.IsOwn(c.At()):
		s.endTurn(c)
		s.schedule(c, ownPause)
	case s.isReached(c):
		s.endTurn(c)
		s.rest(c)
	default:
		c.stage = probing
		s.probes++
		s.cfg.Go(func() {
			id, named, err := s.cfg.Probe(s.cfg.Context, c.at)
			s.cfg.Post(func() {
				s.probes--
				s.endTurn(c)
				if !s.stopped && c.stage == probing {
					s.probed(c, id, named, err)
				}
				s.Run()
			})
		})
	}
}

// endTurn gives up a candidate's turn to be sent HELLO next.
func (s *Seeker) endTurn(c *Candidate) {
	if s.next == c {
		s.next = nil
	}
}

// probed handles the result of an attempt.
func (s *Seeker) probed(c *Candidate, id uuid.UUID, named bool, err error) {
	if err != nil {
		s.failed(c, err)
		return
	}
	switch {
	case named && id == s.cfg.Self:
		s.clearProblem(c)
		s.schedule(c, ownPause)
	case s.isReached(c):
		s.rest(c)
	case named:
		s.clearProblem(c)
		s.setPeer(c, id)
		c.stage = resting
		if err := s.cfg.Sessions.Meet(id, c.at); err != nil {
			s.failed(c, err)
		}
	case !c.IsFrom(Gossip) && s.isHelloPending(time.Now()):
		c.stage = waiting
		s.enqueue(c, &s.waiting, time.Now())
	default: // the HELLO that comes back solves what was wrong
		s.greet(c)
	}
}

// greet begins a session with a peer that has no identity.
func (s *Seeker) greet(c *Candidate) {
	c.stage, c.greeted = greeting, time.Now()
	s.greeted = append(s.greeted, c)
	c.note()
	if !s.cfg.Sessions.Greet(c) {
		s.leaveGreeting(c)
		s.failed(c, ErrTooManyPeers)
	}
}

// leaveGreeting notes that a session that Greet began is over, or has its peer's UUID.
func (s *Seeker) leaveGreeting(c *Candidate) {
	if c.stage == greeting {
		c.stage = resting
		s.greeted = slices.DeleteFunc(s.greeted, func(o *Candidate) bool { return o == c })
		s.setTimer()
	}
}

// rest leaves a candidate alone until the session that leads there is over.
func (s *Seeker) rest(c *Candidate) {
	c.stage = resting
	s.clearProblem(c)
}

// failed notes that an attempt failed, or the session that it began.
func (s *Seeker) failed(c *Candidate, err error) {
	c.attempts++
	c.resolveAgain()
	if s.isReached(c) {
		s.rest(c)
		return
	}
	if !errors.Is(err, ErrTooManyPeers) { // the node reports that itself
		c.isReported = true
		s.cfg.Report(c, err)
	}
	pause := s.cfg.Pause(c.attempts)
	if c.attempts > hearsayAttempts && !c.IsFrom(Configured) {
		pause += hearsayPause
	}
	s.schedule(c, pause)
}

// clearProblem reports that a peer is met at a candidate, or that the candidate is no longer tried.
func (s *Seeker) clearProblem(c *Candidate) {
	if c.isReported {
		c.isReported = false
		s.cfg.Report(c, nil)
	}
}

// isReached tells whether there is a session with the peer at a candidate, and notes the peer.
func (s *Seeker) isReached(c *Candidate) bool {
	if s.hasSession(c.peer) {
		return true
	}
	for _, src := range c.sources {
		if src.Kind == Gossip && s.hasSession(src.Peer) {
			s.setPeer(c, src.Peer)
			return true
		}
	}
	if id, ok := s.cfg.Sessions.At(c.at); ok {
		s.setPeer(c, id)
		return true
	}
	return s.isReachedByOtherFamily(c)
}

func (s *Seeker) hasSession(id uuid.UUID) bool {
	if id == uuid.Nil {
		return false
	}
	found, _ := s.cfg.Sessions.With(id)
	return found
}

// isReachedByOtherFamily is isReached for the other address of a host name with addresses of both families: a peer without identity would take a
// HELLO to the second one for a new session.
func (s *Seeker) isReachedByOtherFamily(c *Candidate) bool {
	for _, src := range c.sources {
		for _, o := range src.met {
			if o.at.Addr().Is4() == c.at.Addr().Is4() {
				continue
			}
			if o.stage == greeting {
				o.dependents = append(o.dependents, c)
				return true
			}
			if found, isForeign := s.cfg.Sessions.With(o.peer); found && isForeign {
				s.setPeer(c, o.peer)
				return true
			}
		}
	}
	return false
}

// retryDependents schedules the candidates that waited for the outcome of c.
func (s *Seeker) retryDependents(c *Candidate) {
	dependents := c.dependents
	c.dependents = nil
	for _, o := range dependents {
		if o.stage == resting {
			s.schedule(o, s.cfg.Pause(max(c.attempts, 1)))
		}
	}
}

// setPeer notes the peer that is at a candidate; Nil for none.
func (s *Seeker) setPeer(c *Candidate, id uuid.UUID) {
	if c.peer == id {
		return
	}
	if c.peer != uuid.Nil {
		list := s.met[c.peer]
		last := len(list) - 1
		list[c.metIndex] = list[last]
		list[c.metIndex].metIndex = c.metIndex
		list[last] = nil
		if s.met[c.peer] = list[:last]; last == 0 {
			delete(s.met, c.peer)
		}
	}
	if c.peer = id; id == uuid.Nil {
		return
	}
	c.metIndex = len(s.met[id])
	s.met[id] = append(s.met[id], c)
	c.note()
}
