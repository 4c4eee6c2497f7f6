package zre

import (
	"errors"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/node"
)

// The errors of calls, for errors.Is. The table in the package documentation says which call returns which, and what to do.
var (
	// ErrClosed says that the node is closed. It is a net.ErrClosed, too.
	ErrClosed = node.ErrClosed

	// ErrStarted says that Start was called before.
	ErrStarted = node.ErrStarted

	// ErrNotStarted says that the call is possible only after Start has returned.
	ErrNotStarted = node.ErrNotStarted

	// ErrUnknownPeer says that no peer with this UUID is present: it has not entered, or it has exited. It is an ErrPeerGone, too. Nothing was sent.
	ErrUnknownPeer = node.ErrUnknownPeer

	// ErrPeerBusy says that the queue of the peer was full until the context or the send timeout ended, so the message is not sent to it. If it was
	// the send timeout, the peer is dropped (PeerError.Dropped). The error comes at once for a peer that was dropped before and has not
	// caught up since, and with ShoutSkipsBusy.
	ErrPeerBusy = node.ErrPeerBusy

	// ErrUnreadEvents comes with ErrPeerBusy and gives the reason: while the call waited, this program read none of its own events, and there was no
	// room for more (Limits.EventBytes). The peer may be waiting for this node in the same way, so it is not dropped. Read the events in one goroutine
	// and send in another; or read on, and send the rest later.
	ErrUnreadEvents = node.ErrUnreadEvents

	// ErrStatsNotShared says that the peer does not share its stats (WithSharedStats), or is of another implementation.
	ErrStatsNotShared = node.ErrStatsNotShared

	// ErrInvalidState says that a node cannot be set to this state.
	ErrInvalidState = node.ErrInvalidState

	// ErrInvalidGroup says that a string cannot name a group: it is empty, longer than 255 bytes, not UTF-8, or has a NUL.
	ErrInvalidGroup = node.ErrInvalidGroup

	// ErrInvalidName says that a node cannot have this name: it is longer than 255 bytes, not UTF-8, or has a NUL.
	ErrInvalidName = node.ErrInvalidName

	// ErrInvalidHeader says that a header cannot have this name or value, or that only the node itself sets it.
	ErrInvalidHeader = node.ErrInvalidHeader

	// ErrInvalidEndpoint says that a string is not an endpoint, such as "tcp://10.1.0.7:5671".
	ErrInvalidEndpoint = node.ErrInvalidEndpoint

	// ErrInvalidDomain says that a string is not a domain name.
	ErrInvalidDomain = node.ErrInvalidDomain

	// ErrInvalidOption says that an option of NewNode has a value that cannot be used. Every error of NewNode is this one; some are a second one, too,
	// such as ErrInvalidName.
	ErrInvalidOption = errors.New("an option has a value that cannot be used")

	// ErrTooManyGroups says that the node is in as many groups as Limits.GroupsPerPeer allows.
	ErrTooManyGroups = node.ErrTooManyGroups

	// ErrTooManyHeaders says that the node has as many headers as Limits.Headers allows.
	ErrTooManyHeaders = node.ErrTooManyHeaders

	// ErrHelloTooLarge says that the name, groups and headers of the node are larger together than Limits.HelloSize allows.
	ErrHelloTooLarge = node.ErrHelloTooLarge

	// ErrListen says that Start could not listen: at the address of WithListen or WithGossipBind, or at any port. The error of the operating system is
	// in it, such as syscall.EADDRINUSE.
	ErrListen = node.ErrListen

	// ErrTooLarge says that the message is larger than peers accept: 64 MiB or 1,023 frames, unless Limits says otherwise.
	ErrTooLarge = node.ErrTooLarge

	// ErrPeerGone says that the peer is gone. If the error is not an ErrUnknownPeer, too, the peer left, or its session broke, after a request was sent to
	// it and before it replied; it may have done what was asked.
	ErrPeerGone = node.ErrPeerGone

	// ErrNoHandler says that the peer has nothing that handles the request: its Mux has no handler, or it discards messages (WithSendOnly).
	ErrNoHandler = node.ErrNoHandler

	// ErrTooManyRequests says that as many requests of this node wait for their replies as Limits.Requests allows.
	ErrTooManyRequests = node.ErrTooManyRequests

	// ErrReplied says that the request was answered before.
	ErrReplied = errors.New("the request was answered before")
)

// optionError is an error of NewNode. It is also an ErrInvalidOption.
type optionError struct{ error }

func (e *optionError) Unwrap() error        { return e.error }
func (e *optionError) Is(target error) bool { return target == ErrInvalidOption }

// PeerError says for which peer a Whisper, Shout, Request, Ping or Flush failed. Get it with errors.As. The error of a Shout joins one for each peer that the
// message was not sent to.
type PeerError struct {
	UUID    uuid.UUID
	Name    string // empty if it is not known
	Err     error  // ErrUnknownPeer, ErrPeerBusy, ErrPeerGone or ErrNoHandler, or the context's error; joined with its cause, such as ErrUnreadEvents, if there is one
	Dropped bool   // the peer took nothing for the send timeout, so it exits (ReasonNotResponding)
}

// Error implements error. Of the name it escapes what could steer a terminal; the same holds for a LostError and a ReplyError.
func (e *PeerError) Error() string { return (*node.PeerError)(e).Error() }

// Unwrap returns Err.
func (e *PeerError) Unwrap() error { return e.Err }

// ReplyError says that a peer answered a request with an error. Get it with errors.As.
type ReplyError struct {
	UUID uuid.UUID
	Name string // empty if it is not known
	Text string // what the peer's program gave to Request.ReplyError
}

// Error implements error.
func (e *ReplyError) Error() string { return (*node.ReplyError)(e).Error() }

// LostError says that Close or Shutdown ended before all messages to a peer were sent: messages that Whisper or Shout had accepted. Get one with
// errors.As, or all with Losses. Messages of the node itself, such as JOIN, do not count.
type LostError struct {
	UUID     uuid.UUID
	Name     string // empty if it is not known
	Messages int    // at least 1
	Bytes    int64  // of these messages that were not sent, including frame headers
	Err      error  // why: context.DeadlineExceeded if the linger time ended, the error of Shutdown's context, or how the session ended
}

// Error implements error.
func (e *LostError) Error() string { return (*node.LostError)(e).Error() }

// Unwrap returns Err.
func (e *LostError) Unwrap() error { return e.Err }

// Losses returns all LostErrors in an error of Close or Shutdown.
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
