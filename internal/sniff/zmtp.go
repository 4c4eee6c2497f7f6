package sniff

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Bounds of what is kept of a message until it is complete.
const (
	keptHeader  = 256 << 10 // of the first frame, which ZRE decodes: as long as a HELLO may be
	keptCommand = 8 << 10
	keptContent = 256 // of each further frame
	keptFrames  = 16  // how many of those
	heldBytes   = 64 << 20
)

const (
	greetingSize = 64
	searchLimit  = 64 << 10 // how far to look for a message in a stream that does not begin like ZMTP
)

// phase says what a direction of a connection waits for.
type phase uint8

const (
	waitGreeting phase = iota // its greeting
	waitFrame                 // the next frame
	searching                 // bytes that look like the beginning of a message
	notZMTP                   // nothing: it is not ZMTP
)

// A half is one direction of a connection, a parser that is fed bytes as they come.
type half struct {
	phase    phase
	sealed   bool // the mechanism is CURVE
	searched int  // bytes in which no message was found
	isZMTP   bool // it is ZMTP

	head []byte // the greeting, or the header of a frame, as far as it has come

	// The current frame.
	flags     byte
	size      uint64
	left      uint64 // of it that has not come
	keepLimit int    // how much of it is kept at most
	body      []byte

	// The current message.
	first         []byte // its first frame
	firstSize     uint64
	firstComplete bool // all of that is kept
	rest          []Frame
	count         int    // of its frames, including the first
	restSize      uint64 // of the others

	uuid   string // of the sender
	budget *int   // how much all halves may still keep
	emit   func(*Record)
}

// A frame's flags (RFC 23).
const (
	flagMore    = 1
	flagLong    = 2
	flagCommand = 4
)

// feed takes the next bytes.
func (h *half) feed(data []byte) {
	for len(data) > 0 && h.phase != notZMTP {
		switch {
		case h.phase == waitGreeting:
			data = h.feedGreeting(data)
		case h.phase == searching:
			data = h.findMessage(data)
		case h.left > 0:
			data = h.feedBody(data)
		default:
			data = h.feedHeader(data)
		}
	}
}

// handleGap notes that bytes are missing, -1 for an unknown number.
func (h *half) handleGap(missing int) {
	if h.phase == notZMTP {
		return
	}
	if h.isZMTP {
		r := &Record{Kind: Gap}
		if missing > 0 {
			r.Bytes = uint64(missing)
		}
		h.emit(r)
	}
	h.reset()
	h.phase = searching
}

// reset drops the current message.
func (h *half) reset() {
	*h.budget += cap(h.body) + cap(h.first)
	h.head, h.body, h.first, h.rest = h.head[:0], nil, nil, nil
	h.left, h.count, h.restSize = 0, 0, 0
}

// reportBroken reports what breaks ZMTP, and looks for the next message.
func (h *half) reportBroken(format string, values ...any) {
	h.emit(&Record{Kind: Malformed, Error: fmt.Sprintf(format, values...)})
	h.reset()
	h.phase = searching
}

// fillHead moves bytes from data to the head until that has n, and returns the rest of data.
func (h *half) fillHead(data []byte, n int) []byte {
	k := min(n-len(h.head), len(data))
	if k <= 0 {
		return data
	}
	h.head = append(h.head, data[:k]...)
	return data[k:]
}

// feedGreeting reads a greeting. What does not begin like one is searched for messages.
func (h *half) feedGreeting(data []byte) []byte {
	had := len(h.head)
	rest := h.fillHead(data, greetingSize)
	g := h.head
	if g[0] != 0xFF || len(g) >= 10 && g[9] != 0x7F {
		before := bytes.Clone(g[:had])
		h.head = h.head[:0]
		h.phase = searching
		return append(before, data...)
	}
	if len(g) > 10 && g[10] < 3 {
		h.isZMTP = true
		h.emit(&Record{Kind: Greeting, Version: fmt.Sprint(min(g[10], 2)), Error: "ZMTP older than 3 is not decoded"})
		h.phase = notZMTP
		return nil
	}
	if len(g) < greetingSize {
		return rest
	}
	mechanism := string(bytes.TrimRight(g[12:32], "\x00"))
	h.isZMTP, h.sealed, h.phase = true, mechanism == "CURVE", waitFrame
	h.emit(&Record{Kind: Greeting, Version: fmt.Sprintf("%d.%d", g[10], g[11]), Mechanism: mechanism})
	h.head = h.head[:0]
	return rest
}

// feedHeader reads flags and size of a frame.
func (h *half) feedHeader(data []byte) []byte {
	data = h.fillHead(data, 1)
	h.flags = h.head[0]
	if h.flags&^(flagMore|flagLong|flagCommand) != 0 || h.flags&flagCommand != 0 && (h.flags&flagMore != 0 || h.count > 0) {
		h.reportBroken("no frame begins with flags of 0x%02x", h.flags)
		return data
	}
	n := 2
	if h.flags&flagLong != 0 {
		n = 9
	}
	if data = h.fillHead(data, n); len(h.head) < n {
		return data
	}
	h.size = uint64(h.head[1])
	if n == 9 {
		h.size = binary.BigEndian.Uint64(h.head[1:9])
	}
	h.head = h.head[:0]
	if h.size >= 1<<63 {
		h.reportBroken("a frame of 2^63 bytes or more")
		return data
	}
	h.startFrame()
	return data
}

