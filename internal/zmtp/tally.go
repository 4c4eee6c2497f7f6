package zmtp

import "sync/atomic"

// A Tally counts what became of the connections that a Router accepted.
type Tally struct {
	Accepted uint64 // by its listeners
	Failed   uint64 // in the handshake: not ZMTP, another mechanism, not authorized, or too slow
	Refused  uint64 // no room, Allow or accept said no, or the identity is in use; links within the process too
	Broken   uint64 // after the handshake, because the peer broke the protocol
}

// tally is a Tally that grows.
type tally struct{ accepted, failed, refused, broken atomic.Uint64 }

// Tally returns what became of the connections so far.
func (r *Router) Tally() Tally {
	t := &r.tally
	return Tally{t.accepted.Load(), t.failed.Load(), t.refused.Load(), t.broken.Load()}
}
