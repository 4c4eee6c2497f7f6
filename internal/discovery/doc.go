// Package discovery finds peers that no beacon shows: through addresses that the application names, DNS SRV records, and gossip.
//
// Each address is a [Candidate]. A [Seeker] tries it, with back-off, as long as a source names it and no session leads there. It tries an
// address by asking the ROUTER there for its identity. A node of ours has one, and a session with it begins as after a beacon. Other
// implementations have none, and send their UUID only in answer to a HELLO, on a connection that they make. So the session begins without
// the peer's UUID, and learns it from that HELLO: [Sessions.Greet] begins it, [Seeker.Identified] or [Seeker.GreetingEnded] ends the wait.
//
// Sources are hints: if one no longer names an address, a session with a peer that entered does not end.
//
// Frequent operations take constant time, or logarithmic in the number of candidates, however many candidates and sessions there are.
package discovery
