package node

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/msg"
)

// Errors that the calls of a node return, to be tested with errors.Is.
var (
	// ErrClosed: the node is closed. It is a net.ErrClosed too.
	ErrClosed = fmt.Errorf("node is closed: %w", net.ErrClosed)

	// ErrStarted: the node was started before.
	ErrStarted = errors.New("node is started already")

	// ErrNotStarted: the node is not started yet.
	ErrNotStarted = errors.New("node is not started")

	// ErrUnknownPeer: no peer of that UUID is present (never entered, or it has left).
	ErrUnknownPeer = errors.New("no such peer")

	// ErrPeerBusy: the queue of messages to the peer is full and stayed so until the context or the send timeout ended. The
	// message was not queued.
	ErrPeerBusy = errors.New("peer is busy")

	// ErrUnreadEvents: a send waited in vain while this node's own events waited to be read, so that nothing more could be read from its peers.
	// It comes with ErrPeerBusy.
	ErrUnreadEvents = errors.New("this node's own events wait to be read: read them in one goroutine, and send in another")

	// ErrInvalidState: a state that cannot be set.
	ErrInvalidState = errors.New("not a state that a node can be set to")

	// ErrInvalidGroup: the string cannot name a group. The error says why, and names the string.
	ErrInvalidGroup = errors.New("not a group name")

	// ErrInvalidName: the string cannot name a node.
	ErrInvalidName = errors.New("not a name for a node")

	// ErrInvalidHeader: the name or value cannot be a header's, or the node sets that header itself.
	ErrInvalidHeader = errors.New("not a header that can be set")

	// ErrInvalidEndpoint: the string is no endpoint that can be dialled, or listened at.
	ErrInvalidEndpoint = errors.New("not an endpoint")

	// ErrInvalidDomain: the string is no name that the DNS can be asked for.
	ErrInvalidDomain = errors.New("not a domain name")

	// ErrTooManyGroups, ErrTooManyHeaders and ErrHelloTooLarge: peers would refuse the HELLO of a node that is in so many groups, has so many
	// headers, or names that are so long.
	ErrTooManyGroups  = errors.New("too many groups")
	ErrTooManyHeaders = errors.New("too many headers")
	ErrHelloTooLarge  = errors.New("name, groups and headers are too long together")

	// ErrListen: Start cannot listen, or open what beacons need. The operating system's error says why.
	ErrListen = errors.New("cannot listen")

	// ErrTooLarge: the message is larger than what a peer would accept.
	ErrTooLarge = errors.New("message is too large")
)

// PeerError tells which peer a Whisper or Shout failed for.
type PeerError struct {
	UUID uuid.UUID
	Name string // empty if unknown
	Err  error  // ErrUnknownPeer, ErrPeerBusy, with the context's error where that ended the wait

	// Dropped: the peer took nothing for the send timeout, so its session was ended. It exits as not responding.
	Dropped bool
}

func (e *PeerError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("peer %s: %v", e.UUID, e.Err)
	}
	return fmt.Sprintf("peer %s (%s): %v", printable(e.Name), e.UUID, e.Err)
}

func (e *PeerError) Unwrap() error { return e.Err }

// printable escapes what could steer a terminal, in text that a peer chose: programs print errors as they are.
func printable(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if unicode.IsPrint(r) || unicode.Is(unicode.Zs, r) || r == '\u200c' || r == '\u200d' { // joiners are part of emoji and of words
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// checkGroup tells whether an application may use a group's name. The protocol knows the empty one too.
func checkGroup(group string) error {
	err := msg.CheckGroup(group)
	if group == "" {
		err = msg.ErrEmpty
	}
	if err == nil {
		return nil
	}
	return groupError(group, err)
}

// groupError says what is wrong with a group's name, apart from checkGroup, which each Shout calls and which so needs no memory.
func groupError(group string, err error) error {
	var wrong *msg.StringError
	if errors.As(err, &wrong) {
		if err = wrong.Reason; wrong.Limit > 0 {
			err = fmt.Errorf("%w, it has %d", err, len(group))
		}
	}
	return fmt.Errorf("group %.40q: %w (%w): want 1 to %d bytes of UTF-8, without NUL", group, ErrInvalidGroup, err, msg.MaxString)
}

// stringError says what is wrong with a string, in the same words for each kind: what it is, the value, why, and what would be right.
func stringError(wrong *msg.StringError) error {
	kind, limit := ErrInvalidHeader, "at most 255"
	switch wrong.Field {
	case "group":
		return groupError(wrong.Value, wrong)
	case "name":
		kind = ErrInvalidName
	case "header name":
		limit = "1 to 255"
	case "header value":
		limit = "at most 131,072"
	}
	reason := wrong.Reason
	if wrong.Limit > 0 {
		reason = fmt.Errorf("%w, it has %d bytes", reason, len(wrong.Value))
	}
	return fmt.Errorf("%s %.40q: %w (%w): want %s bytes of UTF-8, without NUL", wrong.Field, wrong.Value, kind, reason, limit)
}

// helloError says what keeps a HELLO from being sent; err is what package msg says.
func (l *Limits) helloError(hello *msg.OutHello, err error) error {
	var wrong *msg.StringError
	kind := ErrHelloTooLarge
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return stringError(wrong)
	case len(hello.Groups) > l.GroupsPerPeer:
		kind = ErrTooManyGroups
	case len(hello.Headers) > l.Headers:
		kind = ErrTooManyHeaders
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// marked is an error that is another one, too, without saying so in its text.
type marked struct{ err, as error }

// mark has an error be another one for errors.Is; nil stays nil.
func mark(err, as error) error {
	if err == nil {
		return nil
	}
	return &marked{err, as}
}

func (m *marked) Error() string   { return m.err.Error() }
func (m *marked) Unwrap() []error { return []error{m.err, m.as} }
