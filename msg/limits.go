package msg

import "math"

// Limits bounds a HELLO, the one message whose header frame the grammar allows to grow
// to gigabytes; every other header frame has at most 518 octets. A receiver refuses
// what exceeds a limit, and a sender does not send it. A field that is zero or negative
// means its default.
//
// The content of WHISPER and SHOUT is not part of this package: the reader of the
// network bounds the number and size of its frames.
type Limits struct {
	// Hello is the size of the whole HELLO in octets. Default 262,144 (256 KiB), at
	// most 2^31-1: a thousand peers at the limit hold 256 MiB. HELLOs seen in practice
	// have a few hundred octets.
	Hello int

	// Groups is the number of groups in a HELLO. Default 1,000. A group costs its
	// sender 4 octets, and us 24 bytes and its entry in every table of groups.
	Groups int

	// Headers is the number of headers in a HELLO. Default 1,000. A header costs its
	// sender 5 octets, and us 48 bytes.
	Headers int

	// LongString is the length in octets of one header value, and of one group name in
	// a received HELLO (those that we send have at most [MaxString]). Default 131,072
	// (128 KiB): the other implementations set no limit, and were tested with header
	// values of 70,000 octets.
	LongString int
}

// DefaultLimits returns the limits that zero fields stand for.
func DefaultLimits() Limits {
	return Limits{Hello: 256 << 10, Groups: 1000, Headers: 1000, LongString: 128 << 10}
}

// orDefaults replaces values that are not positive. Every length and count in a frame
// of 2^31-1 octets fits the grammar's four octets, and an int of 32 bits.
func (l Limits) orDefaults() Limits {
	defaults := DefaultLimits()
	positive := func(value, otherwise int) int {
		if value > 0 {
			return value
		}
		return otherwise
	}
	return Limits{
		Hello:      min(positive(l.Hello, defaults.Hello), math.MaxInt32),
		Groups:     positive(l.Groups, defaults.Groups),
		Headers:    positive(l.Headers, defaults.Headers),
		LongString: positive(l.LongString, defaults.LongString),
	}
}
