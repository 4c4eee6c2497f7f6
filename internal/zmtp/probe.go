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

// Probe asks the ROUTER at the other end of nc who it is, without telling who we are: it exchanges greetings, reads the
// ROUTER's READY, says none, and closes nc in any case. So the ROUTER never learns of a peer, and connections that it has go on.
//
// The identity is the ROUTER's: 17 octets of a ZRE node of ours (RFC 36: 1 and the UUID), empty of most others, since libzmq
// gives its ROUTERs none. An empty one with a nil error still says that a ROUTER answers here. The slice is the caller's.
//
// A ROUTER that speaks CURVE gives a *[MechanismError], which says so, and learns nothing of us either. With Config.Curve it is asked for a proof
// of its key, Curve.Server, with a key made for that: the identity is nil then, as it is no stranger's to know, and a nil error says that the
// owner of that key answers. A plain ROUTER gives the MechanismError then.
//
// Probe blocks until READY has come, or ctx or Config.HandshakeTimeout ends; of cfg only that, Curve and Limits count. Errors are those
// of [Open]: *[ProtocolError] for whatever is no ROUTER with our mechanism, os.ErrDeadlineExceeded for silence, io.EOF.
//
// That READY comes without ours is what RFC 23 says of NULL, and what libzmq does: 4.2.2, 4.3.5 and 4.3.6 send it as soon as they
// have the greeting. An attempt without READY makes libzmq's monitor tell of a failed handshake; no socket shows a
// message, and no ROUTER of any implementation an identity.
func Probe(ctx context.Context, nc net.Conn, cfg Config) (identity []byte, err error) {
	defer nc.Close()
	cfg = cfg.withDefaults()
	shaken, err := shakeHands(ctx, nc, cfg, probing(cfg), zmq4.Dealer)
	if err != nil {
		return nil, err
	}
	return []byte(shaken.peer.get(propIdentity)), nil
}

// Identify is Probe that tells the ROUTER our key, and nothing more, where Config.Curve is set: then it ends the handshake, without an identity and
// properties of ours, so the ROUTER tells its own. Both sides authorize each other, as with [Open]; a *[PeerError] says that the ROUTER refuses us.
// Without Curve it is Probe.
func Identify(ctx context.Context, nc net.Conn, cfg Config) (identity []byte, err error) {
	if cfg.Curve == nil {
		return Probe(ctx, nc, cfg)
	}
	defer nc.Close()
	cfg = cfg.withDefaults()
	cfg.Identity, cfg.Expect, cfg.Properties = nil, nil, nil
	shaken, err := handshake(ctx, nc, cfg, zmq4.Dealer)
	if err != nil {
		return nil, err
	}
	return []byte(shaken.peer.get(propIdentity)), nil
}

// ProbeLarge reports whether a ROUTER gets what is long. It says a long READY without an identity and a PING, so many octets together, in one
// write, and sees whether an answer comes, which may be that the ROUTER hangs up on a peer without an identity. With CURVE it is an INITIATE with
// nothing in it, on which the ROUTER hangs up. It closes nc in any case.
//
// It blocks until then, or until ctx ends, or Config.HandshakeTimeout, once for the greeting, whose errors are those of [Probe], and once for the
// answer. What is sent has some 400 octets at least; a node of ours takes 8 KiB.
func ProbeLarge(ctx context.Context, nc net.Conn, cfg Config, octets int) (answered bool, err error) {
	defer nc.Close()
	cfg = cfg.withDefaults()
	if _, err := shakeHands(ctx, nc, cfg, probing(cfg), zmq4.Dealer); err != nil {
		return false, err
	}
	if err := nc.SetDeadline(time.Now().Add(cfg.HandshakeTimeout)); err != nil {
		return false, fmt.Errorf("zmtp: probe: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })()
	if _, err := nc.Write(large(cfg, octets)); err != nil {
		return false, fmt.Errorf("zmtp: probe: %w", err)
	}
	_, err = nc.Read(make([]byte, 1))
	if ctx.Err() != nil {
		return false, fmt.Errorf("zmtp: probe given up: %w", context.Cause(ctx))
	}
	return !errors.Is(err, os.ErrDeadlineExceeded), nil
}

// large is what has so many octets, and an answer.
func large(cfg Config, octets int) []byte {
	if cfg.Curve == nil {
		return largeReady(octets)
	}
	const name = "\x08INITIATE" // with nothing in it that is valid: the ROUTER hangs up when it has all
	initiate := make([]byte, max(octets-longHeader, curve.InitiateSize))
	copy(initiate, name)
	return frame(flagCommand, initiate)
}

// largeReady is a READY and a PING, so many octets with the headers of their frames.
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

// frame returns a frame.
func frame(flags byte, body []byte) []byte {
	var header [longHeader]byte
	return append(append([]byte(nil), frameHeader(&header, flags, len(body))...), body...)
}
