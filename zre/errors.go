package zre

import "github.com/go-zre/go-zre/node"

// Errors of a node's calls, to be tested with errors.Is.
var (
	// ErrClosed: the node is closed. errors.Is(err, net.ErrClosed) holds too.
	ErrClosed = node.ErrClosed

	// ErrStarted: Start was called before, and has not failed.
	ErrStarted = node.ErrStarted

	// ErrNotStarted: Whisper, Shout, Request, Ping or Flush was called before Start has returned.
	ErrNotStarted = node.ErrNotStarted

	// ErrUnknownPeer: no peer of that UUID is present; it never entered, or has left.
	ErrUnknownPeer = node.ErrUnknownPeer

	// ErrPeerBusy: the queue of messages to the peer stayed full until the context or the send timeout ended. The message was
	// not queued for it. After the send timeout, not after the context, the peer is dropped as not responding. It comes at once for a peer
	// that was dropped before and has not caught up since, and with ShoutSkipsBusy.
	ErrPeerBusy = node.ErrPeerBusy

	// ErrUnreadEvents comes with ErrPeerBusy, and says what to do: the call waited in vain, while as many events of this node waited to be read as
	// Limits.EventOctets allows, and none was read. The peer may be waiting for this node in the same way, so it is not dropped. A program that
	// sends much reads its events in one goroutine, and sends in another; or it goes on reading, and sends the rest later.
	ErrUnreadEvents = node.ErrUnreadEvents

	// ErrStatsNotShared: the peer does not share its stats (WithSharedStats), or is of another implementation.
	ErrStatsNotShared = node.ErrStatsNotShared

	// ErrState: a node cannot be set to this state.
	ErrState = node.ErrState

	// ErrGroup: Join, Leave or Shout was given a string that cannot name a group: one that is empty, longer than 255 bytes, not UTF-8, or has
	// a NUL. The error quotes it and says why.
	ErrGroup = node.ErrGroup

	// ErrTooLarge: the message is larger than peers accept: 64 MiB, or 1,023 frames.
	ErrTooLarge = node.ErrTooLarge
)

// PeerError tells for which peer a Whisper, Shout, Request, Ping or Flush failed: its UUID, and its Name if that is known. Err is ErrUnknownPeer, ErrPeerBusy or ErrPeerGone;
// errors.Is finds these, and the context's error if that ended the wait. Dropped is set if the peer took nothing for the send timeout and its
// session was ended for that: it exits as NotResponding. Get a PeerError with errors.As.
type PeerError = node.PeerError

// LostError tells that Close or Shutdown ended with messages to a peer that Whisper or Shout had accepted, and that were not fully written: how
// many (Messages), how much of them was not (Octets, headers included), and why (Err): errors.Is finds context.DeadlineExceeded where the
// linger time ended, or the error of Shutdown's context; else it says how the session with the peer ended. The node's own messages, such as
// JOIN, do not count.
type LostError = node.LostError

// Losses returns all LostErrors in an error of Close or Shutdown; none if there are none.
func Losses(err error) []*LostError { return node.Losses(err) }
