package zmtp

import (
	"errors"
	"fmt"
	"io"
	"net"
)

var (
	// ErrFull is what Push returns when a queue has no room: wait for Queue.Room, or give up.
	ErrFull = errors.New("zmtp: the queue to this peer is full")

	// ErrQueueClosed is what a closed Queue returns; the error also wraps the reason, which is the connection's if one drained the queue.
	ErrQueueClosed = errors.New("zmtp: the queue to this peer is closed")

	// ErrClosed says that this side closed the connection or the Router. errors.Is finds net.ErrClosed in it.
	ErrClosed = fmt.Errorf("zmtp: closed by this side: %w", net.ErrClosed)

	// ErrWrongPeer says that the ROUTER has an identity other than Config.Expect.
	ErrWrongPeer = errors.New("zmtp: another peer answers here")

	// ErrReplaced says that the peer connected again under the same identity, and the new connection took over.
	ErrReplaced = errors.New("zmtp: replaced by a newer connection with the same identity")

	// ErrIdentityInUse says that another connection has the identity, and that Router.Rival keeps that one.
	ErrIdentityInUse = errors.New("zmtp: another connection has this identity, and stays")

	errNoKeys = errors.New("zmtp: CURVE needs a key pair of ours")

	// ErrNoWelcome says that a CURVE server, ours or libzmq's, hung up on a HELLO, as it does if it cannot open it.
	ErrNoWelcome = fmt.Errorf("zmtp: the peer hung up on our HELLO: it has another public key than expected, or too many handshakes: %w", io.EOF)

	// errGaveWay says that this side closed the connection before its greeting came, because its address had the most of those, or it was
	// the oldest.
	errGaveWay = fmt.Errorf("zmtp: its place went to a handshake of another address: %w", net.ErrClosed)
)

// An ownError is a complete error of a mechanism: zmq4 wraps what Handshake returns in its own words.
type ownError struct{ error }

// A ProtocolError says that the peer broke ZMTP (RFC 23, RFC 37), is no peer for this role, or exceeded one of [Limits].
type ProtocolError struct {
	Reason string // what was wrong, with the value
}

func (e *ProtocolError) Error() string { return "zmtp: peer broke the protocol: " + e.Reason }

func violation(format string, args ...any) error {
	return &ProtocolError{Reason: fmt.Sprintf(format, args...)}
}

// A PeerError is an ERROR command: the peer refuses us and gives a reason.
type PeerError struct {
	Reason string // the peer's words
}

func (e *PeerError) Error() string {
	return fmt.Sprintf("zmtp: peer refused the connection: %q", e.Reason)
}
