package testbed

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Event is one line that a node of any implementation printed; testdata/peers/README.md describes them. Fields that do not apply are empty.
type Event struct {
	Event     string            `json:"event"`
	UUID      string            `json:"uuid,omitempty"` // the node's own: ready
	Peer      string            `json:"peer,omitempty"` // the UUID of the peer it came from
	Name      string            `json:"name,omitempty"`
	Group     string            `json:"group,omitempty"`
	Frames    [][]byte          `json:"frames,omitempty"`
	Text      []string          `json:"text,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Endpoint  string            `json:"endpoint,omitempty"`
	Transport string            `json:"transport,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	PublicKey string            `json:"public_key,omitempty"`
	State     string            `json:"state,omitempty"`
	Error     string            `json:"error,omitempty"`
	Peers     []Known           `json:"peers,omitempty"`
	Kind      string            `json:"kind,omitempty"` // of a problem, like About and Solved
	About     string            `json:"about,omitempty"`
	Solved    bool              `json:"solved,omitempty"`
	Self      bool              `json:"self,omitempty"`     // leader: it is the node itself
	Messages  int               `json:"messages,omitempty"` // that were not sent before the end, of an error
	ID        any               `json:"id,omitempty"`       // of the command that it answers
	Request   uint64            `json:"request,omitempty"`  // the number of a request

	index int           // its place in the log, from 1
	age   time.Duration // of the process when it was read
}

// isLoss tells whether a node reports that it could not send everything before its end.
func (e Event) isLoss() bool { return e.Event == "error" && e.Messages > 0 }

// Known is a peer in the answer to the command peers. Implementations differ in what they know besides the UUID.
type Known struct {
	Peer      string            `json:"peer"`
	Name      string            `json:"name,omitempty"`
	Endpoint  string            `json:"endpoint,omitempty"`
	Transport string            `json:"transport,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Groups    []string          `json:"groups,omitempty"`
	State     string            `json:"state,omitempty"`

	QueuedMessages int   `json:"queued_messages,omitempty"`
	QueuedBytes    int64 `json:"queued_bytes,omitempty"`
}

// Before tells whether the node reported e before other.
func (e Event) Before(other Event) bool { return e.index < other.index }

// String formats the event for people, with long values cut.
func (e Event) String() string {
	var s strings.Builder
	s.WriteString(e.Event)
	add := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&s, " %s=%s", name, truncate(value))
		}
	}
	add("uuid", e.UUID)
	add("peer", e.Peer)
	add("name", e.Name)
	add("group", e.Group)
	add("endpoint", e.Endpoint)
	add("transport", e.Transport)
	add("reason", e.Reason)
	add("state", e.State)
	if e.Error != "" {
		s.WriteString(": " + e.Error)
	}
	for key, value := range e.Headers {
		add(key, value)
	}
	for _, frame := range e.Frames {
		s.WriteString(" " + truncate(strconv.Quote(string(frame))))
	}
	for _, known := range e.Peers {
		add("knows", known.Peer)
	}
	return s.String()
}

func truncate(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:most], len(s))
}

// Match picks events.
type Match func(Event) bool

// Is matches events of one type from one peer: Is("enter", bob).
func Is(event string, from *Peer) Match {
	return func(e Event) bool { return e.Event == event && e.Peer == from.UUID }
}

// InGroup matches what Is matches, in one group: InGroup("join", bob, "CHAT").
func InGroup(event string, from *Peer, group string) Match {
	return func(e Event) bool { return Is(event, from)(e) && e.Group == group }
}

// Whisper matches a whisper from a peer with exactly these content frames.
func Whisper(from *Peer, frames ...[]byte) Match {
	return func(e Event) bool { return Is("whisper", from)(e) && slices.EqualFunc(e.Frames, frames, slices.Equal) }
}

// Shout matches a shout from a peer to a group with exactly these content frames.
func Shout(from *Peer, group string, frames ...[]byte) Match {
	return func(e Event) bool {
		return InGroup("shout", from, group)(e) && slices.EqualFunc(e.Frames, frames, slices.Equal)
	}
}
