package zretest

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// An EventChecker checks the events of one node, in their order, against what package zre promises of them. The zero value is ready.
// It is not safe for concurrent use. [Watch] has one.
type EventChecker struct {
	present map[uuid.UUID]*session
}

// A session is what is known about a peer from its Enter to its Exit.
type session struct {
	groups map[string]bool
	next   map[string]uint64 // number of the next message by group; "" is for whispers
}

// Check takes the next event. Its error says what is wrong with the event:
//
//   - an Enter of a peer that is present, or anything else of one that is not;
//   - a Join of a group that the peer is in, or a Leave of one that it is not in, or a Leader that is not in the group;
//   - a message made with [Number] that does not follow the one before it in this session: whispers are one
//     sequence, and the shouts to each group are one, as long as the node stays in the group.
func (g *EventChecker) Check(event zre.Event) error {
	switch event.(type) {
	case zre.Problem, zre.EndpointChange:
		return nil // belongs to no session
	}
	if e, ok := event.(zre.Leader); ok && e.Peer.Transport == "" {
		return nil // this node leads
	}
	peer := event.From()
	s := g.present[peer.UUID]
	if _, ok := event.(zre.Enter); ok {
		if s != nil {
			return fmt.Errorf("zretest: %s entered again without an Exit", peer.Name)
		}
		if g.present == nil {
			g.present = make(map[uuid.UUID]*session)
		}
		g.present[peer.UUID] = &session{groups: make(map[string]bool), next: make(map[string]uint64)}
		return nil
	}
	if s == nil {
		return fmt.Errorf("zretest: %T of %s, which is not present", event, peer.Name)
	}
	switch e := event.(type) {
	case zre.Exit:
		delete(g.present, peer.UUID)
	case zre.Join:
		if s.groups[e.Group] {
			return fmt.Errorf("zretest: %s joined %q twice", peer.Name, e.Group)
		}
		s.groups[e.Group] = true
	case zre.Leave:
		if !s.groups[e.Group] {
			return fmt.Errorf("zretest: %s left %q without being in it", peer.Name, e.Group)
		}
		delete(s.groups, e.Group)
	case zre.Leader:
		if !s.groups[e.Group] {
			return fmt.Errorf("zretest: %s leads %q without being in it", peer.Name, e.Group)
		}
	case zre.Whisper:
		return s.checkNumber(peer, "", e.Frames)
	case zre.Request:
		return s.checkNumber(peer, "", e.Frames) // it is a whisper on the wire
	case zre.Shout:
		return s.checkNumber(peer, e.Group, e.Frames)
	}
	return nil
}

// checkNumber checks the number of a message, if it has one.
func (s *session) checkNumber(peer *zre.Peer, group string, frames [][]byte) error {
	if len(frames) == 0 {
		return nil
	}
	n, ok := ParseNumber(frames[0])
	if !ok {
		return nil
	}
	want, started := s.next[group]
	s.next[group] = n + 1
	if started && n != want {
		what := "whisper"
		if group != "" {
			what = fmt.Sprintf("shout to %q", group)
		}
		return fmt.Errorf("zretest: %s number %d of %s came where %d was due", what, n, peer.Name, want)
	}
	return nil
}

// Present returns how many peers have entered and not exited.
func (g *EventChecker) Present() int { return len(g.present) }

// numberPrefix is the prefix of a frame made by Number.
var numberPrefix = []byte("zretest#")

// Number returns a frame that carries a number. Send it as the first frame of a message to have the receiver's [EventChecker] check
// that no message of a session is missing or out of order. Count the messages that were queued: up by one after each
// Whisper to one peer, or each Shout to one group, that returned no error.
func Number(n uint64) []byte { return binary.BigEndian.AppendUint64(bytes.Clone(numberPrefix), n) }

// ParseNumber returns the number in a frame made by Number.
func ParseNumber(frame []byte) (n uint64, ok bool) {
	digits, ok := bytes.CutPrefix(frame, numberPrefix)
	if !ok || len(digits) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(digits), true
}
