package zmtp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/go-zeromq/zmq4"
)

// The greeting (RFC 23): signature, version, mechanism, as-server, filler.
const (
	greetingSize   = 64
	signatureFirst = 0xff // octet 0
	signatureLast  = 0x7f // octet 9
	majorVersion   = 3    // octet 10, at least
	mechanismAt    = 12   // 20 octets, padded with zeros
	mechanismEnd   = 32
	asServerAt     = 32 // means nothing with NULL, so it may be any octet; libzmq does not look at it either
)

// handshake performs greeting and handshake in the given role, until ctx or the handshake timeout ends. It returns the peer's metadata, and
// what seals and opens messages with CURVE. It reads no octet beyond the handshake. It leaves nc open, without a deadline if it succeeds.
func handshake(ctx context.Context, nc net.Conn, cfg Config, role zmq4.SocketType) (handshakeResult, error) {
	m, err := newMechanism(cfg, role)
	if err != nil {
		return handshakeResult{}, err
	}
	return runHandshake(ctx, nc, cfg, m, role)
}

// runHandshake is handshake with a given mechanism.
func runHandshake(ctx context.Context, nc net.Conn, cfg Config, m mechanism, role zmq4.SocketType) (handshakeResult, error) {
	deadline := time.Now().Add(cfg.HandshakeTimeout)
	if err := nc.SetDeadline(deadline); err != nil {
		return handshakeResult{}, fmt.Errorf("zmtp: cannot limit the time of a handshake: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	g := &guard{Conn: nc, limit: uint64(cfg.Limits.CommandSize), mechanism: string(m.Type()), waitsForPeer: m.waitsForPeer()}
	if cfg.Curve != nil { // for Authorize
		limited, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		m.begin(limited, g)
	}
	err := open(g, m, role, cfg.Identity)
	if err == nil {
		err = g.flush()
	}
	if !stop() {
		return handshakeResult{}, fmt.Errorf("zmtp: handshake given up: %w", context.Cause(ctx))
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		return handshakeResult{}, unwrapHandshakeError(err, cfg.HandshakeTimeout)
	}
	return m.result(), nil
}

// open runs zmq4's part. zmq4 panics on some input; the guard and the mechanism keep all known cases from it, and unknown ones end this
// connection, not the process.
func open(nc net.Conn, mechanism zmq4.Security, role zmq4.SocketType, identity []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = violation("handshake panicked: %v", p)
		}
	}()
	// The as-server flag is false on both sides, as NULL has no server. zmq4 greets with version 3.0, which a 3.1 peer
	// accepts.
	_, err = zmq4.Open(nc, mechanism, role, zmq4.SocketIdentity(identity), false, nil)
	return err
}

// unwrapHandshakeError removes the layers of text that zmq4 wraps around an error.
func unwrapHandshakeError(err error, timeout time.Duration) error {
	if other, ok := errors.AsType[*MechanismError](err); ok {
		return other
	}
	if broken, ok := errors.AsType[*ProtocolError](err); ok {
		return broken
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused
	}
	if own, ok := errors.AsType[ownError](err); ok {
		return own.error
	}
	if refused, ok := errors.AsType[*PeerError](err); ok {
		return refused
	}
	switch {
	case errors.Is(err, ErrWrongPeer):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("zmtp: handshake not finished within %v: %w", timeout, os.ErrDeadlineExceeded)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("zmtp: peer closed the connection during the handshake: %w", io.EOF)
	}
	return fmt.Errorf("zmtp: handshake failed: %w", err)
}

// guard stands between the network and zmq4 while the handshake runs. It looks at each incoming octet, so that zmq4 never sees a greeting
// that isn't ZMTP 3, and never allocates for a frame that is no command or too long. It holds no input back: zmq4 asks for exactly what it
// needs, so what follows the handshake stays in nc. It gathers output until zmq4 wants an answer: zmq4 writes the header of a command
// separately, and each part would be a packet that wakes the peer.
type guard struct {
	net.Conn
	out          []byte // not yet written
	limit        uint64 // octets in a frame
	mechanism    string // that the peer must speak; "" stands for NULL
	waitsForPeer bool   // show our mechanism only after the peer's
	written      int    // octets written
	greeting     [greetingSize]byte
	greetingLen  int // octets of greeting
	header       [longHeader]byte
	headerLen    int    // octets of header
	bodyLeft     uint64 // octets of the frame to come
}

