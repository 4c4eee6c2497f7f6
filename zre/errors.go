package zre

import "github.com/go-zre/go-zre/node"

// Errors of a node's calls, to be tested with errors.Is.
var (
	// ErrClosed: the node is closed. errors.Is(err, net.ErrClosed) holds too.
	ErrClosed = node.ErrClosed

	// ErrStarted: Start was called before, and has not failed.
	ErrStarted = node.ErrStarted

	// ErrNotStarted: the node is not started yet, so there is nobody to send to.
	ErrNotStarted = node.ErrNotStarted

	// ErrUnknownPeer: no peer of that UUID is present; it never entered, or has left.
	ErrUnknownPeer = node.ErrUnknownPeer

	// ErrPeerBusy: the queue of messages to the peer stayed full until the context or the send timeout ended. The message was
	// not queued for it. After the send timeout, not after the context, the peer is dropped as not responding.
	ErrPeerBusy = node.ErrPeerBusy

	// ErrState: a node cannot be set to this state.
	ErrState = node.ErrState

	// ErrGroup: Join, Leave or Shout was given a string that cannot name a group. The error says which, and why.
	ErrGroup = node.ErrGroup

	// ErrTooLarge: the message is larger than peers accept: 64 MiB, or 1,023 frames.
	ErrTooLarge = node.ErrTooLarge
)

// PeerError tells which peer a Whisper or Shout failed for: its UUID, its Name, Err, which is ErrUnknownPeer or ErrPeerBusy, and whether
// it was Dropped: it took nothing for the send timeout, and exits as not responding. Get it with errors.As.
type PeerError = node.PeerError
