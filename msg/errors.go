package msg

import (
	"errors"
	"fmt"
)

// What Decode returns; use errors.Is. ErrLimit is also returned when sending.
var (
	// ErrSignature means that the message does not start with AA A1. It is not ZRE, for
	// example traffic for a former user of the port. Discard it silently and do not
	// count it in the sequence (RFC 36, "Protocol Signature").
	ErrSignature = errors.New("msg: not a ZRE message: signature AA A1 missing")

	// ErrVersion means that the message is ZRE, but the version octet is not 2 or is
	// missing. Discard it and do not count it in the sequence (RFC 36, "Versioning").
	ErrVersion = errors.New("msg: ZRE version is not 2")

	// ErrUnknownID means that the message is well-formed up to the sequence number, but
	// its id is unknown; fields and frames after that are not checked. Ignore the
	// message but count its sequence number, or the next message looks like a gap.
	// Message.ID and Message.Sequence are set.
	ErrUnknownID = errors.New("msg: unknown message id")

	// ErrMalformed means that the message is not in RFC 36's grammar: a length or count
	// exceeds the remaining octets, octets follow the last field, or frames follow a
	// message without content. Discard it silently and do not count it in the sequence:
	// if its sender counted it, the number of the next message shows that. The text of
	// the error says what is wrong.
	ErrMalformed = errors.New("msg: malformed message")

	// ErrLimit means that the message is within the grammar, but exceeds one of the
	// Limits. Treat it like a malformed one. The text of the error says which limit.
	ErrLimit = errors.New("msg: over the limit")
)

func malformed(id ID, format string, args ...any) error {
	return fmt.Errorf("%w: %v: %s", ErrMalformed, id, fmt.Sprintf(format, args...))
}

func overLimit(id ID, format string, args ...any) error {
	return fmt.Errorf("%w: %v: %s", ErrLimit, id, fmt.Sprintf(format, args...))
}
