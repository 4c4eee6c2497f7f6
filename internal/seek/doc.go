// Package seek finds peers that no beacon shows: by addresses that the application names, that the DNS has in SRV records, and that gossip
// tells of.
//
// Each address is a [Candidate]. A [Seeker] tries it, with back-off, as long as a source names it and no session leads there. To try
// means to ask the ROUTER there for its identity. A node of ours has one, and a session with it begins as if it had beaconed. Other
// implementations have none, and tell their UUID in answer to a HELLO only, on a connection that they make. So a session begins without the
// peer's UUID, and learns it from that HELLO: [Sessions.Greet] begins it, [Seeker.Proved] or [Seeker.GreetingOver] ends the wait.
//
// Sources are hints: one that names an address no longer ends no session with a peer that entered.
//
// What happens often takes constant time, or logarithmic in the number of candidates, however many candidates and sessions there are.
package seek
