package sniff

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-zre/go-zre/internal/termtext"
)

// The kinds of Record.
const (
	Beacon    = "beacon"    // a beacon
	Greeting  = "greeting"  // a ZMTP greeting: the beginning of one direction of a connection
	Command   = "command"   // a ZMTP command: READY, PING, …
	Message   = "message"   // a ZRE message
	Other     = "other"     // a message over ZMTP that is not ZRE's
	Sealed    = "sealed"    // a message that CURVE seals
	Malformed = "malformed" // bytes that break ZRE or ZMTP
	Gap       = "gap"       // packets are missing; the next message is looked for
	Closed    = "closed"    // one direction of a connection has ended
	Fragment  = "fragment"  // an IP fragment, of TCP or for the port of the beacons; reported once for each pair of hosts
)

// A Record is one thing that was seen. The keys of its JSON are stable. Text is unchanged from the network, and not safe to print; String
// makes it safe.
type Record struct {
	Time time.Time      `json:"time"`
	Kind string         `json:"kind"`
	From netip.AddrPort `json:"from"`
	To   netip.AddrPort `json:"to"`

	UUID string `json:"uuid,omitempty"` // of the sender, if known
	Name string `json:"name,omitempty"` // of the sender, if known

	// Of beacons. Version is also that of a greeting: "3.1".
	Version string  `json:"version,omitempty"`
	Port    *uint16 `json:"port,omitempty"` // of the mailbox; 0: the node leaves
	State   string  `json:"state,omitempty"`
	Key     string  `json:"key,omitempty"` // CURVE's, in hexadecimal

	// Of ZMTP.
	Mechanism  string            `json:"mechanism,omitempty"` // "NULL", "CURVE"
	Command    string            `json:"command,omitempty"`   // "READY"
	Properties map[string]string `json:"properties,omitempty"`

	// Of messages.
	Message  string            `json:"message,omitempty"` // "HELLO"
	Sequence *uint16           `json:"sequence,omitempty"`
	Status   *uint8            `json:"status,omitempty"`
	Endpoint string            `json:"endpoint,omitempty"`
	Group    string            `json:"group,omitempty"`
	Groups   []string          `json:"groups,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Node     string            `json:"node,omitempty"` // of ELECT and LEADER
	Frames   []Frame           `json:"frames,omitempty"`
	Count    int               `json:"count,omitempty"` // of frames, if not all are in Frames
	Bytes    uint64            `json:"bytes,omitempty"` // of all frames; of what is sealed; that are missing

	Error string `json:"error,omitempty"` // why it is malformed
}

// A Frame is the beginning of a frame of content.
type Frame struct {
	Size uint64 `json:"size"`
	Text string `json:"text,omitempty"` // if the beginning is UTF-8
	Data []byte `json:"data,omitempty"` // else, as base64
}

// frameOf makes a Frame from its beginning and its size.
func frameOf(head []byte, size uint64) Frame {
	text := head
	if uint64(len(head)) < size { // it may be cut within a character
		for range utf8.UTFMax - 1 {
			if r, n := utf8.DecodeLastRune(text); r != utf8.RuneError || n != 1 || utf8.Valid(text) {
				break
			}
			text = text[:len(text)-1]
		}
	}
	if utf8.Valid(text) {
		return Frame{Size: size, Text: string(text)}
	}
	return Frame{Size: size, Data: append([]byte(nil), head...)}
}

// String returns the frame as a line shows it.
func (f Frame) String() string {
	text := strconv.FormatUint(f.Size, 10) + " bytes"
	switch {
	case f.Data != nil:
		return text + " " + base64.StdEncoding.EncodeToString(f.Data[:min(len(f.Data), 24)]) + ellipsis(len(f.Data) > 24 || uint64(len(f.Data)) < f.Size)
	case f.Size == 0:
		return text
	}
	return text + ` "` + termtext.Truncate(termtext.Text(f.Text), 60) + `"` + ellipsis(uint64(len(f.Text)) < f.Size && termtext.Width(f.Text) <= 60)
}

func ellipsis(cut bool) string {
	if cut {
		return "…"
	}
	return ""
}

// String returns the record as one line, with nothing that controls a terminal.
func (r *Record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %v → %v ", r.Time.Format("15:04:05.000000"), r.From, r.To)
	if name := r.sender(); name != "" {
		b.WriteString(name + " ")
	}
	switch r.Kind {
	case Beacon:
		b.WriteString(r.beacon())
	case Greeting:
		b.WriteString("ZMTP " + r.Version + " " + termtext.Text(r.Mechanism))
	case Command:
		b.WriteString(termtext.Text(r.Command) + formatPairs(r.Properties))
	case Message:
		b.WriteString(r.message())
	case Other:
		b.WriteString("not ZRE" + r.frames())
	case Sealed:
		fmt.Fprintf(&b, "sealed, %d bytes", r.Bytes)
	case Malformed:
		b.WriteString("malformed: " + termtext.Text(r.Error))
	case Gap:
		b.WriteString("packets are missing")
		if r.Bytes > 0 {
			fmt.Fprintf(&b, ", %d bytes", r.Bytes)
		}
	case Fragment:
		b.WriteString("IP fragments, which are not reassembled: their content is not shown")
	default:
		b.WriteString(r.Kind)
	}
	return b.String()
}

// sender returns the name, or the beginning of the UUID.
func (r *Record) sender() string {
	switch {
	case r.Kind == Beacon:
		return ""
	case r.Name != "":
		return termtext.Truncate(termtext.Text(r.Name), 24)
	case len(r.UUID) >= 8:
		return r.UUID[:8]
	}
	return ""
}

func (r *Record) beacon() string {
	text := "beacon v" + r.Version + " " + r.UUID
	if r.Name != "" {
		text += " (" + termtext.Truncate(termtext.Text(r.Name), 24) + ")"
	}
	if r.Port != nil && *r.Port == 0 {
		text += " leaves"
	} else if r.Port != nil {
		text += fmt.Sprintf(" port %d", *r.Port)
	}
	if r.State != "" {
		text += " state " + r.State
	}
	if r.Key != "" {
		text += " key " + r.Key[:8] + "…"
	}
	return text
}

func (r *Record) message() string {
	text := r.Message
	if r.Sequence != nil {
		text += fmt.Sprintf(" #%d", *r.Sequence)
	}
	for _, field := range []struct{ name, value string }{{"", r.Endpoint}, {"group ", r.Group}, {"state ", r.State}, {"node ", r.Node}} {
		if field.value != "" {
			text += " " + field.name + termtext.Truncate(termtext.Text(field.value), 80)
		}
	}
	if len(r.Groups) > 0 {
		text += " groups"
		for i, group := range r.Groups {
			if i == 8 {
				text += fmt.Sprintf(" and %d more", len(r.Groups)-i)
				break
			}
			text += " " + termtext.Truncate(termtext.Text(group), 40)
		}
	}
	return text + formatPairs(r.Headers) + r.frames()
}

func (r *Record) frames() string {
	if r.Message != "" && r.Message != "WHISPER" && r.Message != "SHOUT" {
		return ""
	}
	parts := make([]string, 0, 3)
	for i, frame := range r.Frames {
		if i == 2 {
			break
		}
		parts = append(parts, frame.String())
	}
	if n := max(r.Count, len(r.Frames)); n > 2 {
		parts = append(parts, fmt.Sprintf("%d frames of %d bytes in all", n, r.Bytes))
	}
	return ", " + strings.Join(parts, ", ")
}

// formatPairs formats a few pairs.
func formatPairs(pairs map[string]string) string {
	text, n := "", 0
	for _, name := range sortedKeys(pairs) {
		if n++; n > 8 {
			return text + fmt.Sprintf(" and %d more", len(pairs)-8)
		}
		text += " " + termtext.Truncate(termtext.Text(name), 40) + "=" + termtext.Truncate(termtext.Text(pairs[name]), 60)
	}
	return text
}