func (g *guard) Write(p []byte) (int, error) {
	g.out = append(g.out, p...)
	return len(p), nil
}

func (g *guard) flush() error {
	n := len(g.out)
	if g.waitsForPeer && g.greetingLen < mechanismEnd {
		n = min(n, mechanismAt-g.written)
	}
	if n == 0 {
		return nil
	}
	_, err := g.Conn.Write(g.out[:n])
	g.out, g.written = append(g.out[:0], g.out[n:]...), g.written+n
	return err
}

func (g *guard) Read(p []byte) (int, error) {
	if err := g.flush(); err != nil {
		return 0, err
	}
	n, err := g.Conn.Read(p)
	if bad := g.check(p[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

func (g *guard) check(p []byte) error {
	for len(p) > 0 {
		if g.bodyLeft > 0 {
			skip := min(g.bodyLeft, uint64(len(p)))
			g.bodyLeft -= skip
			p = p[skip:]
			continue
		}
		var err error
		if g.greetingLen < greetingSize {
			if g.greetingLen == asServerAt {
				p[0] = 0 // zmq4 takes no other than 0 and 1
			}
			err = g.checkGreeting(p[0])
		} else {
			err = g.checkHeader(p[0])
		}
		if err != nil {
			return err
		}
		p = p[1:]
	}
	return nil
}

// checkGreeting takes one octet of the greeting and judges as early as it can: a peer of ZMTP 1 or 2 sends fewer than 64 octets and then waits for
// us.
func (g *guard) checkGreeting(octet byte) error {
	at := g.greetingLen
	g.greeting[at] = octet
	g.greetingLen++
	switch {
	case at == 0 && octet != signatureFirst:
		return violation("first byte %#02x is no ZMTP greeting (perhaps ZMTP 1)", octet)
	case at == 9 && octet != signatureLast:
		return violation("byte 9 of the greeting is %#02x, not 0x7f (perhaps ZMTP 1)", octet)
	case at == 10 && octet < majorVersion:
		return violation("ZMTP version %d; 3 is needed", int(octet)+1) // ZMTP 1 and 2 say 0 and 1 here
	case at == mechanismEnd-1:
		name := bytes.TrimRight(g.greeting[mechanismAt:mechanismEnd], "\x00")
		if ours := cmp.Or(g.mechanism, string(zmq4.NullSecurity)); string(name) != ours {
			return &MechanismError{Ours: ours, Theirs: string(name)}
		}
	}
	return nil
}

// checkHeader takes one octet of a frame's header. In a handshake every frame is a command.
func (g *guard) checkHeader(octet byte) error {
	g.header[g.headerLen] = octet
	g.headerLen++
	flags := g.header[0]
	if flags&^flagLong != flagCommand {
		return violation("frame with flags %#02x in the handshake, where only commands may come", flags)
	}
	switch {
	case flags&flagLong == 0 && g.headerLen == shortHeader:
		g.bodyLeft = uint64(g.header[1])
	case g.headerLen == longHeader:
		g.bodyLeft = binary.BigEndian.Uint64(g.header[1:])
	default:
		return nil
	}
	g.headerLen = 0
	if g.bodyLeft > g.limit {
		return violation("command of %d bytes in the handshake, at most %d are allowed", g.bodyLeft, g.limit)
	}
	return nil
}

// command reads a CURVE command of least to most octets; it allocates nothing for any other.
func (g *guard) command(least, most int) ([]byte, error) {
	var header [longHeader]byte
	if _, err := io.ReadFull(g, header[:shortHeader]); err != nil {
		return nil, err
	}
	if header[0]&flagLong != 0 {
		if _, err := io.ReadFull(g, header[shortHeader:]); err != nil {
			return nil, err
		}
	}
	size := g.bodyLeft
	if size < uint64(least) || size > uint64(most) {
		return nil, violation("command of %d bytes in the handshake, where %d to %d are due", size, least, most)
	}
	command := make([]byte, size)
	_, err := io.ReadFull(g, command)
	return command, err
}
