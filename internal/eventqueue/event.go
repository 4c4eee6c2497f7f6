package eventqueue

import (
	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/internal/memory"
)

// Kind says what an Event reports.
type Kind uint8

// The kinds of event. Per peer: one Enter, then any of the others, then one Exit.
const (
	Enter Kind = iota + 1
	Exit
	Join
	Leave
	Whisper
	Shout
	Evasive
	Silent
	State
	Leader           // of a group; Peer is the leader, which may be this node
	HeadersChanged   // of a peer
	EndpointsChanged // of this node; Peer is this node
	ProblemChanged   // of no session: a problem began, has another cause, or is solved
	Request          // a WHISPER that is a request: its first frame is the head (internal/request)
)

// Reason says why a peer exited.
type Reason uint8

// The reasons of an Exit.
const (
	Left          Reason = iota + 1 // it said GOODBYE
	Crashed                         // its connection closed without GOODBYE
	Expired                         // it was silent for the expired timeout
	LostMessages                    // a gap in its sequence numbers, or one out of order
	Replaced                        // it sent a new HELLO: it restarted, or began a new session
	NotResponding                   // its queue stayed full for the send timeout
	Unreachable                     // no connection to it could be made, or ours took no data, for the expired timeout
	Refused                         // the application, which had let it in, does not any more
)

func (r Reason) String() string {
	switch r {
	case Left:
		return "left"
	case Crashed:
		return "crashed"
	case Expired:
		return "expired"
	case LostMessages:
		return "lost messages"
	case Replaced:
		return "replaced"
	case NotResponding:
		return "not responding"
	case Unreachable:
		return "unreachable"
	case Refused:
		return "refused"
	}
	return "unknown"
}

// Event is one event about a peer, for the application.
type Event struct {
	Kind   Kind
	Reason Reason       // Exit
	State  beacon.State // State
	Err    error        // Exit for Unreachable: the error of the last attempt to dial, or that the connection takes no data
	Peer   *Peer
	Group  string        // Join, Leave, Shout, Leader; EndpointsChanged: the endpoints, with spaces between
	Frames [][]byte      // Whisper, Shout, Request; at least one. The application owns them
	Origin memory.Origin // of the frames, to give them back

	Problem *Problem // ProblemChanged; Peer is that of the problem, or empty
}

// Peer is what is known of a peer at one moment. It never changes after it was made: many events share one. Treat its map and slice as
// read-only.
type Peer struct {
	UUID      uuid.UUID
	Name      string            // from its HELLO
	Endpoint  string            // where its mailbox is on the network, "tcp://address:port"
	Headers   map[string]string // from its HELLO
	Groups    []string          // the groups it is in, in the order in which it joined them
	Transport string            // how messages reach it: "tcp", "ipc" or "inproc"
	State     beacon.State      // the last one it sent; beacon.Unknown if it sends no state
	PublicKey cert.PublicKey    // which it has proven; zero without CURVE

	// What waited to be sent to it when Peer, Peers or PeersIn was called; 0 in events.
	QueuedMessages int
	QueuedBytes    int64 // with the headers of frames

	Public any // what the application sees of it, if that is another type: see node.Config.Public
}
