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

	// ErrPeerBusy: the queue of messages to the peer was full until the context or the send timeout ended. The message was not queued.
	ErrPeerBusy = errors.New("peer is busy")

	// ErrUnreadEvents: a send waited in vain while this node's own events waited to be read, which kept the node from reading from its peers.
	// It comes with ErrPeerBusy.
	ErrUnreadEvents = errors.New("this node's own events wait to be read: read them in one goroutine, and send in another")

	// ErrInvalidState: the state cannot be set.
	ErrInvalidState = errors.New("not a state that a node can be set to")

	// ErrInvalidGroup: the string is not a valid group name. The error gives the reason and the string.
	ErrInvalidGroup = errors.New("not a group name")

	// ErrInvalidName: the string is not a valid node name.
	ErrInvalidName = errors.New("not a name for a node")

	// ErrInvalidHeader: the name or value is not valid in a header, or the node sets that header itself.
	ErrInvalidHeader = errors.New("not a header that can be set")

	// ErrInvalidEndpoint: the string is not an endpoint to dial or to listen on.
	ErrInvalidEndpoint = errors.New("not an endpoint")

	// ErrInvalidDomain: the string is not a valid DNS name.
	ErrInvalidDomain = errors.New("not a domain name")

	// ErrTooManyGroups, ErrTooManyHeaders and ErrHelloTooLarge: peers would refuse this node's HELLO, because the node is in too many groups,
	// has too many headers, or because name, groups and headers are too long together.
	ErrTooManyGroups  = errors.New("too many groups")
	ErrTooManyHeaders = errors.New("too many headers")
	ErrHelloTooLarge  = errors.New("name, groups and headers are too long together")

	// ErrListen: Start cannot listen, or cannot open the sockets for beacons. The operating system's error gives the reason.
	ErrListen = errors.New("cannot listen")

	// ErrTooLarge: the message is larger than a peer would accept.
	ErrTooLarge = errors.New("message is too large")
)

// PeerError names the peer for which a Whisper or Shout failed.
type PeerError struct {
	UUID uuid.UUID
	Name string // empty if unknown
	Err  error  // ErrUnknownPeer or ErrPeerBusy, with the context's error if that ended the wait

	// Dropped: the peer read nothing for the send timeout, so its session ended. It exits as not responding.
	Dropped bool
}

func (e *PeerError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("peer %s: %v", e.UUID, e.Err)
	}
	return fmt.Sprintf("peer %s (%s): %v", printable(e.Name), e.UUID, e.Err)
}

func (e *PeerError) Unwrap() error { return e.Err }

// printable escapes characters that could control a terminal, in text from a peer: programs print errors unchanged.
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

// checkGroup checks a group name from the application. The protocol also allows the empty name.
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

// groupError describes what is wrong with a group name. It is separate so that checkGroup, which each Shout calls, needs no memory.
func groupError(group string, err error) error {
	var wrong *msg.StringError
	if errors.As(err, &wrong) {
		if err = wrong.Reason; wrong.Limit > 0 {
			err = fmt.Errorf("%w, it has %d", err, len(group))
		}
	}
	return fmt.Errorf("group %.40q: %w (%w): want 1 to %d bytes of UTF-8, without NUL", group, ErrInvalidGroup, err, msg.MaxString)
}

// stringError describes an invalid string, in the same form for each kind: what it is, the value, why it is wrong, and what would be right.
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

// helloError describes why a HELLO cannot be sent; err is the error of package msg.
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

// sentinelError is an error that also matches another one, without showing that in its text.
type sentinelError struct{ err, as error }

// withSentinel makes err also match as in errors.Is; nil stays nil.
func withSentinel(err, as error) error {
	if err == nil {
		return nil
	}
	return &sentinelError{err, as}
}

func (m *sentinelError) Error() string   { return m.err.Error() }
func (m *sentinelError) Unwrap() []error { return []error{m.err, m.as} }
