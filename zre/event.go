package zre

import (
	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/node"
)

// Event is one of Enter, Exit, Join, Leave, Whisper, Shout, Request, StateChange, Leader, Evasive, Silent and Problem: use a type switch.
type Event interface {
	// From returns the peer that the event is about, as it was at that moment. It is never nil.
	From() *Peer
}

// Peer is what is known of a peer at one moment. It does not change: a later event brings another. Treat its map and slice as
// read-only, since events share them.
type Peer struct {
	UUID      uuid.UUID
	Name      string            // as its HELLO gave it; not unique
	Endpoint  string            // where its mailbox is on the network, "tcp://address:port"
	Headers   map[string]string // the properties that its HELLO gave
	Groups    []string          // the groups it is in, as it joined them: the newest last; sort a copy to show them by name
	Transport string            // how messages reach it: "tcp", "ipc" on this host, "inproc" in this process
	State     State             // what it told last; StateUnknown for implementations without states
	PublicKey PublicKey         // which it has proven; zero if this node has no certificate

	// What waited to be sent to it when Peer, Peers, PeersIn or Choose was called; 0 in events.
	QueuedMessages int
	QueuedOctets   int64 // with the headers of frames; for a node of this process 24 more a frame
}

// State is what a node does at present, as its beacon tells.
type State = beacon.State

// The states. Nodes of other implementations have none, and show as StateUnknown.
const (
	StateInit       = beacon.Init
	StateError      = beacon.Error
	StateExit       = beacon.Exit
	StateIdle       = beacon.Idle
	StateReceiving  = beacon.Receiving
	StateProcessing = beacon.Processing
	StateUnknown    = beacon.Unknown
)

type (
	// Enter: a peer is present. It may be whispered to from now on.
	Enter struct{ Peer *Peer }

	// Exit: a peer is gone, for the reason given. Messages to it that were still on their way may be lost. A peer whose session broke enters
	// again soon, in a session of its own.
	Exit struct {
		Peer   *Peer
		Reason Reason
		Err    error // if Reason is Unreachable: why the last attempt to connect failed, or that the way takes no data; else nil
	}

	// Join: a peer entered a group.
	Join struct {
		Peer  *Peer
		Group string
	}

	// Leave: a peer left a group.
	Leave struct {
		Peer  *Peer
		Group string
	}

	// Whisper: a peer sent a message to this node.
	Whisper struct {
		Peer *Peer

		// Frames belong to the application, for as long as it likes. There is at least one: a message that came without any has an
		// empty one; none is nil. Small frames share memory: one that is kept holds all that it was cut from, 2 to 10 KiB, or 4 to 16
		// KiB where Recycle is called, and one that keeps the list holds 1.5 or 6 KiB more. To keep a few frames of many, keep copies: bytes.Clone(e.Frames[0]).
		Frames [][]byte
		origin memory.Origin
	}

	// Shout: a peer sent a message to a group that this node is in.
	Shout struct {
		Peer  *Peer
		Group string

		// Frames belong to the application. There is at least one, and one that is kept holds more memory than its own, as in a
		// Whisper: keep copies (bytes.Clone).
		Frames [][]byte
		origin memory.Origin
	}

	// StateChange: a peer told another state.
	StateChange struct {
		Peer  *Peer
		State State
	}

	// Leader: a member of a group leads it from now on: the one with the lowest UUID of those that contest (Node.Contest). Peer may be this
	// node, whose UUID it has then, and no Transport. If the leader exits or leaves the group, and no other member contests, nothing more comes:
	// Node.Leader returns false.
	Leader struct {
		Peer  *Peer
		Group string
	}

	// Evasive: a peer was silent for the evasive timeout, and is asked for a sign of life (PING). Nothing comes when it is heard again.
	Evasive struct{ Peer *Peer }

	// Silent: a peer that is Evasive has not answered, and was silent for the silent timeout. It exits if it stays silent for the expired timeout.
	Silent struct{ Peer *Peer }
)

// From implements Event.
func (e Enter) From() *Peer { return e.Peer }

// From implements Event.
func (e Exit) From() *Peer { return e.Peer }

// From implements Event.
func (e Join) From() *Peer { return e.Peer }

// From implements Event.
func (e Leave) From() *Peer { return e.Peer }

// From implements Event.
func (e Whisper) From() *Peer { return e.Peer }

