package seek

import "github.com/google/uuid"

// What the sessions tell a Seeker. All of it may be called from within a call of Sessions.

// SessionOver: a session with a peer is over, so the candidates where the peer was met are tried again. entered says that the peer had
// entered.
func (s *Seeker) SessionOver(peer uuid.UUID, entered bool) {
	if s.stopped {
		return
	}
	for _, c := range s.met[peer] {
		if entered {
			c.attempts = 0
		}
		c.attempts++
		c.lookAgain()
		if c.stage == resting || c.stage == queued {
			s.schedule(c, s.cfg.Pause(c.attempts))
		}
	}
}

// GreetingOver: the session that [Sessions.Greet] began is over, for the reason err, and its peer has not told its UUID.
func (s *Seeker) GreetingOver(c *Candidate, err error) {
	if c.stage != greeting || s.stopped {
		return
	}
	s.leaveGreeting(c)
	s.failed(c, err)
	s.freeBeside(c)
}

// Proved: the peer at a candidate is known, by the answer to the HELLO of a session that [Sessions.Greet] began.
func (s *Seeker) Proved(c *Candidate, peer uuid.UUID) {
	if c.stage != greeting {
		return
	}
	s.leaveGreeting(c)
	s.setPeer(c, peer)
	c.attempts = 0
	s.rest(c)
	for _, o := range c.beside {
		if o.stage == resting {
			s.setPeer(o, peer)
			s.rest(o)
		}
	}
	c.beside = nil
}

// Presume: the peer at a candidate, which is being said HELLO, is most likely one with which there is a session.
func (s *Seeker) Presume(c *Candidate, peer uuid.UUID) {
	if c.stage != removed {
		s.setPeer(c, peer)
	}
}

// Renamed: the peer of a session has another UUID than was believed.
func (s *Seeker) Renamed(from, to uuid.UUID) {
	for len(s.met[from]) > 0 && from != to {
		s.setPeer(s.met[from][0], to)
	}
}
