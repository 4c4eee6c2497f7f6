package curve

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/nacl/box"
)

// TestBoxes: a Sealer makes NaCl's boxes, for every length around the edges of Salsa20's and Poly1305's blocks.
func TestBoxes(t *testing.T) {
	m := completeHandshake(t)
	shared := m.clientShared(t)
	random := rand.New(rand.NewPCG(1, 2))
	for size := range 650 {
		if size >= 600 {
			size = random.IntN(200_000)
		}
		plain := make([]byte, 1+size)
		for i := range plain {
			plain[i] = byte(random.Uint32())
		}
		got := sealed(t, m.fromClient, plain[0], string(plain[1:]))
		want := box.SealAfterPrecomputation(nil, plain, shortNonceOf(nonceMessageClient, m.fromClient.nonce), (*[32]byte)(shared))
		if !bytes.Equal(got[len(nameMessage)+shortNonce:], want) {
			t.Fatalf("%d bytes: %x instead of %x", size, got, want)
		}
		flags, back, err := opened(m.atServer, got)
		if err != nil || flags != plain[0] || !bytes.Equal(back, plain[1:]) {
			t.Fatalf("%d bytes: %v", size, err)
		}
	}
}

// clientShared returns the key between the two for this connection, computed by nacl/box.
func (m *handshakeRun) clientShared(t *testing.T) *sharedKey {
	ours, _ := numbered("of the client").keyPair()
	var shared sharedKey
	box.Precompute((*[32]byte)(&shared), (*[32]byte)(&m.client.theirs), (*[32]byte)(ours.secret.Bytes()))
	return &shared
}

func TestOpenPlaces(t *testing.T) {
	m := completeHandshake(t)
	for _, size := range []int{0, 1, 30, 31, 32, 64, 1000, 70_000} {
		plain := bytes.Repeat([]byte("abc"), size)[:size]
		message := sealed(t, m.fromClient, More, string(plain))
		if _, err := m.atServer.Open(message[Overhead:], message[:Overhead], message[Overhead:]); err != nil || !bytes.Equal(message[Overhead:], plain) {
			t.Errorf("%d bytes in place: %v", size, err)
		}
		message = sealed(t, m.fromClient, More, string(plain))
		head, rest := bytes.Clone(message[:Overhead]), bytes.Clone(message[Overhead:])
		if flags, err := m.atServer.Open(rest, head, rest); err != nil || flags != More || !bytes.Equal(rest, plain) {
			t.Errorf("%d bytes in two places: %v", size, err)
		}
	}
}

