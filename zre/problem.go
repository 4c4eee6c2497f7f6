package zre

import (
	"fmt"
	"time"

	"github.com/go-zre/go-zre/node"
)

// Problem is something that keeps the node from working as it should. It is an event, and Node.Problems returns those that are not solved.
//
// The event comes when the problem begins, when its cause changes (at most once a minute), and when it is solved (Solved). It does not come for each
// attempt that fails. Kind and About together identify a problem in all of these. An application that does not read its events may miss some;
// Node.Problems has them all, up to 256 (see ProblemUnlisted).
type Problem struct {
	Kind   ProblemKind
	About  string    // what it concerns: an endpoint ("tcp://10.1.0.7:5671"), a UUID, a domain name, or the name of an interface or setting; see the kinds
	Peer   *Peer     // the peer that it concerns, with what is known of it; nil if there is none
	Err    error     // the cause, for errors.Is and errors.As; nil if Kind and About say all
	Since  time.Time // when it began
	Solved bool      // it is over; false in what Node.Problems returns
}

// ProblemKind says what a Problem is. Later versions may have more kinds; show an unknown one by Problem.String.
type ProblemKind uint8

// The kinds of problem.
const (
	// ProblemUnreachable: this node cannot connect to an endpoint of WithPeers, WithSRV or gossip; then About is that endpoint. Or for the expired timeout it
	// could not connect to a peer whose beacons or HELLO it receives, or the peer's system acknowledged no data; then About is the UUID of the peer.
	// The node keeps trying. The problem is solved when a connection works (after unacknowledged data: when it worked for twice the expired
	// timeout), when the endpoint is no longer named, or when the peer has left or was not seen for the expired timeout.
	ProblemUnreachable ProblemKind = ProblemKind(node.ProblemUnreachable)

	// ProblemFlapping: four sessions in a row with a peer ended within 10 s after they began, for another reason than ReasonLeft. About is the UUID of
	// the peer. It is solved when a session lasts for 10 s, or when the peer is gone.
	ProblemFlapping ProblemKind = ProblemKind(node.ProblemFlapping)

	// ProblemConflict: two nodes have the same UUID. Other nodes take the two for one, and neither works properly. Give each node its own UUID. About is
	// that UUID. If it is the UUID of this node, Peer.Endpoint is where the other node is. If it is the UUID of a peer, that peer stays, and the
	// other node is refused. It is solved when the other node was not seen for a minute, or when the peer exits.
	ProblemConflict ProblemKind = ProblemKind(node.ProblemConflict)

	// ProblemAddressTaken: another node answers at the endpoint of a peer, so this node cannot connect to that peer. Either two peers announce one
	// endpoint, or beacons are out of date. About is the endpoint, and Peer is the one that cannot be reached. It is solved when the endpoint is
	// free, or when the peer has left or was not seen for the expired timeout.
	ProblemAddressTaken ProblemKind = ProblemKind(node.ProblemAddressTaken)

	// ProblemTooManyPeers: there are as many peers as Limits.Peers allows, and further ones are ignored. About is "Limits.Peers". It is solved when there
	// is room, and no peer was ignored lately.
	ProblemTooManyPeers ProblemKind = ProblemKind(node.ProblemTooManyPeers)

	// ProblemContradiction: two settings contradict each other. For example, WithPeers names an address on the network of an interface that
	// WithInterfaces left out. About is the endpoint. It is solved when the endpoint is removed, or when the network of that interface changes.
	ProblemContradiction ProblemKind = ProblemKind(node.ProblemContradiction)

	// ProblemInterfaceMissing: WithInterfaces names an interface or address that is not there. About is that name. The node waits for it. If it has no
	// other interface it sends no beacons meanwhile, and finds peers only by WithPeers, WithSRV or gossip. It is solved when the interface or address
	// is there.
	ProblemInterfaceMissing ProblemKind = ProblemKind(node.ProblemInterfaceMissing)

	// ProblemInterfacesUnknown: the operating system does not list the network interfaces, so the node sends no beacons. (On Linux, a service without
	// AF_NETLINK among its address families gets the list in another way.) About is empty. It is solved when the list is there.
	ProblemInterfacesUnknown ProblemKind = ProblemKind(node.ProblemInterfacesUnknown)

	// ProblemBeaconPort: a UDP port of the beacons cannot be opened, because another program holds it exclusively or this program may not. About is the
	// port, such as "UDP port 5670". It is solved when the port is open.
	ProblemBeaconPort ProblemKind = ProblemKind(node.ProblemBeaconPort)

	// ProblemBeacons: beacons cannot be sent or received on an interface, for example because of a firewall on this host. About is the name of the
	// interface. It is solved when they can, or when the interface is no longer used.
	ProblemBeacons ProblemKind = ProblemKind(node.ProblemBeacons)

	// ProblemNotAccepting: this node cannot accept connections, so no new peer can enter. For example, the process has no file descriptor left, the
	// listener failed, or the address to listen at is not there yet. About is where it listens, such as "tcp://[::]:49152". The node keeps trying.
	// It is solved when it listens and accepting has not failed for 5 s.
	ProblemNotAccepting ProblemKind = ProblemKind(node.ProblemNotAccepting)

	// ProblemDNS: a name cannot be resolved, because no server answers, because the records cannot be used, or because there is no such name. About is the
	// name that WithSRV asks for ("_zre._tcp.robots.example.org"), or the endpoint of WithPeers with the host name. The node keeps asking, and keeps
	// the last good answer. A name of WithSRV that does not exist is a problem only 30 s after the start, because a node often runs before its record
	// is there. It is solved by an answer, or when the name is removed.
	ProblemDNS ProblemKind = ProblemKind(node.ProblemDNS)

	// ProblemGossip: there is no connection to a gossip hub of WithGossipConnect. About is its endpoint. The node keeps trying. It is solved when there is
	// a connection, or by DisconnectGossip.
	ProblemGossip ProblemKind = ProblemKind(node.ProblemGossip)

	// ProblemRefused: this node refuses a peer that has proven its key: the authorizer refuses it, the key claims the UUID of a peer that has another
	// key, or its HELLO names another key. About is the key. It is solved when the key is let in, or was not refused for 10 min. Up to 64 keys are
	// listed; About is empty for all others together.
	ProblemRefused ProblemKind = ProblemKind(node.ProblemRefused)

	// ProblemRefusedBy: a peer refuses this node, whose certificate it does not let in. About is the UUID of the peer, or the endpoint of WithPeers,
	// WithSRV or gossip. The node keeps trying. It is solved when the peer lets the node in, is gone, or is no longer looked for.
	ProblemRefusedBy ProblemKind = ProblemKind(node.ProblemRefusedBy)

	// ProblemNoKey: an endpoint or domain of WithPeers, WithSRV or WithGossipConnect comes without a public key, and this node has a certificate, so
	// it says nothing there. About is the endpoint or the domain. Use "tcp://host:port|KEY". It is solved when the endpoint is removed.
	ProblemNoKey ProblemKind = ProblemKind(node.ProblemNoKey)

	// ProblemUnlisted: there are so many problems that further ones are not listed. About is empty. It is solved when there are half as many.
	ProblemUnlisted ProblemKind = ProblemKind(node.ProblemUnlisted)
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
