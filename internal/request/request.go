// Package request is the framing of requests and replies, which travel in plain WHISPERs (docs/protocol.md, "Requests"): a head frame says
// what the message is, and the frames behind it are the content.
//
// A WHISPER that differs from this format in any octet is an ordinary message of the application.
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
	// HeadSize is the length of the head frame, in octets.
	HeadSize = 14

	// MaxText is the longest text of an Error, in octets.
	MaxText = 4 << 10

	version = 1
	idAt    = 6
)

// signature begins the head frame. No text begins with it, because its first octet is never in UTF-8.
const signature = "\xf5ZRQ"

// A Head is the head frame.
type Head struct {
	Kind Kind
	ID   uint64 // of the request; only the node that chose it gives it a meaning
}

// Put writes the frame.
func (h Head) Put(frame *[HeadSize]byte) {
	copy(frame[:], signature)
	frame[len(signature)], frame[len(signature)+1] = version, byte(h.Kind)
	binary.BigEndian.PutUint64(frame[idAt:], h.ID)
}

// LooksLike tells quickly whether a WHISPER may be a message of this package, so that Parse is worthwhile.
func LooksLike(content [][]byte) bool {
	return len(content) > 0 && len(content[0]) == HeadSize && content[0][0] == signature[0]
}

// Parse returns the head of a WHISPER's content, and whether it has one: if not, it is an ordinary message. If it is an Error, Parse checks
// the content too.
func Parse(content [][]byte) (Head, bool) {
	if !LooksLike(content) || string(content[0][:len(signature)]) != signature || content[0][len(signature)] != version {
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

// Failure returns the code and text of an Error. Its content must have been parsed.
func Failure(content [][]byte) (Code, string) { return Code(content[1][0]), string(content[2]) }

// AppendFailure appends the frames of an Error behind its head. It replaces what is not UTF-8 in the text by question marks, and cuts a
// text that is too long.
func AppendFailure(content [][]byte, code Code, text string) [][]byte {
	text = strings.ToValidUTF8(text, "?")
	if len(text) > MaxText {
		text = strings.ToValidUTF8(text[:MaxText], "") // without the rest of a character
	}
	return append(content, []byte{byte(code)}, []byte(text))
}
