// Package script tries what an implementation of ZRE does in a session, message by message: a [Player] is a bare peer that does what
// a [Script] says, such as to say HELLO twice, to close a connection, or to leave out a number, and writes down what the
// implementation, the subject, does. [Scripts] are the scripts, with what each implementation does.
//
// Tests of internal/interop play them for the real implementations, and tests of zre/zretest for its models of them, on the simulated
// LAN: so the models are known to be right.
package script

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// A Subject is a node that scripts are played for.
type Subject interface {
	UUID() uuid.UUID

	// Whisper has it send a message to a peer.
	Whisper(to uuid.UUID, text string) error

	// Events returns what it told its application of a peer so far, such as "enter", "exit", "whisper": the names of testbed.Event.
	Events(of uuid.UUID) []string
}

// A Script is a list of steps, and what comes of them.
type Script struct {
	Name  string
	Steps []Step

	// Temper is how patient the subject is to be.
	Temper Temper

	// Long says that it has tens of thousands of messages.
	Long bool

	// Want is what comes of it, by implementation: "zyre", "pyre", "zyre.js".
	Want map[string]Outcome
}

// A Temper is how soon a subject PINGs and gives up.
type Temper uint8

// The tempers. Most scripts want no PINGs.
const (
	Patient Temper = iota // after a minute, and two
	Usual                 // after what its implementation has by default
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
	// Connections are those that the subject made to the Player, in their order: what came by each, as in "HELLO 1, PING-OK 2 to 4",
	// and "closed" at the end if the subject closed it. Several PINGs in a row are "PINGs", without their numbers.
	Connections []string

	// Events are what its application was told of the Player, by the names of testbed.Event, and of a second one with that UUID after
	// "second".
	Events string
}

// A Step is something that a Player does.
type Step struct {
	what string
	do   func(ctx context.Context, p *Player) error
}

// settle is how long nothing must happen before the next step: more than a subject needs to answer, and than its sockets need to
// connect again.
const settle = 700 * time.Millisecond

// Play plays a script for a subject, as a new peer on a host, and returns what came of it.
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
		if err := p.rest(ctx); err != nil {
			return p.outcome(), err
		}
	}
	return p.outcome(), p.trouble()
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
