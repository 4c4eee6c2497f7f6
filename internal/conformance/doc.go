// Package conformance tests what an implementation of ZRE does in a session, message by message. A [Player] is a bare peer that follows a
// [Script]: for example it sends HELLO twice, closes a connection, or leaves out a number. It records what the implementation, the subject,
// does. [Scripts] are the scripts, with what each implementation does.
//
// Tests of internal/interop play them against the real implementations, and tests of zre/zretest against its models of them, on the
// simulated LAN: this way the models are known to be right.
package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// A Subject is a node that scripts are played against.
type Subject interface {
	UUID() uuid.UUID

	// Whisper makes it send a message to a peer.
	Whisper(to uuid.UUID, text string) error

	// Events returns what it has reported about a peer to its application so far, such as "enter", "exit", "whisper": the names of
	// testbed.Event.
	Events(of uuid.UUID) []string
}

// A Script is a list of steps, and the expected outcome.
type Script struct {
	Name  string
	Steps []Step

	// Temper is how patient the subject must be.
	Temper Temper

	// Long says that it has tens of thousands of messages.
	Long bool

	// Want is the expected outcome, by implementation: "zyre", "pyre", "zyre.js".
	Want map[string]Outcome
}

// A Temper is how soon a subject sends PING and gives up.
type Temper uint8

// The tempers. Most scripts want no PINGs.
const (
	Patient Temper = iota // after a minute, and two
	Usual                 // after its implementation's default times
	Hasty                 // after 3 seconds, and 7
)

// Timeouts returns the evasive and the expired timeout, 0 for the implementation's own.
func (t Temper) Timeouts() (evasive, expired time.Duration) {
	switch t {
	case Patient:
		return time.Minute, 2 * time.Minute
	case Hasty:
		return 3 * time.Second, 7 * time.Second
	}
	return 0, 0
}

// An Outcome is what a subject did.
type Outcome struct {
	// Connections are those that the subject made to the Player, in order: what came on each, as in "HELLO 1, PING-OK 2 to 4", and "closed"
	// at the end if the subject closed it. Several PINGs in a row are "PINGs", without their numbers.
	Connections []string

	// Events are what the subject reported to its application about the Player, by the names of testbed.Event, and about a second one with
	// that UUID after "second".
	Events string
}

// A Step is something that a Player does.
type Step struct {
	what string
	do   func(ctx context.Context, p *Player) error
}

// quietTime is how long nothing must happen before the next step: longer than a subject needs to answer, and than its sockets need to
// reconnect.
const quietTime = 700 * time.Millisecond

// Play plays a script against a subject, as a new peer on a host, and returns the outcome.
func Play(ctx context.Context, host zre.Network, subject Subject, s Script) (Outcome, error) {
	p, err := newPlayer(ctx, host, subject)
	if err != nil {
		return Outcome{}, err
	}
	defer p.close()
	for _, step := range s.Steps {
		if err := step.do(ctx, p); err != nil {
			return p.outcome(), fmt.Errorf("script: %s: %s: %w", s.Name, step.what, err)
		}
		if err := p.waitUntilQuiet(ctx); err != nil {
			return p.outcome(), err
		}
	}
	return p.outcome(), p.unexpectedClose()
}

// Differs says how an outcome differs from another; empty if it does not.
func (o Outcome) Differs(want Outcome) string {
	if slices.Equal(o.Connections, want.Connections) && o.Events == want.Events {
		return ""
	}
	return fmt.Sprintf("got  %v\nwant %v", o, want)
}

func (o Outcome) String() string {
	return fmt.Sprintf("[%s] events: %s", strings.Join(o.Connections, " | "), o.Events)
}
