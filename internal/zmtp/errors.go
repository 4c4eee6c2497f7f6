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

	// ErrQueueClosed is what a closed Queue answers; the error wraps the reason too, which is that of the connection if
	// one drained the queue.
	ErrQueueClosed = errors.New("zmtp: the queue to this peer is closed")

	// ErrClosed says that this side closed the connection or the Router. errors.Is finds net.ErrClosed in it.
	ErrClosed = fmt.Errorf("zmtp: closed by this side: %w", net.ErrClosed)

	// ErrWrongPeer says that the ROUTER has another identity than Config.Expect.
	ErrWrongPeer = errors.New("zmtp: another peer answers here")

	// ErrReplaced says that the peer connected anew under the same identity, and the new connection took over.
	ErrReplaced = errors.New("zmtp: replaced by a newer connection with the same identity")

	// ErrIdentityInUse says that another connection has the identity, and that Router.Rival lets that one go on.
	ErrIdentityInUse = errors.New("zmtp: another connection has this identity, and goes on")

	errNoKeys = errors.New("zmtp: CURVE needs a key pair of ours")

	// ErrNoWelcome is how a server of CURVE, ours and libzmq's, answers a HELLO that it cannot open.
	ErrNoWelcome = fmt.Errorf("zmtp: the peer hung up on our HELLO: it has another public key than expected, or too many handshakes: %w", io.EOF)

	// errGaveWay says that this side closed the connection before its greeting came, since its address had the most of those, or it was the oldest.
	errGaveWay = fmt.Errorf("zmtp: its place went to a handshake of another address: %w", net.ErrClosed)
)

// An ownError is one of a mechanism that says all by itself: zmq4 puts its words around what Handshake returns.
type ownError struct{ error }

// A ProtocolError says that the peer broke ZMTP (RFC 23, RFC 37), is no peer for this role, or went over one of [Limits].
type ProtocolError struct {
	Reason string // what was wrong, with the value
}

func (e *ProtocolError) Error() string { return "zmtp: peer broke the protocol: " + e.Reason }

func violation(format string, args ...any) error {
	return &ProtocolError{Reason: fmt.Sprintf(format, args...)}
}

// A PeerError is an ERROR command: the peer refuses us and says why.
type PeerError struct {
	Reason string // the peer's words
}

func (e *PeerError) Error() string {
	return fmt.Sprintf("zmtp: peer refused the connection: %q", e.Reason)
}
