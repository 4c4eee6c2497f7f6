package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// A Kind is the id of a message.
type Kind byte

const (
	Hello   Kind = 1 // a client begins
	Publish Kind = 2 // a tuple, either way
	Ping    Kind = 3 // a client is alive
	Pong    Kind = 4 // the answer
	Invalid Kind = 5 // the hub does not serve this client
)

func (k Kind) String() string {
	switch k {
	case Hello:
		return "HELLO"
	case Publish:
		return "PUBLISH"
	case Ping:
		return "PING"
	case Pong:
		return "PONG"
	case Invalid:
		return "INVALID"
	}
	return fmt.Sprintf("Kind(%d)", byte(k))
}

// A Message is one of zgossip/1, in one frame: AA A0, the kind, version 1. PUBLISH continues with the key (1 octet of length), the value (4
// octets of length) and the TTL (4 octets, milliseconds). Numbers are big-endian.
type Message struct {
	Kind Kind
	Tuple
}

const (
	maxKey          = 255
	headerSize      = 4
	messageOverhead = headerSize + 1 + maxKey + 4 + 4
)

// ErrMalformed is what Decode returns for anything that is no message of zgossip/1, wrapped with the reason.
var ErrMalformed = errors.New("gossip: malformed message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// AppendTo appends the message to b. Key and value of a PUBLISH must have passed Tuple.check; one that is too long is never sent. A TTL
// above 0 is rounded up to milliseconds, so that it doesn't become 0, which means forever.
func (m Message) AppendTo(b []byte) []byte {
	b = append(b, 0xaa, 0xa0, byte(m.Kind), 1)
	if m.Kind != Publish {
		return b
	}
	b = append(b, byte(len(m.Key)))
	b = append(b, m.Key...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Value)))
	b = append(b, m.Value...)
	ttl := min(max(m.TTL, 0), math.MaxUint32*time.Millisecond)
	return binary.BigEndian.AppendUint32(b, uint32((ttl+time.Millisecond-1)/time.Millisecond))
}

// Decode reads a message from a frame, which it does not keep. What follows a message in its frame is ignored, as czmq does. A NUL in key
// or value is malformed: czmq cannot have sent it, and would read something else.
func Decode(frame []byte) (Message, error) {
	if len(frame) < headerSize || frame[0] != 0xaa || frame[1] != 0xa0 {
		return Message{}, malformed("%d bytes that do not begin with AA A0, id and version", len(frame))
	}
	m := Message{Kind: Kind(frame[2])}
	switch {
	case frame[3] != 1:
		return Message{}, malformed("version %d", frame[3])
	case m.Kind < Hello || m.Kind > Invalid:
		return Message{}, malformed("unknown id %d", m.Kind)
	case m.Kind != Publish:
		return m, nil
	}
	rest := frame[headerSize:]
	if len(rest) < 1 || len(rest)-1 < int(rest[0]) {
		return Message{}, malformed("PUBLISH truncated in its key")
	}
	m.Key, rest = string(rest[1:1+int(rest[0])]), rest[1+int(rest[0]):]
	if len(rest) < 4 {
		return Message{}, malformed("PUBLISH truncated after its key")
	}
	size := binary.BigEndian.Uint32(rest)
	if rest = rest[4:]; uint64(len(rest)) < uint64(size)+4 {
		return Message{}, malformed("PUBLISH with a value of %d bytes and a TTL of 4 where %d are left", size, len(rest))
	}
	m.Value, rest = string(rest[:size]), rest[size:]
	m.TTL = time.Duration(binary.BigEndian.Uint32(rest)) * time.Millisecond
	if strings.Contains(m.Key, "\x00") || strings.Contains(m.Value, "\x00") {
		return Message{}, malformed("PUBLISH with a NUL in its key or value")
	}
	return m, nil
}

// decode reads a message from its frames.
func decode(frames [][]byte) (Message, error) {
	if len(frames) != 1 {
		return Message{}, malformed("%d frames instead of 1", len(frames))
	}
	return Decode(frames[0])
}

// check tells whether a tuple may be published.
func (t Tuple) check(l Limits) error {
	switch {
	case len(t.Key) > maxKey:
		return fmt.Errorf("gossip: a key has at most %d bytes, this one %d", maxKey, len(t.Key))
	case len(t.Value) > l.ValueSize:
		return fmt.Errorf("gossip: the value of %q has %d bytes, at most %d are allowed (Limits.ValueSize)", t.Key, len(t.Value), l.ValueSize)
	case strings.Contains(t.Key, "\x00"), strings.Contains(t.Value, "\x00"):
		return fmt.Errorf("gossip: key %q or its value %q contains a NUL byte", t.Key, t.Value)
	}
	return nil
}
