package msg

import (
	"errors"
	"fmt"
)

// Why a string must not be sent: the Reason of a [StringError].
var (
	// ErrTooLong means that the string is longer than its length field can say, or than
	// Limits.LongString.
	ErrTooLong = errors.New("too long")

	// ErrNotUTF8 means that the string is not UTF-8, which crashes pyre's node thread.
	ErrNotUTF8 = errors.New("not UTF-8")

	// ErrNUL means that the string has a NUL octet. C zyre would cut it there, and
	// might take two groups for one.
	ErrNUL = errors.New("contains a NUL byte")

	// ErrEmpty is only for an endpoint. A node that has not received our beacon could
	// not answer, and pyre and zyre.js crash when they try. Empty names, groups, header
	// names and header values are in the grammar and do no harm.
	ErrEmpty = errors.New("empty")

	// ErrTwice is only for header names. Peers disagree which of the two values counts.
	ErrTwice = errors.New("occurs twice")
)

// StringError refuses a string before it is sent; find it with errors.As, or its reason
// with errors.Is.
type StringError struct {
	Field  string // "group", "name", "endpoint", "header name" or "header value"
	Value  string // the string, whole
	Limit  int    // longest allowed, in octets, if Reason is ErrTooLong; otherwise 0
	Reason error  // ErrTooLong, ErrNotUTF8, ErrNUL, ErrEmpty or ErrTwice
}

// Error quotes at most the first 40 characters of the string.
func (e *StringError) Error() string {
	text := fmt.Sprintf("msg: cannot send %s %.40q (%d bytes): %v", e.Field, e.Value, len(e.Value), e.Reason)
	if e.Reason == ErrTooLong {
		text += fmt.Sprintf(", limit %d bytes", e.Limit)
	}
	return text
}

// Unwrap returns the reason.
func (e *StringError) Unwrap() error { return e.Reason }