// From implements Event.
func (e Shout) From() *Peer { return e.Peer }

// From implements Event.
func (e StateChange) From() *Peer { return e.Peer }

// From implements Event.
func (e Leader) From() *Peer { return e.Peer }

// From implements Event.
func (e Evasive) From() *Peer { return e.Peer }

// From implements Event.
func (e Silent) From() *Peer { return e.Peer }

// Reason says why a peer exited.
type Reason uint8

// The reasons of an Exit.
const (
	Left          = Reason(node.Left)          // it said farewell
	Crashed       = Reason(node.Crashed)       // its connection closed without a farewell
	Expired       = Reason(node.Expired)       // it was silent for the expired timeout
	LostMessages  = Reason(node.LostMessages)  // its messages had a gap, or came out of sequence; or it left before all were sent
	Replaced      = Reason(node.Replaced)      // it greeted anew: it restarted, or began a new session
	NotResponding = Reason(node.NotResponding) // it did not take its messages for the send timeout

	// Unreachable: this node heard the peer, but could not connect to it for the expired timeout: a firewall, for example, or an endpoint that
	// leads nowhere from here. Or its system acknowledged nothing of what was sent to it for as long, though the peer was heard: large packets
	// get lost on the way, for example (Linux alone tells). Exit.Err is the cause. The peer enters again when a connection succeeds, and
	// carries a HELLO.
	Unreachable = Reason(node.Unreachable)
)

// String returns the reason in words, such as "left" or "lost messages".
func (r Reason) String() string { return node.Reason(r).String() }

// eventOf makes the event that the application sees. The two Peer types are the same but for their names.
func (n *Node) eventOf(e *node.Event) Event {
	p := (*Peer)(e.Peer)
	switch e.Kind {
	case node.Enter:
		return Enter{p}
	case node.Exit:
		return Exit{p, Reason(e.Reason), e.Err}
	case node.Join:
		return Join{p, e.Group}
	case node.Leave:
		return Leave{p, e.Group}
	case node.Whisper:
		return Whisper{p, e.Frames, e.Origin}
	case node.Shout:
		return Shout{p, e.Group, e.Frames, e.Origin}
	case node.Request:
		return n.requestOf(e)
	case node.State:
		return StateChange{p, e.State}
	case node.Leader:
		return Leader{p, e.Group}
	case node.Evasive:
		return Evasive{p}
	case node.Silent:
		return Silent{p}
	default:
		return problemOf(e.Problem)
	}
}

func peersOf(list []*node.Peer) []*Peer {
	peers := make([]*Peer, len(list))
	for i, p := range list {
		peers[i] = (*Peer)(p)
	}
	return peers
}

// Recycle gives the message's memory back, to be used for others to come, instead of leaving it to the garbage collector: for programs
// that receive much. It is never needed. The frames must not be used any more, nor may any slice of one be, since their octets will be
// another message's.
//
// All frames are set to nil in the list e.Frames, as those are that WhisperGiven or ShoutGiven took from it. Recycle leaves alone what is nil
// already: a second call does nothing, a deferred one may follow WhisperGiven(ctx, peer, e.Frames...), and a frame that is to be kept may be
// taken out of the list before. (What a small one shares with others is not used again then, so a program that keeps many had better copy them.)
// Calls for one message must not come from two goroutines at the same time.
//
// What the list cannot tell is that another slice of the same memory is still in use. In a program that is built with -race, or with
// -tags zrepoison, memory that is given back is overwritten with 0xDB, and the race detector reports who uses it meanwhile: run tests with it.
func (e Whisper) Recycle() { memory.Recycle(e.Frames, e.origin) }

// Recycle is as for Whisper.
func (e Shout) Recycle() { memory.Recycle(e.Frames, e.origin) }

// NewFrame returns memory for a frame of n octets, which hold anything: what Recycle gave back, if there is some that fits. It is for
// WhisperGiven and ShoutGiven, with which large frames go round in this way without garbage.
//
// The memory is used again only with the capacity that it comes with: some octets at its end tell whose it is. A frame may be made shorter
// (f[:k]), and an append may use its capacity; but if that is cut off (f[:k:k]) or used up, the garbage collector takes the memory in the end. In
// a program that is built with -race or -tags zrepoison memory that was used before is full of 0xDB.
func NewFrame(n int) []byte { return memory.New(n) }
