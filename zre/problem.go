package zre

import (
	"fmt"
	"time"

	"github.com/go-zre/go-zre/node"
)

// Problem is something that keeps the node from working as it should. It is an event, and what Node.Problems returns.
//
// As an event it comes when the problem begins, again when the cause becomes another (once a minute at most), and when it is solved, which
// Solved tells (one type for all of it, so that a type switch needs one case): never for each attempt that fails. What it is known by, in all of these, is Kind and About. An application that does not take its
// events may miss some; Node.Problems has what stands. At most 256 problems are listed (ProblemUnlisted).
type Problem struct {
	Kind   ProblemKind
	About  string    // what it concerns: an endpoint ("tcp://10.1.0.7:5671"), a UUID, or the name of an interface or setting; see the kinds
	Peer   *Peer     // the peer that it concerns, with what is known of it; nil if there is none
	Err    error     // the cause, for errors.Is and errors.As; nil if Kind and About say all
	Since  time.Time // when it began
	Solved bool      // it is over; false in what Node.Problems returns
}

// ProblemKind says what a Problem is. More kinds may come: treat one that you do not know by its String and Err.
type ProblemKind uint8

// The kinds of problem.
const (
	// ProblemUnreachable: a peer, or an address that WithPeers, WithSRV or gossip gave, cannot be reached, and is tried again and again.
	// About is its endpoint, or its UUID if that is known.
	ProblemUnreachable = ProblemKind(node.ProblemUnreachable)

	// ProblemFlapping: the sessions with a peer break soon after they begin, again and again. About is its UUID.
	ProblemFlapping = ProblemKind(node.ProblemFlapping)

	// ProblemConflict: two nodes have one UUID, so that others take the two for one. About is that UUID.
	ProblemConflict = ProblemKind(node.ProblemConflict)

	// ProblemAddressTaken: at the address of a peer another node answers. About is the endpoint.
	ProblemAddressTaken = ProblemKind(node.ProblemAddressTaken)

	// ProblemTooManyPeers: there are as many peers as Limits.Peers allows, and others were ignored. About is "Limits.Peers".
	ProblemTooManyPeers = ProblemKind(node.ProblemTooManyPeers)

	// ProblemContradiction: two settings contradict each other, for example WithPeers names an address on the network of an interface that
	// WithInterfaces left out. About is the endpoint.
	ProblemContradiction = ProblemKind(node.ProblemContradiction)

	// ProblemUnlisted: there are so many problems that others are not listed. About is empty.
	ProblemUnlisted = ProblemKind(node.ProblemUnlisted)
)

// String returns the kind in words, such as "too many peers".
func (k ProblemKind) String() string { return node.ProblemKind(k).String() }

// From implements Event. It is never nil: where the problem concerns no peer, an empty Peer.
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
	return Problem{ProblemKind(p.Kind), p.About, (*Peer)(p.Peer), p.Err, p.Since, p.Solved}
}
