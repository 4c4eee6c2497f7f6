package zre

import (
	"fmt"
	"time"

	"github.com/go-zre/go-zre/node"
)

// Problem is something that keeps the node from working as it should. It is an event, and what Node.Problems returns.
//
// As an event it comes when the problem begins, when its cause changes (once a minute at most), and when it is solved: then Solved is set. It
// does not come for each attempt that fails. Kind and About together identify a problem in all of these. An application that does not take its
// events may miss some; Node.Problems returns those that stand. At most 256 are listed (ProblemUnlisted).
type Problem struct {
	Kind   ProblemKind
	About  string    // what it concerns: an endpoint ("tcp://10.1.0.7:5671"), a UUID, a domain name, or the name of an interface or setting; see the kinds
	Peer   *Peer     // the peer that it concerns, with what is known of it; nil if there is none
	Err    error     // the cause, for errors.Is and errors.As; nil if Kind and About say all
	Since  time.Time // when it began
	Solved bool      // it is over; false in what Node.Problems returns
}

// ProblemKind says what a Problem is. Later versions may have more kinds: show one that you do not know by Problem.String.
type ProblemKind uint8

// The kinds of problem.
const (
	// ProblemUnreachable: this node cannot connect to an address that WithPeers, WithSRV or gossip names; then About is that endpoint. Or it
	// could not connect for the expired timeout to a peer that shows itself by beacons or a HELLO, or the way to it took no data; then About is
	// the peer's UUID. It tries on. It is solved when a connection succeeds (and was well for twice the expired timeout, if the way took no
	// data), when the address is not named any more, or when the peer has left or was not seen for the expired timeout.
	ProblemUnreachable = ProblemKind(node.ProblemUnreachable)

	// ProblemFlapping: four sessions in a row with a peer ended within 10 s of their beginning, for another reason than Left. About is the peer's
	// UUID. It is solved when a session lasts for 10 s, or when the peer is gone.
	ProblemFlapping = ProblemKind(node.ProblemFlapping)

	// ProblemConflict: two nodes have one UUID, so that others take the two for one, and neither works as it should. Give each node a UUID of its
	// own. About is that UUID. If it is this node's own, Peer.Endpoint is where the other node is. If it is a peer's, that peer stays, and the
	// other node is refused. It is solved when the other node was not seen for a minute, or when the peer exits.
	ProblemConflict = ProblemKind(node.ProblemConflict)

	// ProblemAddressTaken: another node answers at the address of a peer, so this node cannot connect to that peer: two peers name one
	// endpoint, or beacons are out of date. About is the endpoint, Peer the one that is not reached. It is solved when the address is free, or
	// when the peer has left or was not seen for the expired timeout.
	ProblemAddressTaken = ProblemKind(node.ProblemAddressTaken)

	// ProblemTooManyPeers: there are as many peers as Limits.Peers allows, and others are ignored. About is "Limits.Peers". It is solved when
	// there is room, and none was ignored of late.
	ProblemTooManyPeers = ProblemKind(node.ProblemTooManyPeers)

	// ProblemContradiction: two settings contradict each other, for example WithPeers names an address on the network of an interface that
	// WithInterfaces left out. About is the endpoint.
	ProblemContradiction = ProblemKind(node.ProblemContradiction)

	// ProblemInterfaceMissing: WithInterfaces names an interface or address that is not there. About is that name. The node waits for it; with no other
	// interface it sends no beacons meanwhile, and is found by static peers alone. It is solved when the interface or address is there.
	ProblemInterfaceMissing = ProblemKind(node.ProblemInterfaceMissing)

	// ProblemInterfacesUnknown: the system does not tell which network interfaces there are, so that no beacons are sent. (On Linux a service without
	// AF_NETLINK among its address families is told in another way.) It is solved when it tells. About is empty.
	ProblemInterfacesUnknown = ProblemKind(node.ProblemInterfacesUnknown)

	// ProblemBeaconPort: a UDP port of the beacons cannot be opened. Another program holds it alone, or this one may not. About is the port, such
	// as "UDP port 5670". It is solved when the port is open.
	ProblemBeaconPort = ProblemKind(node.ProblemBeaconPort)

	// ProblemBeacons: beacons cannot be sent or heard by an interface, for example because of a firewall on this host. About is its name. It is
	// solved when they can, or when the interface is not used any more.
	ProblemBeacons = ProblemKind(node.ProblemBeacons)

	// ProblemNotAccepting: the system does not let this node accept connections, for example since the process has no file descriptor left, or its
	// listener is gone, or the address to listen at is not there yet; so no new peer can enter. About is where it listens, such as "tcp://[::]:49152", Err says why. The node tries on. It is
	// solved when accepting did not fail for 5 s, or the node listens.
	ProblemNotAccepting = ProblemKind(node.ProblemNotAccepting)

	// ProblemDNS: a name is not resolved: no server answers, or none that can; the records cannot be used; or there is no such name. About is the name
	// that WithSRV makes ("_zre._tcp.robots.example.org"), or the endpoint of WithPeers with the host name. It is looked up on, and what it led to before is
	// kept. That nobody is there by a name of WithSRV is a problem only if it has been so for 30 s from the start, since a node often runs before its
	// record is there. It is solved by an answer, or when the name is removed.
	ProblemDNS = ProblemKind(node.ProblemDNS)

	// ProblemGossip: there is no connection to a gossip hub of WithGossipConnect. About is its endpoint. The node tries on. It is solved when there is a
	// connection, or by DisconnectGossip.
	ProblemGossip = ProblemKind(node.ProblemGossip)

	// ProblemUnlisted: there are so many problems that others are not listed. About is empty.
	ProblemUnlisted = ProblemKind(node.ProblemUnlisted)
)

// String returns the kind in words, such as "too many peers".
func (k ProblemKind) String() string { return node.ProblemKind(k).String() }

// From implements Event. It returns an empty Peer, never nil, if the problem concerns none.
func (p Problem) From() *Peer {
	if p.Peer == nil {
		return &Peer{}
	}
	return p.Peer
}

// String returns the problem in words: "unreachable tcp://10.1.0.7:5671: connection refused".
func (p Problem) String() string {
	text := p.Kind.String()
	if p.About != "" {
		text += " " + p.About
	}
	if p.Solved {
		return text + ": solved"
	}
	if p.Err != nil {
		text += fmt.Sprintf(": %v", p.Err)
	}
	return text
}

func problemOf(p *node.Problem) Problem {
	return Problem{ProblemKind(p.Kind), p.About, peerOf(p.Peer), p.Err, p.Since, p.Solved}
}
