package zmtp

import (
	"context"
	"fmt"

	"github.com/go-zeromq/zmq4"

	"github.com/go-zre/go-zre/internal/curve"
)

// A mechanism is the handshake behind the greeting, NULL or CURVE: a zmq4.Security, so that zmq4.Open makes the greeting with its name and runs
// its Handshake. One instance serves one connection.
type mechanism interface {
	zmq4.Security

	// begin says what Handshake works on, and how long.
	begin(ctx context.Context, g *guard)

	// shy reports whether the peer is to show its mechanism first, and begins with what every peer answers: libzmq closes without
	// showing its own when it sees another.
	shy() bool

	// result is what came of it.
	result() agreed
}

// agreed is what a handshake comes to.
type agreed struct {
	peer    metadata
	secured *secured // nil for plain
}

// newMechanism returns the mechanism that a Config asks for, in the given role.
func newMechanism(cfg Config, role zmq4.SocketType) (mechanism, error) {
	ours, err := newMetadata(string(role), cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Curve != nil && cfg.Curve.Keys == nil {
		return nil, errNoKeys
	}
	most := int(cfg.Limits.CommandSize)
	switch {
	case cfg.Curve == nil && role == zmq4.Router:
		return &null{ours: ours, want: zmq4.Dealer}, nil
	case cfg.Curve == nil:
		return &null{ours: ours, want: zmq4.Router, name: cfg.Expect}, nil
	case role == zmq4.Router:
		return &curveServer{exchange: exchange{config: cfg.Curve}, ours: ours, most: most}, nil
	}
	return &curveClient{exchange: exchange{config: cfg.Curve}, ours: ours, most: most, expect: cfg.Expect}, nil
}

// probing returns the mechanism of a Config for a handshake that introduces nobody.
func probing(cfg Config) mechanism {
	if cfg.Curve == nil {
		return &null{want: zmq4.Router, mute: true}
	}
	return &curveClient{exchange: exchange{config: cfg.Curve}, most: int(cfg.Limits.CommandSize), mute: true}
}

// mechanism is the name of the one that a Config asks for.
func (c Config) mechanism() zmq4.SecurityType {
	if c.Curve != nil {
		return zmq4.CurveSecurity
	}
	return zmq4.NullSecurity
}

// commandOverhead is how long the command with our metadata is without it.
func (c Config) commandOverhead() int {
	if c.Curve != nil {
		return curve.InitiateSize // the longest
	}
	return len("\x05READY")
}

// A MechanismError says that the peer speaks another mechanism than this side. There is no fallback: who has CURVE configured takes nothing
// else. errors.As finds a *ProtocolError in it too.
type MechanismError struct {
	Ours, Theirs string // NULL, CURVE, or whatever the peer's greeting has
}

func (e *MechanismError) Error() string {
	return fmt.Sprintf("zmtp: the peer speaks the mechanism %q, this node demands %s", e.Theirs, e.Ours)
}

func (e *MechanismError) Unwrap() error {
	return &ProtocolError{Reason: fmt.Sprintf("mechanism %q; %s is needed", e.Theirs, e.Ours)}
}