// TestMessages: only what was sealed for this direction of this connection opens, once, in its order.
func TestMessages(t *testing.T) {
	tests := []struct {
		name string
		take func(m *handshakeRun, one, two, three []byte) []byte // one is opened before
		want error
	}{
		{"the next one", func(_ *handshakeRun, _, two, _ []byte) []byte { return two }, nil},
		{"a leap", func(_ *handshakeRun, _, _, three []byte) []byte { return three }, nil},
		{"once more", func(_ *handshakeRun, one, _, _ []byte) []byte { return one }, ErrNonce},
		{"from the other side", func(m *handshakeRun, _, _, _ []byte) []byte {
			m.fromServer.nonce = 100
			b, _ := m.fromServer.Append(nil, 0, []byte("hello"))
			return b[2:]
		}, ErrBox},
		{"another nonce", func(_ *handshakeRun, _, two, _ []byte) []byte {
			binary.BigEndian.PutUint64(two[8:], math.MaxUint64)
			return two
		}, ErrBox},
		{"the nonce 0", func(_ *handshakeRun, _, two, _ []byte) []byte {
			binary.BigEndian.PutUint64(two[8:], 0)
			return two
		}, ErrNonce},
		{"cut by one", func(_ *handshakeRun, _, two, _ []byte) []byte { return two[:len(two)-1] }, ErrBox},
		{"cut to no flags", func(_ *handshakeRun, _, two, _ []byte) []byte { return two[:Overhead-1] }, ErrCommand},
		{"cut within the name", func(_ *handshakeRun, _, two, _ []byte) []byte { return two[:5] }, ErrCommand},
		{"nothing", func(_ *handshakeRun, _, _, _ []byte) []byte { return nil }, ErrCommand},
		{"longer by one", func(_ *handshakeRun, _, two, _ []byte) []byte { return append(two, 0) }, ErrBox},
		{"a frame in clear", func(_ *handshakeRun, _, _, _ []byte) []byte { return make([]byte, 100) }, ErrCommand},
		{"another command", func(_ *handshakeRun, _, two, _ []byte) []byte { return append([]byte(nameReady), two[6:]...) }, ErrCommand},
		{"READY again", func(m *handshakeRun, _, _, _ []byte) []byte { return append(m.ready, make([]byte, 40)...) }, ErrCommand},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := completeHandshake(t)
			one, two, three := sealed(t, m.fromClient, 0, "one"), sealed(t, m.fromClient, 0, "two"), sealed(t, m.fromClient, 0, "three")
			if _, _, err := opened(m.atServer, one); err != nil {
				t.Fatal(err)
			}
			if _, _, err := opened(m.atServer, test.take(m, one, two, three)); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
	t.Run("moved", func(t *testing.T) {
		m := completeHandshake(t)
		one, two := sealed(t, m.fromClient, 0, "one"), sealed(t, m.fromClient, 0, "two")
		if _, _, err := opened(m.atServer, two); err != nil {
			t.Fatal(err)
		}
		if _, _, err := opened(m.atServer, one); err != ErrNonce {
			t.Error(err)
		}
	})
	t.Run("each byte", func(t *testing.T) {
		m := completeHandshake(t)
		message := sealed(t, m.fromClient, 0, "some text that is longer than what the first block has room for")
		for at := range message {
			changed := bytes.Clone(message)
			changed[at] ^= 4
			flags, plain, err := opened(m.atServer, changed)
			if err == nil {
				t.Fatalf("byte %d altered: the MESSAGE was opened", at)
			}
			if flags != 0 || !bytes.Equal(plain, make([]byte, len(plain))) {
				t.Errorf("byte %d altered: a part of the plaintext was returned", at)
			}
		}
		if _, _, err := opened(m.atServer, message); err != nil {
			t.Errorf("the unaltered MESSAGE: %v", err)
		}
	})
}

// TestNonces: nonces continue those of the handshake, and never come again.
func TestNonces(t *testing.T) {
	m := completeHandshake(t)
	number := func(s *Sealer) uint64 { return binary.BigEndian.Uint64(sealed(t, s, 0, "x")[8:]) }
	if n := number(m.fromClient); n != 3 {
		t.Errorf("the client's first message has the nonce %d", n)
	}
	if n := number(m.fromServer); n != 2 {
		t.Errorf("the server's first message has the nonce %d", n)
	}
	m.fromClient.nonce = math.MaxUint64 - 1
	last := sealed(t, m.fromClient, 0, "the last one")
	if _, _, err := opened(m.atServer, last); err != nil {
		t.Errorf("the last nonce: %v", err)
	}
	for range 3 {
		if b, err := m.fromClient.Append([]byte("before"), 0, []byte("one more")); err != ErrNoncesUsed || string(b) != "before" {
			t.Errorf("one more: %q, %v", b, err)
		}
	}
	if _, _, err := opened(m.atServer, last); err != ErrNonce {
		t.Errorf("the last one again: %v", err)
	}
	// The nonces of HELLO and READY count, so that no message of the other side may have them.
	m = completeHandshake(t)
	for at, o := range map[uint64]*Opener{2: m.atServer, 1: m.atClient} {
		if o.nonce != at {
			t.Errorf("last nonce %d instead of %d", o.nonce, at)
		}
	}
}

func TestAllocations(t *testing.T) {
	m := completeHandshake(t)
	plain := make([]byte, 1000)
	buffer, dst := make([]byte, 0, SealedSize(len(plain))+longHeader), make([]byte, len(plain))
	allocations := testing.AllocsPerRun(100, func() {
		frame, _ := m.fromClient.Append(buffer, 0, plain)
		message := frame[longHeader:]
		if _, err := m.atServer.Open(dst, message[:Overhead], message[Overhead:]); err != nil {
			t.Error(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations for a message", allocations)
	}
}
