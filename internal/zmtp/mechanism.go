package zmtp

import (
	"context"
	"fmt"

	"github.com/go-zeromq/zmq4"

	"github.com/go-zre/go-zre/internal/curve"
)

// A mechanism is the handshake after the greeting, NULL or CURVE: a zmq4.Security, so that zmq4.Open makes the greeting with its name and
// runs its Handshake. One instance serves one connection.
type mechanism interface {
	zmq4.Security

	// begin sets the guard and the context that Handshake uses.
	begin(ctx context.Context, g *guard)

	// waitsForPeer tells whether the peer must show its mechanism first, so that we begin only with what every peer answers: libzmq closes without
	// showing its own mechanism when it sees another one.
	waitsForPeer() bool

	// result returns the outcome.
	result() handshakeResult
}

// handshakeResult is the outcome of a handshake.
type handshakeResult struct {
	peer  metadata
	curve *curveState // nil for plain
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
	maxCommand := int(cfg.Limits.CommandSize)
	switch {
	case cfg.Curve == nil && role == zmq4.Router:
		return &null{ours: ours, want: zmq4.Dealer}, nil
	case cfg.Curve == nil:
		return &null{ours: ours, want: zmq4.Router, expected: cfg.Expect}, nil
	case role == zmq4.Router:
		return &curveServer{curveHandshake: curveHandshake{config: cfg.Curve}, ours: ours, maxCommand: maxCommand}, nil
	}
	return &curveClient{curveHandshake: curveHandshake{config: cfg.Curve}, ours: ours, maxCommand: maxCommand, expect: cfg.Expect}, nil
}

// probeMechanism returns the mechanism of a Config for a handshake that does not introduce us.
func probeMechanism(cfg Config) mechanism {
	if cfg.Curve == nil {
		return &null{want: zmq4.Router, probeOnly: true}
	}
	return &curveClient{curveHandshake: curveHandshake{config: cfg.Curve}, maxCommand: int(cfg.Limits.CommandSize), probeOnly: true}
}

// mechanism returns the name of the mechanism that a Config asks for.
func (c Config) mechanism() zmq4.SecurityType {
	if c.Curve != nil {
		return zmq4.CurveSecurity
	}
	return zmq4.NullSecurity
}

// commandOverhead is the length of the command that carries our metadata, without the metadata.
func (c Config) commandOverhead() int {
	if c.Curve != nil {
		return curve.InitiateSize // the longest
	}
	return len("\x05READY")
}

// A MechanismError says that the peer speaks another mechanism than this side. There is no fallback: a node with CURVE accepts nothing
// else. errors.As finds a *ProtocolError in it too.
type MechanismError struct {
	Ours, Theirs string // NULL, CURVE, or whatever the peer's greeting has
}

func (e *MechanismError) Error() string {
	return fmt.Sprintf("zmtp: the peer speaks the mechanism %q, this node requires %s", e.Theirs, e.Ours)
}

func (e *MechanismError) Unwrap() error {
	return &ProtocolError{Reason: fmt.Sprintf("mechanism %q; %s is needed", e.Theirs, e.Ours)}
}
