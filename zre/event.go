package zre

import (
	"strings"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/node"
)

// Event is something that happened: an Enter, Exit, Join, Leave, Whisper, Shout, Request, StateChange, HeaderChange, Leader, Evasive, Silent, EndpointChange or
// Problem. Use a type switch, and ignore types that you do not know: later versions may add some. Subscribers get Missed,
// too.
type Event interface {
	// From returns the peer that the event is about, as it was at that moment. It is never nil; it is an empty Peer if the event is about none.
	From() *Peer
}

type (
	// Enter says that a peer is present. From now on messages can be sent to it.
	Enter struct{ Peer *Peer }

	// Exit says that a peer is gone, and why. Messages to it that were still on their way may be lost. A peer whose session broke usually enters
	// again soon; that is a new session.
	Exit struct {
		Peer   *Peer
		Reason Reason
		Err    error // for ReasonUnreachable: why the last attempt to connect failed, or how much was not acknowledged; for ReasonRefused: why; else nil
	}

	// Join says that a peer joined a group.
	Join struct {
		Peer  *Peer
		Group string
	}

	// Leave says that a peer left a group.
	Leave struct {
		Peer  *Peer
		Group string
	}

	// Whisper is a message that a peer sent to this node alone.
	Whisper struct {
		Peer *Peer

		// Frames belong to the application, for as long as it wants. There is at least one, and none is nil: a message without frames
		// has one empty frame. Small frames share memory: keeping one frame keeps 2 to 10 KiB from being freed (4 to 16 KiB in programs
		// that call Recycle), and keeping the list keeps 1.5 to 6 KiB more. To keep a few frames of many, copy them: bytes.Clone(e.Frames[0]).
		Frames [][]byte
		origin memory.Origin
	}

	// Shout is a message that a peer sent to a group that this node is in.
	Shout struct {
		Peer  *Peer
		Group string

		// Frames are as those of a Whisper.
		Frames [][]byte
		origin memory.Origin
	}

	// StateChange says that a peer changed its state (Node.SetState).
	StateChange struct {
		Peer  *Peer
		State State
	}

	// HeaderChange says that a peer changed its headers (Node.SetHeader). Peer.Headers has all headers as they are now.
	HeaderChange struct{ Peer *Peer }

	// EndpointChange says that the endpoints of this node changed, because its network interfaces or its port did.
	EndpointChange struct {
		Endpoints []string // as Node.Endpoints returns them
		self      *Peer
	}

	// Leader says that a group has a new leader: of the members that contest (Node.Contest), the one with the lowest UUID. Peer may be this node; then
	// it has this node's UUID, and no Transport. If the leader exits or leaves the group and no other member contests, no event follows; Node.Leader
	// returns false then.
	Leader struct {
		Peer  *Peer
		Group string
	}

	// Evasive says that nothing was heard of a peer for the evasive timeout. The node sends it a PING. No event follows when the peer is heard again.
	Evasive struct{ Peer *Peer }

	// Silent says that a peer did not answer for the silent timeout. It exits when the expired timeout is over.
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
func (e HeaderChange) From() *Peer { return e.Peer }

// From implements Event. It returns this node, as its peers see it.
func (e EndpointChange) From() *Peer {
	if e.self == nil {
		return &Peer{}
	}
	return e.self
}

// From implements Event.
func (e Leader) From() *Peer { return e.Peer }

// From implements Event.
func (e Evasive) From() *Peer { return e.Peer }

// From implements Event.
func (e Silent) From() *Peer { return e.Peer }

// Reason says why a peer exited.
type Reason uint8

// Why a peer exits.
const (
	ReasonLeft          Reason = Reason(node.Left)          // it said goodbye
	ReasonCrashed       Reason = Reason(node.Crashed)       // its connection closed without a goodbye
	ReasonExpired       Reason = Reason(node.Expired)       // nothing was heard of it for the expired timeout
	ReasonLostMessages  Reason = Reason(node.LostMessages)  // messages of it are missing, or it left before it had sent all
	ReasonReplaced      Reason = Reason(node.Replaced)      // it restarted, or began a new session
	ReasonNotResponding Reason = Reason(node.NotResponding) // it did not take its messages for the send timeout

	// ReasonUnreachable: this node hears the peer, but could not connect to it for the expired timeout. A firewall may be the cause, or an endpoint
	// that cannot be reached from here. Or the peer's system acknowledged none of the data that was sent to it for that long, for example because
	// large packets are lost (only Linux reports this). Exit.Err has the cause. The peer enters again when a connection works.
	ReasonUnreachable Reason = Reason(node.Unreachable)

	// ReasonRefused: the Authorizer had let the peer in, and does not any more: its certificate was removed, for example. Exit.Err has the
	// Authorizer's error.
	ReasonRefused Reason = Reason(node.Refused)
)

// String returns the reason in words, such as "left" or "lost messages".
func (r Reason) String() string { return node.Reason(r).String() }

// eventOf returns the event as the application sees it.
func (n *Node) eventOf(e *node.Event) Event {
	p := peerOf(e.Peer)
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
		return StateChange{p, State(e.State)}
	case node.Leader:
		return Leader{p, e.Group}
	case node.HeadersChanged:
		return HeaderChange{p}
	case node.EndpointsChanged:
		return EndpointChange{strings.Fields(e.Group), p}
	case node.Evasive:
		return Evasive{p}
	case node.Silent:
		return Silent{p}
	default:
		return problemOf(e.Problem)
	}
}

// Recycle returns the memory of the message to the node, which uses it for later messages. It is never needed; it saves garbage collection in
// programs that receive a lot. After it the frames, and any slice of them, must not be used: they will hold other messages.
//
// Recycle sets all frames in e.Frames to nil, and skips those that are nil already. Therefore a second call does nothing, a deferred call may follow
// WhisperNoCopy(ctx, peer, e.Frames...), and a frame that you want to keep can be set to nil in the list first. (Memory that a kept small
// frame shares with others is not reused; if you keep many, copy them.) Two goroutines must not recycle one message at the same time.
//
// Recycle cannot know whether another slice of the memory is still in use. To find such mistakes, run tests with -race, or build with -tags zrepoison:
// then recycled memory is overwritten with 0xDB, and the race detector reports the code that still uses it.
func (e Whisper) Recycle() { memory.Recycle(e.Frames, e.origin) }

// Recycle is as for Whisper.
func (e Shout) Recycle() { memory.Recycle(e.Frames, e.origin) }

// NewFrame returns memory for a frame of n bytes, with any content. It takes recycled memory if some fits. Use it for large frames that you send with
// WhisperNoCopy or ShoutNoCopy: then they cause no garbage.
//
// You may shorten the frame (f[:k]) and append within its capacity. If you cut off its capacity (f[:k:k]) or append beyond it, the memory is not
// reused; the garbage collector frees it. With -race or -tags zrepoison, reused memory is full of 0xDB.
func NewFrame(n int) []byte { return memory.New(n) }
