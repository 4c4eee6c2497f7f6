package curve

import (
	"bytes"
	"errors"
	"testing"
)

// seeds gives a fuzzer the recorded commands of that name, and ours.
func seeds(f *testing.F, name string, ours ...[]byte) {
	for _, s := range sessions(f) {
		for _, stream := range [][]byte{s.ClientToServer, s.ServerToClient} {
			if len(stream) < 64 {
				continue
			}
			for _, frame := range frames(f, stream) {
				if command := bodyOf(frame); len(command) < 2000 && bytes.HasPrefix(command, []byte(name)) {
					f.Add(command)
				}
			}
		}
	}
	for _, b := range ours {
		f.Add(b)
	}
	f.Add([]byte{})
}

// wantKnownError checks that an error is one of this package's.
func wantKnownError(t *testing.T, err error) {
	t.Helper()
	for _, e := range []error{ErrCommand, ErrBox, ErrKey, ErrCookie, ErrVouch, ErrNonce} {
		if errors.Is(err, e) {
			return
		}
	}
	if _, ok := errors.AsType[*RefusedError](err); !ok {
		t.Errorf("%v is no error of this package", err)
	}
}

func FuzzHello(f *testing.F) {
	seeds(f, nameHello, completeHandshake(f).hello)
	keys := pair(f, "server")
	f.Fuzz(func(t *testing.T, b []byte) {
		welcome, err := NewServer(keys, maxCommand).Hello(b)
		if err != nil {
			wantKnownError(t, err)
		} else if len(b) != HelloSize || len(welcome) != WelcomeSize {
			t.Errorf("a HELLO of %d bytes gave a WELCOME of %d", len(b), len(welcome))
		}
	})
}

// FuzzInitiate also puts the octets into the box of INITIATE, as a client with the right keys may.
func FuzzInitiate(f *testing.F) {
	m := completeHandshake(f)
	seeds(f, nameInitiate, m.initiate)
	f.Add([]byte("anything else"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, boxed := range []bool{false, true} {
			again := newHandshakeRun(t)
			again.alter = func(name string, command []byte) []byte {
				if name != "INITIATE" {
					return command
				}
				if !boxed {
					return b
				}
				return forgedVouch(again, func([]byte) []byte { return b })(name, command)
			}
			side, err := again.run()
			if err != nil {
				wantKnownError(t, err)
				if side != "server" {
					t.Errorf("%s: %v", side, err)
				}
			} else if again.clientKey != m.clientKey {
				t.Errorf("a key was proven that is not the client's: %x", again.clientKey)
			}
		}
	})
}

func FuzzWelcome(f *testing.F) {
	seeds(f, nameWelcome, completeHandshake(f).welcome, ErrorCommand("400"))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzClient(t, "WELCOME", b) })
}

func FuzzReady(f *testing.F) {
	seeds(f, nameReady, completeHandshake(f).ready, ErrorCommand("400"))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzClient(t, "READY", b) })
}

func FuzzError(f *testing.F) {
	seeds(f, nameError, ErrorCommand(""), ErrorCommand("no"))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := refusal(b)
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			if !bytes.Equal(ErrorCommand(refused.Reason), b) {
				t.Errorf("%q became %q", b, refused.Reason)
			}
		} else if err != nil {
			wantKnownError(t, err)
		}
	})
}

func fuzzClient(t *testing.T, instead string, b []byte) {
	m := newHandshakeRun(t)
	var command []byte
	m.alter = func(name string, c []byte) []byte {
		if name != instead {
			return c
		}
		command = c
		return b
	}
	side, err := m.run()
	if err == nil {
		if !bytes.Equal(b, command) {
			t.Errorf("another %s than the server's was believed", instead)
		}
		return
	}
	wantKnownError(t, err)
	if side != "client" {
		t.Errorf("%s: %v", side, err)
	}
}

// FuzzMessage: what was not sealed does not open, and whatever the other side seals does.
func FuzzMessage(f *testing.F) {
	m := completeHandshake(f)
	message, _ := m.fromClient.Append(nil, More, []byte("hello"))
	seeds(f, nameMessage, message[2:])
	f.Fuzz(func(t *testing.T, b []byte) {
		m := completeHandshake(t)
		if _, _, err := opened(m.atServer, b); err == nil {
			if !bytes.Equal(b, message[2:]) {
				t.Error("an altered MESSAGE was opened")
			}
			return
		} else {
			wantKnownError(t, err)
		}
		if len(b) == 0 {
			return
		}
		flags, plain, err := opened(m.atServer, sealed(t, m.fromClient, b[0], string(b[1:])))
		if err != nil || flags != b[0] || !bytes.Equal(plain, b[1:]) {
			t.Errorf("flags %d, %q, %v", flags, plain, err)
		}
	})
}
