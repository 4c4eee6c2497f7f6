package discovery

import "github.com/google/uuid"

// What the sessions report to a Seeker. All of it may be called from within a call of Sessions.

// SessionEnded notes that a session with a peer is over: the candidates where the peer was met are tried again. entered says that the peer
// had entered.
func (s *Seeker) SessionEnded(peer uuid.UUID, entered bool) {
	if s.stopped {
		return
	}
	for _, c := range s.met[peer] {
		if entered {
			c.attempts = 0
		}
		c.attempts++
		c.resolveAgain()
		if c.stage == resting || c.stage == queued {
			s.schedule(c, s.cfg.Pause(c.attempts))
		}
	}
}

// GreetingEnded notes that the session that [Sessions.Greet] began is over, for the reason err, and its peer has not sent its UUID.
func (s *Seeker) GreetingEnded(c *Candidate, err error) {
	if c.stage != greeting || s.stopped {
		return
	}
	s.leaveGreeting(c)
	s.failed(c, err)
	s.retryDependents(c)
}

// Identified notes the peer at a candidate, from the answer to the HELLO of a session that [Sessions.Greet] began.
func (s *Seeker) Identified(c *Candidate, peer uuid.UUID) {
	if c.stage != greeting {
		return
	}
	s.leaveGreeting(c)
	s.setPeer(c, peer)
	c.attempts = 0
	s.rest(c)
	for _, o := range c.dependents {
		if o.stage == resting {
			s.setPeer(o, peer)
			s.rest(o)
		}
	}
	c.dependents = nil
}

// Presume notes that the peer at a candidate, which is being sent HELLO, is most likely one with which there is a session.
func (s *Seeker) Presume(c *Candidate, peer uuid.UUID) {
	if c.stage != removed {
		s.setPeer(c, peer)
	}
}

// Renamed notes that the peer of a session has a UUID other than believed.
func (s *Seeker) Renamed(from, to uuid.UUID) {
	for len(s.met[from]) > 0 && from != to {
		s.setPeer(s.met[from][0], to)
	}
}
