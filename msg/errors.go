package msg

import (
	"errors"
	"fmt"
)

// What Decode returns; use errors.Is. ErrLimit is also returned when sending.
var (
	// ErrSignature: the message does not start with AA A1 (or there is no octet to
	// tell). It is not ZRE, for instance traffic for a former user of the port.
	// Discard it silently and do not count it in the sequence (RFC 36, "Protocol
	// Signature").
	ErrSignature = errors.New("msg: not a ZRE message: signature AA A1 missing")

	// ErrVersion: ZRE, but the version octet is not 2 or is cut off. Discard it and
	// do not count it in the sequence (RFC 36, "Versioning").
	ErrVersion = errors.New("msg: ZRE version is not 2")

	// ErrUnknownID: well-formed up to the sequence number, but with an id that is
	// none of the ten; the fields and frames that follow are not looked at. Ignore
	// the message but count its sequence, or the next one looks like a gap.
	// Message.ID and Message.Sequence are set.
	ErrUnknownID = errors.New("msg: unknown message id")

	// ErrMalformed: not in RFC 36's grammar. A length or count exceeds the octets
	// that are left, octets follow the last field, or frames follow a message
	// without content. Discard it silently and do not count it in the sequence: if
	// its sender counted it, the number of the next message shows that. The text of
	// the error says what is wrong.
	ErrMalformed = errors.New("msg: malformed message")

	// ErrLimit: within the grammar, but over one of the Limits. Discard it as one
	// that is malformed. The text of the error says which limit.
	ErrLimit = errors.New("msg: over the limit")
)

func malformed(id ID, format string, args ...any) error {
	return fmt.Errorf("%w: %v: %s", ErrMalformed, id, fmt.Sprintf(format, args...))
}

func overLimit(id ID, format string, args ...any) error {
	return fmt.Errorf("%w: %v: %s", ErrLimit, id, fmt.Sprintf(format, args...))
}
