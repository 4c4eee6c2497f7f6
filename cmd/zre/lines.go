package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// line is one line of output. Fields that do not apply are absent.
type line struct {
	Event     string            `json:"event"`
	ID        json.RawMessage   `json:"id,omitempty"`   // of the command that the line answers
	UUID      string            `json:"uuid,omitempty"` // this node's; in ready
	Peer      string            `json:"peer,omitempty"`
	Name      string            `json:"name,omitempty"`
	Group     string            `json:"group,omitempty"`
	Frames    *[][]byte         `json:"frames,omitempty"` // base64
	Text      *[]string         `json:"text,omitempty"`   // the frames, if all are UTF-8
	Headers   map[string]string `json:"headers,omitzero"`
	Endpoint  string            `json:"endpoint,omitempty"`
	PublicKey zre.PublicKey     `json:"public_key,omitzero"` // of a secure peer, or of this node if it is secure
	Transport string            `json:"transport,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	State     string            `json:"state,omitempty"`
	Peers     *[]peerLine       `json:"peers,omitempty"`
	Error     string            `json:"error,omitempty"`
	Code      string            `json:"code,omitempty"` // of an error of a command
	Kind      string            `json:"kind,omitempty"` // of a problem, like About and Solved
	About     string            `json:"about,omitempty"`
	Solved    *bool             `json:"solved,omitempty"`
	Self      bool              `json:"self,omitempty"`     // leader: this node leads
	Messages  *uint64           `json:"messages,omitempty"` // how many were discarded or not sent; Bytes is their size
	Bytes     int64             `json:"bytes,omitempty"`
	RTT       float64           `json:"rtt_ms,omitempty"`  // pong
	Request   uint64            `json:"request,omitempty"` // its number, for the reply command
}

// peerLine is a peer in the list of peers.
type peerLine struct {
	Peer      string            `json:"peer"`
	Name      string            `json:"name"`
	Endpoint  string            `json:"endpoint"`
	PublicKey zre.PublicKey     `json:"public_key,omitzero"`
	Transport string            `json:"transport"`
	Headers   map[string]string `json:"headers,omitempty"`
	Groups    []string          `json:"groups,omitempty"`
	State     string            `json:"state,omitempty"`

	QueuedMessages int   `json:"queued_messages,omitempty"`
	QueuedBytes    int64 `json:"queued_bytes,omitempty"`
}

func peerLineOf(p *zre.Peer) peerLine {
	return peerLine{
		Peer: p.UUID.String(), Name: p.Name, Endpoint: p.Endpoint, PublicKey: p.PublicKey, Transport: p.Transport,
		Headers: p.Headers, Groups: p.Groups, State: stateName(p.State),
		QueuedMessages: p.QueuedMessages, QueuedBytes: p.QueuedBytes,
	}
}

// readyLine returns the first line of a node.
func readyLine(node *zre.Node) line {
	return line{Event: "ready", UUID: node.UUID().String(), Name: node.Name(), Endpoint: node.Endpoints()[0], PublicKey: node.PublicKey()}
}

// lineFor returns the line for an event of a node.
func lineFor(node *zre.Node, event zre.Event) line {
	l := lineOf(event)
	if _, ok := event.(zre.Leader); ok {
		l.Self = event.From().UUID == node.UUID()
	}
	return l
}

// lineOf returns the line for an event.
func lineOf(event zre.Event) line {
	p := event.From()
	l := line{Peer: p.UUID.String(), Name: p.Name}
	switch e := event.(type) {
	case zre.Enter:
		l.Event, l.Headers, l.Endpoint, l.Transport, l.State = "enter", headersOf(p), p.Endpoint, p.Transport, stateName(p.State)
		l.PublicKey = p.PublicKey
	case zre.Exit:
		l.Event, l.Reason, l.Transport, l.State = "exit", e.Reason.String(), p.Transport, stateName(p.State)
		if e.Err != nil {
			l.Error = e.Err.Error()
		}
	case zre.Join:
		l.Event, l.Group = "join", e.Group
	case zre.Leave:
		l.Event, l.Group = "leave", e.Group
	case zre.Whisper:
		l.Event = "whisper"
		l.setFrames(e.Frames)
	case zre.Shout:
		l.Event, l.Group = "shout", e.Group
		l.setFrames(e.Frames)
	case zre.Request:
		l.Event = "request"
		l.setFrames(e.Frames)
	case zre.StateChange:
		l.Event, l.State = "state", stateName(e.State)
	case zre.HeaderChange:
		l.Event, l.Headers = "headers", p.Headers
		if l.Headers == nil {
			l.Headers = map[string]string{} // all headers were removed
		}
	case zre.EndpointChange:
		l.Event, l.Endpoint = "endpoint", e.Endpoints[0]
	case zre.Leader:
		l.Event, l.Group = "leader", e.Group
	case zre.Evasive:
		l.Event = "evasive"
	case zre.Silent:
		l.Event = "silent"
	case zre.Problem:
		return problemLine(e)
	}
	return l
}

// headersOf returns the headers of a peer, or nil if it has none.
func headersOf(p *zre.Peer) map[string]string {
	if len(p.Headers) == 0 {
		return nil
	}
	return p.Headers
}

// problemLine returns the line for a problem.
func problemLine(e zre.Problem) line {
	l := line{Event: "problem", Kind: e.Kind.String(), About: e.About, Name: e.From().Name, Endpoint: e.From().Endpoint, PublicKey: e.From().PublicKey, Solved: &e.Solved}
	if id := e.From().UUID; id != uuid.Nil {
		l.Peer = id.String()
	}
	if e.Err != nil {
		l.Error = e.Err.Error()
	}
	return l
}

// warningLine returns the line for a warning of the node. Nothing tells when its cause is over.
func warningLine(text string) line { return line{Event: "problem", Kind: "warning", Error: text} }

// lossLine returns the line for messages to a peer that were not sent.
func lossLine(l *zre.LostError) line {
	messages := uint64(l.Messages)
	return line{Event: "error", Error: l.Error(), Peer: l.UUID.String(), Name: l.Name, Messages: &messages, Bytes: l.Bytes}
}

func (l *line) setFrames(frames [][]byte) { l.Frames, l.Text = framesOf(frames) }

// framesOf returns frames for JSON, and as text if all are UTF-8.
func framesOf(frames [][]byte) (*[][]byte, *[]string) {
	if frames == nil {
		frames = [][]byte{}
	}
	text := make([]string, len(frames))
	for i, frame := range frames {
		if !utf8.Valid(frame) {
			return &frames, nil
		}
		text[i] = string(frame)
	}
	return &frames, &text
}

// lineWriter writes lines of JSON from several goroutines.
type lineWriter struct {
	mu     sync.Mutex // guards buffer
	buffer *bufio.Writer
	json   *json.Encoder
	broken func() // called when the reader is gone
}

func newLineWriter(w io.Writer, broken func()) *lineWriter {
	buffer := bufio.NewWriterSize(w, 64<<10)
	return &lineWriter{buffer: buffer, json: jsonTo(buffer), broken: broken}
}

// write writes a line. With flush it sends the line and all lines before it at once.
func (w *lineWriter) write(l line, flush bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.json.Encode(l)
	if err == nil && flush {
		err = w.buffer.Flush()
	}
	if err != nil {
		w.broken()
	}
}

func trimNewline(b []byte) []byte { return bytes.TrimRight(b, "\r\n") }
