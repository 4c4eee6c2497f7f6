package zre

import (
	"errors"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/node"
)

// Errors of a node's calls, to be tested with errors.Is.
var (
	// ErrClosed: the node is closed. errors.Is(err, net.ErrClosed) holds too.
	ErrClosed = node.ErrClosed

	// ErrStarted: Start was called before, and has not failed.
	ErrStarted = node.ErrStarted

	// ErrNotStarted: Whisper, Shout, Ping or Flush was called before Start has returned.
	ErrNotStarted = node.ErrNotStarted

	// ErrUnknownPeer: no peer of that UUID is present; it never entered, or has left.
	ErrUnknownPeer = node.ErrUnknownPeer

	// ErrPeerBusy: the queue of messages to the peer stayed full until the context or the send timeout ended. The message was
	// not queued for it. After the send timeout, not after the context, the peer is dropped as not responding. It comes at once for a peer
	// that was dropped before and has not caught up since, and with ShoutSkipsBusy.
	ErrPeerBusy = node.ErrPeerBusy

	// ErrUnreadEvents comes with ErrPeerBusy, and says what to do: the call waited in vain, while as many events of this node waited to be read as
	// Limits.EventBytes allows, and none was read. The peer may be waiting for this node in the same way, so it is not dropped. A program that
	// sends much reads its events in one goroutine, and sends in another; or it goes on reading, and sends the rest later.
	ErrUnreadEvents = node.ErrUnreadEvents

	// ErrInvalidState: a node cannot be set to this state.
	ErrInvalidState = node.ErrInvalidState

	// ErrInvalidGroup: Join, Leave or Shout was given a string that cannot name a group: one that is empty, longer than 255 bytes, not UTF-8, or has
	// a NUL. The error quotes it and says why.
	ErrInvalidGroup = node.ErrInvalidGroup

	// ErrInvalidName: a node cannot have this name: it is longer than 255 bytes, not UTF-8, or has a NUL.
	ErrInvalidName = node.ErrInvalidName

	// ErrInvalidHeader: a header cannot have this name or value, or the node sets it itself. The error says why.
	ErrInvalidHeader = node.ErrInvalidHeader

	// ErrInvalidEndpoint: the string is no endpoint, such as "tcp://10.1.0.7:5671". The error quotes it and says what it wants.
	ErrInvalidEndpoint = node.ErrInvalidEndpoint

	// ErrInvalidDomain: the DNS cannot be asked for this name.
	ErrInvalidDomain = node.ErrInvalidDomain

	// ErrInvalidOption: an option of NewNode has a value that cannot be used. Every error of NewNode is this one; some are another one too, such as
	// ErrInvalidName. The error names the option and says what it wants.
	ErrInvalidOption = errors.New("an option has a value that cannot be used")

	// ErrTooManyGroups: the node is in as many groups as Limits.GroupsPerPeer allows.
	ErrTooManyGroups = node.ErrTooManyGroups

	// ErrTooManyHeaders: the node has as many headers as Limits.Headers allows.
	ErrTooManyHeaders = node.ErrTooManyHeaders

	// ErrHelloTooLarge: the node's name, groups and headers would be more than Limits.HelloSize together.
	ErrHelloTooLarge = node.ErrHelloTooLarge

	// ErrListen: Start cannot listen at the address of WithListen or WithGossipBind, or finds no free port. The error wraps that of the operating
	// system, such as syscall.EADDRINUSE.
	ErrListen = node.ErrListen

	// ErrTooLarge: the message is larger than peers accept: 64 MiB, or 1,023 frames.
	ErrTooLarge = node.ErrTooLarge
)

// optionError is an error of NewNode, which is ErrInvalidOption, too.
type optionError struct{ error }

func (e *optionError) Unwrap() error        { return e.error }
func (e *optionError) Is(target error) bool { return target == ErrInvalidOption }

// PeerError tells for which peer a Whisper, Shout, Ping or Flush failed: its UUID, and its Name if that is known. Err is ErrUnknownPeer or ErrPeerBusy;
// errors.Is finds these, and the context's error if that ended the wait. Dropped is set if the peer took nothing for the send timeout and its
// session was ended for that: it exits as NotResponding. Get a PeerError with errors.As.
type PeerError struct {
	UUID    uuid.UUID
	Name    string // empty if it is not known
	Err     error  // ErrUnknownPeer or ErrPeerBusy; with the context's error, or ErrUnreadEvents, where these are the cause
	Dropped bool   // the session was ended, since the peer took nothing for the send timeout
}

// Error implements error.
func (e *PeerError) Error() string { return (*node.PeerError)(e).Error() }

// Unwrap returns Err.
func (e *PeerError) Unwrap() error { return e.Err }

// LostError tells that Close or Shutdown ended with messages to a peer that Whisper or Shout had accepted, and that were not fully written: how
// many (Messages), how much of them was not (Octets, headers included), and why (Err): errors.Is finds context.DeadlineExceeded where the
// linger time ended, or the error of Shutdown's context; else it says how the session with the peer ended. The node's own messages, such as
// JOIN, do not count.
type LostError struct {
	UUID     uuid.UUID
	Name     string // empty if it is not known
	Messages int    // at least 1
	Bytes    int64  // of these messages, those that were not written, with the headers of frames
	Err      error  // why
}

// Error implements error.
func (e *LostError) Error() string { return (*node.LostError)(e).Error() }

// Unwrap returns Err.
func (e *LostError) Unwrap() error { return e.Err }

// Losses returns all LostErrors in an error of Close or Shutdown; none if there are none.
func Losses(err error) (list []*LostError) {
	switch e := err.(type) {
	case *LostError:
		return []*LostError{e}
	case interface{ Unwrap() error }:
		return Losses(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, each := range e.Unwrap() {
			list = append(list, Losses(each)...)
		}
	}
	return list
}
