package curve

import (
	"errors"
	"testing"
)

// Each command is refused at every length that is not its own, before anything is read from it.
func TestCutCommands(t *testing.T) {
	whole := completeHandshake(t)
	for name, command := range map[string][]byte{"HELLO": whole.hello, "WELCOME": whole.welcome, "INITIATE": whole.initiate, "READY": whole.ready} {
		for size := range len(command) {
			m := newHandshakeRun(t)
			m.alter = func(n string, c []byte) []byte {
				if n == name {
					return c[:min(size, len(c))]
				}
				return c
			}
			if _, err := m.run(); !errors.Is(err, ErrCommand) && !errors.Is(err, ErrBox) {
				t.Errorf("%s, %d of %d octets: got %v, want that it is refused", name, size, len(command), err)
			}
		}
	}
}

// A HELLO whose box opens, and does not contain the zeros of RFC 26, is refused.
func TestSignatureOfHello(t *testing.T) {
	for at := range helloPlain {
		m := newHandshakeRun(t)
		m.alter = func(n string, command []byte) []byte {
			if n != "HELLO" {
				return command
			}
			plain := make([]byte, helloPlain)
			plain[at] = 1
			head := command[:HelloSize-tagSize-helloPlain]
			return m.client.hello.seal(append([]byte(nil), head...), plain, shortNonceOf(nonceHello, m.client.nonce))
		}
		if side, err := m.run(); side != "server" || !errors.Is(err, ErrCommand) {
			t.Errorf("octet %d is not zero: noticed by %q, %v", at, side, err)
		}
	}
}
