// Package request has the framing of requests and replies, which travel in plain WHISPERs (docs/protocol.md, "Requests"): a head frame
// says what the message is, and the frames behind it are the content.
//
// A WHISPER that only resembles one, by whatever octet, is none: it is an ordinary message of the application's.
package request

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Kind says what a message is.
type Kind uint8

// The kinds of message.
const (
	Request Kind = 1
	Reply   Kind = 2
	Error   Kind = 3
)

// Code says why a request failed, in an Error.
type Code uint8

// The codes of an Error. Others may come from later versions.
const (
	Failed    Code = 1 // the program that got the request says so
	NoHandler Code = 2 // nothing there handles such a request
)

const (
	// HeadSize is how long the head frame is, in octets.
	HeadSize = 14

	// MaxText is how long the text of an Error may be, in octets.
	MaxText = 4 << 10

	version = 1
	idAt    = 6
)

// signature begins the head frame. No text has it, as its first octet is in no UTF-8.
const signature = "\xf5ZRQ"

// A Head is the head frame.
type Head struct {
	Kind Kind
	ID   uint64 // of the request; it has a meaning for the node that chose it alone
}

// Put writes the frame.
func (h Head) Put(frame *[HeadSize]byte) {
	copy(frame[:], signature)
	frame[len(signature)], frame[len(signature)+1] = version, byte(h.Kind)
	binary.BigEndian.PutUint64(frame[idAt:], h.ID)
}

// Is tells whether a WHISPER may be a message of this package, so that Parse is worth it. It is quick.
func Is(content [][]byte) bool {
	return len(content) > 0 && len(content[0]) == HeadSize && content[0][0] == signature[0]
}

// Parse returns the head of a WHISPER's content, and whether it has one: if not, it is an ordinary message. Of an Error it checks the content too.
func Parse(content [][]byte) (Head, bool) {
	if !Is(content) || string(content[0][:len(signature)]) != signature || content[0][len(signature)] != version {
		return Head{}, false
	}
	h := Head{Kind: Kind(content[0][len(signature)+1]), ID: binary.BigEndian.Uint64(content[0][idAt:])}
	switch h.Kind {
	case Request, Reply:
		return h, true
	case Error:
		return h, len(content) == 3 && len(content[1]) == 1 && len(content[2]) <= MaxText && utf8.Valid(content[2])
	}
	return Head{}, false
}

// Failure returns what an Error says. Its content was parsed.
func Failure(content [][]byte) (Code, string) { return Code(content[1][0]), string(content[2]) }

// AppendFailure appends the frames of an Error behind its head. What is not UTF-8 in the text is replaced by question marks, and a text that is too
// long is cut.
func AppendFailure(content [][]byte, code Code, text string) [][]byte {
	text = strings.ToValidUTF8(text, "?")
	if len(text) > MaxText {
		text = strings.ToValidUTF8(text[:MaxText], "") // without the rest of a character
	}
	return append(content, []byte{byte(code)}, []byte(text))
}
