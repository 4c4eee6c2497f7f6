// Package msg encodes and decodes the messages that ZRE nodes exchange over TCP:
// version 2 of the ZeroMQ Realtime Exchange Protocol, https://rfc.zeromq.org/spec/36/,
// the three messages that C zyre adds to it (ELECT, LEADER, GOODBYE), and those of our
// own (STATE, HEADERS, ASK-STATS, STATS).
//
// A message is a list of frames. RFC 36's grammar defines the first, the header frame;
// WHISPER and SHOUT carry the application's content in the frames after it, and all
// other messages have only the header frame.
//
//	AA A1   id   02   sequence   fields of the message
//	2       1    1    2          the rest                 octets
//
// To read, keep one [Message] per connection and call [Message.Decode] for each list of
// frames (without the routing id of a ROUTER); it copies nothing, and allocates only
// the lists in a HELLO. To send, one Append function per message appends a header frame
// to your buffer: [AppendHello], [AppendShout] and so on.
//
// The package is stricter with what it sends than with what it receives. Text to send
// must be UTF-8 without NUL octets, because other text crashes peers (pyre) or is
// truncated by them (C zyre). Received text is passed on unchanged, because pyre cuts
// non-ASCII text inside a character. Received lengths and counts are never trusted: see
// [ErrMalformed].
//
// The package has no sockets, peers or timers, and never blocks. The caller checks
// whether a sequence number is the one that was due.
package msg

import "encoding/binary"

const (
	// Version is the ZRE version in every message, RFC 36 "Versioning".
	Version = 2

	// MaxString is the longest string of RFC 36's grammar, in octets: its length is
	// sent in one octet. It bounds names, endpoints, groups and header names.
	MaxString = 255

	signature0, signature1 = 0xAA, 0xA1 // RFC 36 "Protocol Signature"

	prefixSize = 6 // octets of signature, id, version and sequence
)

// Message is any of the messages, decoded. Fields that this message does not have are
// zero. One Message can be used for any number of Decode calls.
type Message struct {
	ID       ID
	Sequence uint16 // cyclic; a sender's HELLO has 1, the next message 2

	Group  []byte // of SHOUT, JOIN, LEAVE, ELECT and LEADER; may be empty
	Status uint8  // of HELLO, JOIN and LEAVE: the sender's count of joins and leaves, this one included

	State uint8 // of STATE: the octet unchanged, which may be no valid state

	Version uint8  // of ASK-STATS: the newest form of STATS that the sender understands
	Figures []byte // of STATS: for ParseFigures, as they came

	// Node is the challenger of ELECT or the leader of LEADER. C zyre writes a UUID as
	// 32 upper-case hexadecimal digits; Decode does not require that.
	Node []byte

	Headers []Header // of HEADERS: in the order sent

	Content [][]byte // of WHISPER and SHOUT: the frames after the header frame, zero or more

	Hello HelloFields // of HELLO
}

// Decode reads a whole message and overwrites every field of m. Nothing is copied:
// Group, Node, Figures, Hello and Content share memory with frames, so they are valid only
// as long as the caller does not change frames and their octets. Each HELLO gets new
// lists, so m.Hello may be kept while m is used for the next message.
//
// It accepts exactly what RFC 36's grammar allows (and limits, for a HELLO and
// HEADERS). The errors are [ErrSignature], [ErrVersion], [ErrUnknownID], [ErrMalformed]
// and [ErrLimit]; each says what the receiver should do. After the last three, ID and
// Sequence are set if the frame has them. Everything else is zero after an error.
func (m *Message) Decode(frames [][]byte, limits Limits) error {
	var header []byte
	if len(frames) > 0 {
		header = frames[0]
	}
	if err := m.DecodeHeader(header, limits); err != nil {
		return err
	}
	switch {
	case m.ID == Whisper || m.ID == Shout:
		m.Content = frames[1:len(frames):len(frames)]
	case len(frames) > 1:
		err := malformed(m.ID, "%d frames, want 1", len(frames))
		*m = Message{ID: m.ID, Sequence: m.Sequence}
		return err
	}
	return nil
}

// DecodeHeader is Decode for just the header frame, for example while the frames behind
// it are still on their way. Content is left nil. Only Decode reports that a message
// has frames behind its header that it must not have.
func (m *Message) DecodeHeader(header []byte, limits Limits) error {
	*m = Message{}
	if len(header) < 2 || header[0] != signature0 || header[1] != signature1 {
		return ErrSignature
	}
	if len(header) < 4 || header[3] != Version {
		return ErrVersion
	}
	m.ID = ID(header[2])
	if len(header) < prefixSize {
		return malformed(m.ID, "the sequence number is cut")
	}
	m.Sequence = binary.BigEndian.Uint16(header[4:])

	r := reader{id: m.ID, rest: header[prefixSize:]}
	switch m.ID {
	case Hello:
		m.decodeHello(&r, len(header), limits.orDefaults())
	case Whisper, Ping, PingOK, Goodbye:
	case Shout:
		m.Group = r.string("group")
	case Join, Leave:
		m.Group = r.string("group")
		m.Status = r.number1("status")
	case Elect, Leader:
		m.Group = r.string("group")
		m.Node = r.string("node")
	case State:
		m.State = r.number1("state")
	case Headers:
		limits = limits.orDefaults()
		if len(header) > limits.Hello {
			r.err = overLimit(Headers, "%d bytes, limit %d", len(header), limits.Hello)
		} else {
			m.Headers = r.headers(limits)
		}
	case AskStats:
		m.Version = r.number1("version")
	case Stats:
		m.Figures = r.take("figures", uint32(len(r.rest)))
	default:
		return ErrUnknownID
	}
	if r.end(); r.err != nil {
		*m = Message{ID: m.ID, Sequence: m.Sequence}
		return r.err
	}
	return nil
}