// startFrame begins a frame whose header is read.
func (h *half) startFrame() {
	h.left = h.size
	switch {
	case h.flags&flagCommand != 0:
		h.keepLimit = keptCommand
	case h.count == 0:
		h.keepLimit = keptHeader
	case h.count <= keptFrames:
		h.keepLimit = keptContent
	default:
		h.keepLimit = 0
	}
	h.body = nil
	if h.left == 0 {
		h.endFrame()
	}
}

// feedBody reads bytes of a frame. Memory grows as they come.
func (h *half) feedBody(data []byte) []byte {
	n := int(min(h.left, uint64(len(data))))
	part := data[:min(n, max(h.keepLimit-len(h.body), 0))]
	if len(part) > 0 {
		before := cap(h.body)
		if *h.budget >= 2*(before+len(part)) {
			h.body = append(h.body, part...)
			*h.budget -= cap(h.body) - before
		} else {
			h.keepLimit = len(h.body)
		}
	}
	if h.left -= uint64(n); h.left == 0 {
		h.endFrame()
	}
	return data[n:]
}

// endFrame handles a complete frame.
func (h *half) endFrame() {
	body, whole := h.body, uint64(len(h.body)) == h.size
	h.body = nil
	switch {
	case h.flags&flagCommand != 0:
		h.emitCommand(body)
		h.release(body)
	case h.sealed && h.count == 0 && bytes.HasPrefix(body, []byte("\x07MESSAGE")):
		h.emit(&Record{Kind: Sealed, Bytes: h.size})
		h.release(body)
	default:
		if h.count == 0 {
			h.first, h.firstSize, h.firstComplete = body, h.size, whole
		} else {
			if len(h.rest) < keptFrames {
				h.rest = append(h.rest, frameOf(body, h.size))
			}
			h.restSize += h.size
			h.release(body)
		}
		h.count++
		if h.flags&flagMore == 0 {
			h.emitMessage()
			h.reset()
		}
	}
}

func (h *half) release(body []byte) { *h.budget += cap(body) }

// emitCommand emits the record of a ZMTP command: its name, and its properties if it has some.
func (h *half) emitCommand(body []byte) {
	if len(body) == 0 || len(body) < 1+int(body[0]) {
		h.emit(&Record{Kind: Malformed, Error: "a command without a name"})
		return
	}
	name, rest := string(body[1:1+body[0]]), body[1+body[0]:]
	r := &Record{Kind: Command, Command: name, Bytes: h.size}
	switch {
	case h.sealed && name == "MESSAGE":
		r.Kind, r.Command = Sealed, ""
	case h.sealed:
	case name == "READY":
		r.Properties = h.properties(rest)
	case name == "ERROR" && len(rest) > 0:
		r.Error = string(rest[1:])
	}
	r.UUID = h.uuid
	h.emit(r)
}

// properties reads the metadata of READY, as far as it is well-formed.
func (h *half) properties(data []byte) map[string]string {
	list := make(map[string]string)
	for len(data) > 0 && len(list) < 100 {
		n := 1 + int(data[0])
		if len(data) < n+4 {
			break
		}
		name := string(data[1:n])
		size := binary.BigEndian.Uint32(data[n:])
		data = data[n+4:]
		if uint64(size) > uint64(len(data)) {
			break
		}
		value := data[:size]
		data = data[size:]
		if strings.EqualFold(name, "Identity") {
			if len(value) == 17 && value[0] == 1 {
				h.uuid = uuid.UUID(value[1:]).String()
				list[name] = h.uuid
			} else if len(value) > 0 {
				list[name] = hex.EncodeToString(value)
			}
			continue
		}
		list[name] = string(value)
	}
	return list
}

// findMessage looks for bytes that look like the beginning of a ZRE message: a frame's header, then ZRE's signature, a known id, and version 2.
func (h *half) findMessage(data []byte) []byte {
	h.searched += len(data)
	if len(h.head) > 0 { // what was too short to check
		data = append(h.head, data...)
		h.head = nil
	}
	for i := range data {
		if n := messageHeaderLength(data[i:]); n > 0 {
			h.phase, h.isZMTP, h.searched = waitFrame, true, 0
			return data[i:]
		}
	}
	if h.searched > searchLimit && !h.isZMTP {
		h.phase = notZMTP
		return nil
	}
	h.head = bytes.Clone(data[max(0, len(data)-longestHeader+1):])
	return nil
}

// longestHeader is how many bytes messageHeaderLength checks.
const longestHeader = 13

// messageHeaderLength returns the length of the header of a frame that begins a ZRE message at the beginning of data; 0 if there is none.
func messageHeaderLength(data []byte) int {
	n := 2
	if len(data) < 6 || data[0] > flagMore|flagLong {
		return 0
	}
	size := uint64(data[1])
	if data[0]&flagLong != 0 {
		if n = 9; len(data) < n+4 {
			return 0
		}
		size = binary.BigEndian.Uint64(data[1:9])
	}
	m := data[n:]
	if m[0] != 0xAA || m[1] != 0xA1 || m[3] != 2 || size < 6 || size > keptHeader || !isMessageID(m[2]) {
		return 0
	}
	return n
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
