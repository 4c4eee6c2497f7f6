package curve

import (
	"errors"
	"fmt"
)

var (
	// ErrCommand says that a command has the wrong name, size or form.
	ErrCommand = errors.New("curve: not the command that was due")

	// ErrBox says that a box does not open: it was altered, or made with other keys. A client gets it at WELCOME if the server does not
	// have the expected key; a server gets it at HELLO if the client expected another server.
	ErrBox = errors.New("curve: a box does not open: it was altered, or the keys do not match")

	// ErrKey says that a public key is of low order, so that its shared secret is known to all, or is not in its one valid encoding.
	ErrKey = errors.New("curve: no valid public key")

	// ErrCookie says that the cookie of INITIATE is not the one of this connection's WELCOME, or older than CookieLife.
	ErrCookie = errors.New("curve: the cookie is not valid, or no longer valid")

	// ErrVouch says that the vouch is for another connection or another server.
	ErrVouch = errors.New("curve: the vouch is for another connection or server")

	// ErrNonce says that a MESSAGE came with a nonce that is not above the last one: it was replayed or moved.
	ErrNonce = errors.New("curve: a message was replayed or moved: its nonce is not above the last one")

	// ErrNoncesUsed says that a connection has sent all the messages that it can, 2^64 - 1.
	ErrNoncesUsed = errors.New("curve: no nonces are left on this connection")

	// ErrOrder says that the caller asked for a step of the handshake that was not next.
	ErrOrder = errors.New("curve: not the next step of the handshake")
)

// A RefusedError is an ERROR command: the server refuses us and gives a reason. libzmq's reasons are the three digits of ZAP (RFC 27).
type RefusedError struct {
	Reason string // the server's words, in clear and unproven
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("curve: the server refused the connection: %q", e.Reason)
}

func commandError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCommand, fmt.Sprintf(format, args...))
}

// ErrorCommand returns an ERROR command, which a server may send instead of READY. Use the reason "400" for a client that may not enter:
// libzmq then does not reconnect by itself. A reason has at most 255 octets; the rest is cut.
func ErrorCommand(reason string) []byte {
	reason = reason[:min(len(reason), 255)]
	b := make([]byte, 0, ErrorSize+len(reason))
	b = append(b, nameError...)
	b = append(b, byte(len(reason)))
	return append(b, reason...)
}

// refusal returns the content of an ERROR command, or nil if the command is another one.
func refusal(command []byte) error {
	rest, ok := cutName(command, nameError)
	if !ok {
		return nil
	}
	if len(rest) == 0 || int(rest[0]) != len(rest)-1 {
		return commandError("ERROR without a whole reason")
	}
	return &RefusedError{Reason: string(rest[1:])}
}

func cutName(command []byte, name string) (rest []byte, ok bool) {
	if len(command) < len(name) || string(command[:len(name)]) != name {
		return nil, false
	}
	return command[len(name):], true
}
