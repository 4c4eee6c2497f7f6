package curve

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
)

const maxCommand = 8 << 10

// numbered returns repeatable "random" octets.
func numbered(label string) randomSource {
	count := uint64(0)
	return func(b []byte) {
		for i := 0; i < len(b); i += sha256.Size {
			count++
			sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(label), count))
			copy(b[i:], sum[:])
		}
	}
}

// fixedRandom returns the octets of a record, in order.
func fixedRandom(t testing.TB, draws ...[]byte) randomSource {
	return func(b []byte) {
		t.Helper()
		if len(draws) == 0 || len(draws[0]) != len(b) {
			t.Fatalf("%d random bytes were not recorded", len(b))
		}
		copy(b, draws[0])
		draws = draws[1:]
	}
}

func pair(t testing.TB, label string) *KeyPair {
	t.Helper()
	p, err := NewKeyPair(sha256.Sum256([]byte(label)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// handshakeRun is a handshake whose commands a test may alter on the way.
type handshakeRun struct {
	client *Client
	server *Server

	hello, welcome, initiate, ready []byte // as they were made

	alter func(name string, command []byte) []byte

	metaOfClient, metaOfServer []byte

	clientKey  PublicKey
	clientMeta []byte
	serverMeta []byte

	fromClient, fromServer *Sealer
	atServer, atClient     *Opener
}

func newHandshakeRun(t testing.TB) *handshakeRun {
	t.Helper()
	server := pair(t, "server")
	client, err := newClient(pair(t, "client"), server.Public(), maxCommand, numbered("of the client"))
	if err != nil {
		t.Fatal(err)
	}
	m := &handshakeRun{client: client, server: NewServer(server, maxCommand)}
	m.metaOfClient, m.metaOfServer = []byte("metadata of the client"), []byte("metadata of the server")
	m.server.random = numbered("of the server")
	m.alter = func(_ string, command []byte) []byte { return command }
	return m
}

// run runs the handshake to its end, or to the first error, and returns which side had the error.
func (m *handshakeRun) run() (side string, err error) {
	if m.hello, err = m.client.Hello(); err != nil {
		return "client", err
	}
	if m.welcome, err = m.server.Hello(m.alter("HELLO", m.hello)); err != nil {
		return "server", err
	}
	if err = m.client.Welcome(m.alter("WELCOME", m.welcome)); err != nil {
		return "client", err
	}
	if m.initiate, err = m.client.Initiate(m.metaOfClient); err != nil {
		return "client", err
	}
	if m.clientKey, m.clientMeta, err = m.server.Initiate(m.alter("INITIATE", m.initiate)); err != nil {
		return "server", err
	}
	if m.ready, m.fromServer, m.atServer, err = m.server.Ready(m.metaOfServer); err != nil {
		return "server", err
	}
	if m.serverMeta, m.fromClient, m.atClient, err = m.client.Ready(m.alter("READY", m.ready)); err != nil {
		return "client", err
	}
	return "", nil
}

// completeHandshake returns a successful handshake.
func completeHandshake(t testing.TB) *handshakeRun {
	t.Helper()
	m := newHandshakeRun(t)
	if side, err := m.run(); err != nil {
		t.Fatalf("%s: %v", side, err)
	}
	return m
}

// body removes a frame's header.
func body(t testing.TB, frame []byte) []byte {
	t.Helper()
	size, rest := 0, frame
	switch frame[0] {
	case 0:
		size, rest = int(frame[1]), frame[2:]
	case flagLong:
		size, rest = int(binary.BigEndian.Uint64(frame[1:])), frame[9:]
	default:
		t.Fatalf("outer flags %#x", frame[0])
	}
	if size != len(rest) || (size <= 255) != (frame[0] == 0) {
		t.Fatalf("a frame of %d bytes says %d, flags %#x", len(rest), size, frame[0])
	}
	return rest
}

func sealed(t testing.TB, s *Sealer, flags byte, plain string) []byte {
	t.Helper()
	frame, err := s.Append(nil, flags, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	if len(frame) != SealedSize(len(plain)) {
		t.Errorf("%d bytes sealed have %d, SealedSize says %d", len(plain), len(frame), SealedSize(len(plain)))
	}
	return body(t, frame)
}

// opened opens a MESSAGE into separate memory; the MESSAGE stays unchanged.
func opened(o *Opener, message []byte) (flags byte, plain []byte, err error) {
	if len(message) < Overhead {
		_, err = o.Open(nil, message, nil)
		return 0, nil, err
	}
	plain = make([]byte, len(message)-Overhead)
	flags, err = o.Open(plain, message[:Overhead], message[Overhead:])
	return flags, plain, err
}
