package zmtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/go-zre/go-zre/internal/curve"
)

// Probe asks the ROUTER at the other end of nc for its identity, without giving ours: it exchanges greetings, reads the ROUTER's READY,
// sends none, and closes nc in any case. The ROUTER never learns of a peer, and connections that it has continue.
//
// The identity is the ROUTER's: 17 octets for a ZRE node of ours (RFC 36: 1 and the UUID), empty for most others, because libzmq gives its
// ROUTERs none. An empty one with a nil error still says that a ROUTER answers here. The caller owns the slice.
//
// A ROUTER that speaks CURVE gives a *[MechanismError], which says so, and learns nothing about us either. With Config.Curve, Probe asks
// the ROUTER to prove its key, Curve.Server, using a key made for this probe. Then the identity is nil, because the ROUTER does not give it
// to strangers, and a nil error says that the owner of that key answers. A plain ROUTER gives the MechanismError then.
//
// Probe blocks until READY has come, or ctx or Config.HandshakeTimeout ends; of cfg it uses only that, Curve and Limits. Errors are those
// of [Open]: *[ProtocolError] for whatever is no ROUTER with our mechanism, os.ErrDeadlineExceeded for silence, io.EOF.
//
// RFC 23 says for NULL that READY comes without waiting for ours, and libzmq does that: 4.2.2, 4.3.5 and 4.3.6 send it as soon as they have
// the greeting. An attempt without READY makes libzmq's monitor report a failed handshake; no socket shows a message, and no ROUTER of any
// implementation an identity.
func Probe(ctx context.Context, nc net.Conn, cfg Config) (identity []byte, err error) {
	defer nc.Close()
	cfg = cfg.withDefaults()
	result, err := runHandshake(ctx, nc, cfg, probeMechanism(cfg), zmq4.Dealer)
	if err != nil {
		return nil, err
	}
	return []byte(result.peer.get(propIdentity)), nil
}

// Identify is Probe, but if Config.Curve is set it gives the ROUTER our key, and nothing more: it finishes the handshake, without our
// identity and properties, so the ROUTER gives its own. Both sides authorize each other, as with [Open]; a *[PeerError] says that the
// ROUTER refuses us. Without Curve it is Probe.
func Identify(ctx context.Context, nc net.Conn, cfg Config) (identity []byte, err error) {
	if cfg.Curve == nil {
		return Probe(ctx, nc, cfg)
	}
	defer nc.Close()
	cfg = cfg.withDefaults()
	cfg.Identity, cfg.Expect, cfg.Properties = nil, nil, nil
	result, err := handshake(ctx, nc, cfg, zmq4.Dealer)
	if err != nil {
		return nil, err
	}
	return []byte(result.peer.get(propIdentity)), nil
}

// ProbeLarge tells whether long data reaches a ROUTER. It sends a long READY without an identity and a PING, that many octets together, in
// one write, and waits for any answer, even that the ROUTER hangs up on a peer without an identity. With CURVE it sends an INITIATE with
// nothing in it, on which the ROUTER hangs up. It closes nc in any case.
//
// It blocks until the answer, or until ctx ends, or Config.HandshakeTimeout, once for the greeting, whose errors are those of [Probe], and
// once for the answer. It sends at least some 400 octets; a node of ours accepts 8 KiB.
func ProbeLarge(ctx context.Context, nc net.Conn, cfg Config, octets int) (answered bool, err error) {
	defer nc.Close()
	cfg = cfg.withDefaults()
	if _, err := runHandshake(ctx, nc, cfg, probeMechanism(cfg), zmq4.Dealer); err != nil {
		return false, err
	}
	if err := nc.SetDeadline(time.Now().Add(cfg.HandshakeTimeout)); err != nil {
		return false, fmt.Errorf("zmtp: probe: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })()
	if _, err := nc.Write(largeProbe(cfg, octets)); err != nil {
		return false, fmt.Errorf("zmtp: probe: %w", err)
	}
	_, err = nc.Read(make([]byte, 1))
	if ctx.Err() != nil {
		return false, fmt.Errorf("zmtp: probe given up: %w", context.Cause(ctx))
	}
	return !errors.Is(err, os.ErrDeadlineExceeded), nil
}

// largeProbe returns that many octets which a ROUTER answers.
func largeProbe(cfg Config, octets int) []byte {
	if cfg.Curve == nil {
		return largeReady(octets)
	}
	const name = "\x08INITIATE" // with nothing valid in it: the ROUTER hangs up when it has everything
	initiate := make([]byte, max(octets-longHeader, curve.InitiateSize))
	copy(initiate, name)
	return frame(flagCommand, initiate)
}

// largeReady returns a READY and a PING, that many octets including frame headers.
func largeReady(octets int) []byte {
	ping := append([]byte{byte(len(zmq4.CmdPing))}, zmq4.CmdPing+"\x00\x00"...)
	pinged := frame(flagCommand, ping)
	ready := func(padding int) []byte {
		m := metadata{{propSocketType, string(zmq4.Dealer)}, {propIdentity, ""}, {"X-Padding", strings.Repeat(" ", padding)}}
		return frame(flagCommand, append([]byte("\x05READY"), m.encode()...))
	}
	const long = 256 // beyond which the header does not change its length
	padding := max(long, octets-len(pinged)-len(ready(long))+long)
	return append(ready(padding), pinged...)
}

// frame encodes a frame.
func frame(flags byte, body []byte) []byte {
	var header [longHeader]byte
	return append(append([]byte(nil), frameHeader(&header, flags, len(body))...), body...)
}
