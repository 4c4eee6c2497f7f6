package main

import (
	"context"
	"errors"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// Codes of error events, for programs. Codes do not change; new ones may be added.
var errorCodes = []struct {
	code string
	is   func(error) bool
}{
	{"command", func(err error) bool { var wrong *commandError; return errors.As(err, &wrong) }},
	{"no_handler", isError(zre.ErrNoHandler)},
	{"reply_error", func(err error) bool { var said *zre.ReplyError; return errors.As(err, &said) }},
	{"unknown_peer", isError(zre.ErrUnknownPeer)}, // an ErrPeerGone, too
	{"peer_gone", isError(zre.ErrPeerGone)},
	{"ending", isError(errPipeEnded)}, // wrapped together with ErrPeerBusy
	{"ending", isError(zre.ErrClosed)},
	{"busy", isError(zre.ErrPeerBusy)},
	{"timeout", isError(context.DeadlineExceeded)},
	{"too_large", isError(zre.ErrTooLarge)},
	{"invalid", isInvalid},
}

// codesHelp lists the codes in the help.
const codesHelp = "command (it is malformed), unknown_peer, busy, timeout, reply_error, no_handler, peer_gone, invalid (a group, state, endpoint or domain), too_large or ending; later versions may have more"

// codeOf returns the code of an error, or "" if it has none.
func codeOf(err error) string {
	for _, c := range errorCodes {
		if c.is(err) {
			return c.code
		}
	}
	return ""
}

func isError(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// isInvalid tells whether an error is about an unusable value.
func isInvalid(err error) bool {
	return errors.Is(err, zre.ErrInvalidGroup) || errors.Is(err, zre.ErrInvalidState) || errors.Is(err, zre.ErrInvalidEndpoint) || errors.Is(err, zre.ErrInvalidDomain)
}

// commandError is the error of a malformed command.
type commandError struct{ error }

func (e *commandError) Unwrap() error { return e.error }

// malformed returns what is wrong with the command as written, or nil.
func (c *command) malformed() error {
	if c.err == nil {
		return nil
	}
	return &commandError{c.err}
}

// timeoutError is the cause of a timeout, in terms of the command.
type timeoutError struct {
	what string
	time time.Duration
}

func (e *timeoutError) Error() string        { return e.what + " within " + e.time.String() }
func (e *timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// replyFailure is an error reply of a peer.
type replyFailure struct{ *zre.ReplyError }

func (e *replyFailure) Error() string { return "request: the reply is an error: " + e.Text }
func (e *replyFailure) Unwrap() error { return e.ReplyError }
