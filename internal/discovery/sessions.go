package discovery

import "github.com/google/uuid"

// Sessions is what a Seeker needs of the node's sessions. The Seeker calls it in the control loop, so it must not wait. The sessions report
// their outcome by [Seeker.SessionEnded], [Seeker.GreetingEnded], [Seeker.Identified], [Seeker.Presume] and [Seeker.Renamed].
type Sessions interface {
	// At returns a peer whose session leads, or may lead, to a place. Sessions that Greet began do not count. It takes constant time.
	At(at Place) (peer uuid.UUID, found bool)

	// With tells whether there is a session with a peer, and whether that peer is of another implementation, as far as is known.
	With(peer uuid.UUID) (found, isForeign bool)

	// Meet begins a session with a peer that is at a place, or adds the address to the existing session. The error is ErrTooManyPeers, or
	// says why that peer cannot be there.
	Meet(peer uuid.UUID, at Place) error

	// Greet begins a session with the peer at a candidate, whose UUID is not known. It returns false if there are too many peers.
	Greet(c *Candidate) bool

	// End ends the session that Greet began, because no source names the candidate any longer.
	End(c *Candidate)
}
