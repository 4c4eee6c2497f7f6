package curve

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandshake(t *testing.T) {
	m := completeHandshake(t)
	if m.clientKey != m.client.keys.Public() {
		t.Errorf("the server learnt the key %x", m.clientKey)
	}
	if string(m.clientMeta) != "metadata of the client" || string(m.serverMeta) != "metadata of the server" {
		t.Errorf("metadata %q, %q", m.clientMeta, m.serverMeta)
	}
	for _, text := range []string{"", "a", strings.Repeat("x", 222), strings.Repeat("x", 223), strings.Repeat("x", 100_000)} {
		for flags := range byte(4) {
			f, plain, err := opened(m.atServer, sealed(t, m.fromClient, flags, text))
			if err != nil || f != flags || string(plain) != text {
				t.Fatalf("to the server: flags %d, %d bytes, %v", f, len(plain), err)
			}
			if f, plain, err = opened(m.atClient, sealed(t, m.fromServer, flags, text)); err != nil || f != flags || string(plain) != text {
				t.Fatalf("to the client: flags %d, %d bytes, %v", f, len(plain), err)
			}
		}
	}
}

// TestAltered: a man in the middle alters one octet of one command, adds one, or cuts one. The receiving side notices, and sends nothing.
func TestAltered(t *testing.T) {
	m := completeHandshake(t)
	for name, command := range map[string][]byte{"HELLO": m.hello, "WELCOME": m.welcome, "INITIATE": m.initiate, "READY": m.ready} {
		changes := [][]byte{append(bytes.Clone(command), 0), command[:len(command)-1], nil}
		for at := range command {
			c := bytes.Clone(command)
			c[at] ^= 1 << (at % 8)
			changes = append(changes, c)
		}
		for i, changed := range changes {
			m := newHandshakeRun(t)
			m.alter = func(n string, command []byte) []byte {
				if n == name {
					return changed
				}
				return command
			}
			side, err := m.run()
			if want := map[bool]string{true: "client", false: "server"}[name == "WELCOME" || name == "READY"]; side != want {
				t.Fatalf("%s, change %d: noticed by %q, %v", name, i, side, err)
			}
			if !errors.Is(err, ErrCommand) && !errors.Is(err, ErrBox) && !errors.Is(err, ErrKey) && !errors.Is(err, ErrCookie) {
				t.Errorf("%s, change %d: %v", name, i, err)
			}
			if m.clientMeta != nil && name == "INITIATE" || m.atClient != nil {
				t.Errorf("%s, change %d: the handshake went on", name, i)
			}
		}
	}
}

// TestOnce: each step happens once, in its order, and none after an error.
func TestOnce(t *testing.T) {
	m := completeHandshake(t)
	steps := map[string]func() error{
		"Hello":           func() error { _, err := m.client.Hello(); return err },
		"Welcome":         func() error { return m.client.Welcome(m.welcome) },
		"Initiate":        func() error { _, err := m.client.Initiate(nil); return err },
		"Ready":           func() error { _, _, _, err := m.client.Ready(m.ready); return err },
		"server.Hello":    func() error { _, err := m.server.Hello(m.hello); return err },
		"server.Initiate": func() error { _, _, err := m.server.Initiate(m.initiate); return err },
		"server.Ready":    func() error { _, _, _, err := m.server.Ready(nil); return err },
	}
	none := func(when string) {
		t.Helper()
		for name, step := range steps {
			if err := step(); err != ErrOrder {
				t.Errorf("%s: %s: %v", when, name, err)
			}
		}
		if least, most := m.client.Expects(); least != 0 || most != 0 {
			t.Errorf("%s: the client expects %d to %d", when, least, most)
		}
		if least, most := m.server.Expects(); least != 0 || most != 0 {
			t.Errorf("%s: the server expects %d to %d", when, least, most)
		}
	}
	none("a second time")
	whole := m
	for _, name := range []string{"WELCOME", "READY"} {
		m = newHandshakeRun(t)
		m.alter = func(n string, command []byte) []byte {
			if n == name {
				return command[:len(command)-1]
			}
			return command
		}
		_, _ = m.run()
		if m.client.next != finished {
			t.Errorf("after an error in %s the client waits for step %d", name, m.client.next)
		}
	}
	m = newHandshakeRun(t)
	_, _ = m.server.Hello(nil)
	if _, err := m.server.Hello(whole.hello); err != ErrOrder {
		t.Errorf("HELLO after a wrong one: %v", err)
	}
	m = newHandshakeRun(t)
	_, _ = m.server.Hello(whole.hello)
	_, _, _ = m.server.Initiate(nil)
	if _, _, err := m.server.Initiate(whole.initiate); err != ErrOrder {
		t.Errorf("INITIATE after a wrong one: %v", err)
	}
}

// TestExpects: a reader knows which sizes may come before it takes memory.
func TestExpects(t *testing.T) {
	m := newHandshakeRun(t)
	expects := func(who interface{ Expects() (int, int) }, least, most int) {
		t.Helper()
		if l, n := who.Expects(); l != least || n != most {
			t.Errorf("expects %d to %d, want %d to %d", l, n, least, most)
		}
	}
	expects(m.client, 0, 0)
	expects(m.server, HelloSize, HelloSize)
	m.alter = func(name string, command []byte) []byte {
		switch name {
		case "WELCOME":
			expects(m.client, ErrorSize, MaxErrorSize)
			expects(m.server, InitiateSize, maxCommand)
		case "READY":
			expects(m.client, ErrorSize, maxCommand)
		}
		return command
	}
	if _, err := m.run(); err != nil {
		t.Fatal(err)
	}
}

// TestMetadataSizes: from none to what maxCommand allows, and no octet more, whatever the other side is.
func TestMetadataSizes(t *testing.T) {
	for _, test := range []struct {
		client, server int
		side           string
	}{
		{0, 0, ""},
		{maxCommand - InitiateSize, maxCommand - ReadySize, ""},
		{maxCommand - InitiateSize + 1, 0, "server"},
		{0, maxCommand - ReadySize + 1, "client"},
	} {
		m := newHandshakeRun(t)
		m.metaOfClient, m.metaOfServer = make([]byte, test.client), make([]byte, test.server)
		side, err := m.run()
		if side != test.side || err != nil && !errors.Is(err, ErrCommand) {
			t.Errorf("%d and %d bytes: %q, %v", test.client, test.server, side, err)
		}
		if side == "" && (len(m.clientMeta) != test.client || len(m.serverMeta) != test.server) {
			t.Errorf("%d and %d bytes became %d and %d", test.client, test.server, len(m.clientMeta), len(m.serverMeta))
		}
	}
}

// TestEncodings: a key has one encoding. X25519 would accept all of these except those of low order.
func TestEncodings(t *testing.T) {
	key := func(first, middle, last byte) (k PublicKey) {
		for i := range k {
			k[i] = 0xff
		}
		k[0], k[16], k[31] = first, middle, last
		return k
	}
	for first := 0xed; first <= 0xff; first++ {
		if err := key(byte(first), 0xff, 0x7f).Check(); err != ErrKey {
			t.Errorf("2^255 - 19 + %d: %v", first-0xed, err)
		}
	}
	honest := pair(t, "server").Public()
	for _, good := range []PublicKey{honest, key(0xeb, 0xff, 0x7f), key(0xff, 0xfe, 0x7f), key(0xff, 0xff, 0x7e)} {
		if err := good.Check(); err != nil {
			t.Errorf("%x: %v", good, err)
		}
		good[31] |= 0x80
		if err := good.Check(); err != ErrKey {
			t.Errorf("%x: %v", good, err)
		}
	}
}

func TestWrongKeys(t *testing.T) {
	other := pair(t, "another server")
	t.Run("the server has another key", func(t *testing.T) {
		m := newHandshakeRun(t)
		m.client, _ = newClient(m.client.keys, other.Public(), maxCommand, numbered("c"))
		if side, err := m.run(); side != "server" || err != ErrBox {
			t.Errorf("%s: %v", side, err)
		}
	})
	t.Run("another one answers for the server", func(t *testing.T) {
		m := newHandshakeRun(t)
		m.alter = func(name string, command []byte) []byte {
			if name == "WELCOME" { // the right keys of the connection, but proven with another key
				false, _ := sharedKeyOf(other.secret, m.client.ours.public[:])
				s := NewServer(other, maxCommand)
				s.client = m.client.ours.public
				command, _ = s.welcome(false)
			}
			return command
		}
		if side, err := m.run(); side != "client" || err != ErrBox {
			t.Errorf("%s: %v", side, err)
		}
	})
	t.Run("a client with the server's own key", func(t *testing.T) { // one certificate for all nodes
		m := newHandshakeRun(t)
		m.client.keys = m.server.keys
		if side, err := m.run(); err != nil || m.clientKey != m.server.keys.Public() {
			t.Errorf("%s: %v", side, err)
		}
	})
}

// lowOrder are keys that yield zero with every secret, and one of a twist; each also in its other encodings.
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func TestLowOrder(t *testing.T) {
	honest := pair(t, "server")
	for _, text := range lowOrder {
		var low octets
		_ = low.UnmarshalText([]byte(text))
		key := PublicKey(low)
		if err := key.Check(); err != ErrKey {
			t.Errorf("%s: Check: %v", text, err)
		}
		if _, err := NewClient(honest, key, maxCommand); err != ErrKey {
			t.Errorf("%s as the server's: %v", text, err)
		}
		zero := sharedKeyOfZero() // everyone knows what such a key yields

		hello := append([]byte(nameHello+version), make([]byte, padding)...)
		hello = append(hello, key[:]...)
		hello = append(hello, 0, 0, 0, 0, 0, 0, 0, 1)
		hello = zero.seal(hello, make([]byte, helloPlain), shortNonceOf(nonceHello, 1))
		if _, err := NewServer(honest, maxCommand).Hello(hello); err != ErrKey {
			t.Errorf("%s in HELLO: %v", text, err)
		}

		m := newHandshakeRun(t)
		m.alter = func(name string, command []byte) []byte {
			if name == "WELCOME" {
				shared, _ := sharedKeyOf(m.server.keys.secret, m.client.ours.public[:])
				plain := append(bytes.Clone(key[:]), make([]byte, cookieSize)...)
				command = shared.seal([]byte(nameWelcome+"sixteen bytes..."), plain, longNonceOf(nonceWelcome, []byte("sixteen bytes...")))
			}
			return command
		}
		if side, err := m.run(); side != "client" || err != ErrKey {
			t.Errorf("%s in WELCOME: %s: %v", text, side, err)
		}

		m = newHandshakeRun(t)
		m.alter = forgedVouch(m, func(plain []byte) []byte {
			nonce := plain[keySize : keySize+longNonce]
			vouch := zero.seal(nil, bytes.Join([][]byte{m.client.ours.public[:], m.server.keys.public[:]}, nil), longNonceOf(nonceVouch, nonce))
			return bytes.Join([][]byte{key[:], nonce, vouch}, nil)
		})
		if side, err := m.run(); side != "server" || err != ErrKey {
			t.Errorf("%s in the vouch: %s: %v", text, side, err)
		}
	}
	for _, good := range []PublicKey{honest.Public(), {9}, {0, 5}} {
		if err := good.Check(); err != nil {
			t.Errorf("%x: %v", good, err)
		}
	}
}

func sharedKeyOfZero() *sharedKey {
	var product [32]byte
	return boxKey(&product)
}

// forgedVouch replaces what is in INITIATE's box, as a client that breaks the rules would.
func forgedVouch(m *handshakeRun, forge func(plain []byte) []byte) func(string, []byte) []byte {
	return func(name string, command []byte) []byte {
		if name != "INITIATE" {
			return command
		}
		head := len(nameInitiate) + cookieSize + shortNonce
		plain, err := m.client.session.open(command[head:], shortNonceOf(nonceInitiate, 2))
		if err != nil {
			panic(err)
		}
		return m.client.session.seal(bytes.Clone(command[:head]), forge(plain), shortNonceOf(nonceInitiate, 2))
	}
}

// TestVouch: the key that a client proves is the one that vouches for this connection with this server.
func TestVouch(t *testing.T) {
	thief := pair(t, "thief")
	tests := []struct {
		name  string
		forge func(m *handshakeRun, plain []byte) []byte
		want  error
	}{
		{"untouched", func(_ *handshakeRun, plain []byte) []byte { return plain }, nil},
		{"another's key with one's own vouch", func(_ *handshakeRun, plain []byte) []byte {
			return append(bytes.Clone(thief.public[:]), plain[keySize:]...)
		}, ErrBox},
		{"for another connection", func(m *handshakeRun, plain []byte) []byte {
			return vouchFor(m, m.client.keys, thief.public, m.server.keys.public)
		}, ErrVouch},
		{"for another server", func(m *handshakeRun, plain []byte) []byte {
			return vouchFor(m, m.client.keys, m.client.ours.public, thief.public)
		}, ErrVouch},
		{"the two in the other order", func(m *handshakeRun, plain []byte) []byte {
			return vouchFor(m, m.client.keys, m.server.keys.public, m.client.ours.public)
		}, ErrVouch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newHandshakeRun(t)
			m.alter = forgedVouch(m, func(plain []byte) []byte { return test.forge(m, plain) })
			if side, err := m.run(); err != test.want {
				t.Errorf("%s: %v, want %v", side, err, test.want)
			}
		})
	}
}

// vouchFor makes the box of INITIATE again.
func vouchFor(m *handshakeRun, keys *KeyPair, connection, server PublicKey) []byte {
	shared, _ := sharedKeyOf(keys.secret, m.client.theirs[:])
	nonce := []byte("sixteen bytes...")
	vouch := shared.seal(nil, bytes.Join([][]byte{connection[:], server[:]}, nil), longNonceOf(nonceVouch, nonce))
	return bytes.Join([][]byte{keys.public[:], nonce, vouch}, nil)
}

// TestReplayed: what was sent on one connection is worthless on another one.
func TestReplayed(t *testing.T) {
	first := completeHandshake(t)
	server := NewServer(first.server.keys, maxCommand)
	welcome, err := server.Hello(first.hello)
	if err != nil {
		t.Fatalf("a replayed HELLO must be accepted: %v", err)
	}
	if bytes.Equal(welcome, first.welcome) {
		t.Error("two connections have one WELCOME")
	}
	if _, _, err := server.Initiate(first.initiate); err != ErrCookie {
		t.Errorf("a replayed INITIATE: %v", err)
	}
	m := newHandshakeRun(t)
	m.client.random = numbered("other")
	m.client.ours = pair(t, "another connection")
	m.client.hello, _ = sharedKeyOf(m.client.ours.secret, m.client.server[:])
	m.alter = func(name string, command []byte) []byte {
		if name == "WELCOME" {
			return first.welcome
		}
		return command
	}
	if side, err := m.run(); side != "client" || err != ErrBox {
		t.Errorf("a replayed WELCOME: %s: %v", side, err)
	}
	m = newHandshakeRun(t)
	m.server.random = numbered("another connection")
	m.alter = func(name string, command []byte) []byte {
		if name == "READY" {
			return first.ready
		}
		return command
	}
	if side, err := m.run(); side != "client" || err != ErrBox {
		t.Errorf("a replayed READY: %s: %v", side, err)
	}
}

func TestCookieLife(t *testing.T) {
	for _, test := range []struct {
		after time.Duration
		want  error
	}{{CookieLife, nil}, {CookieLife + 1, ErrCookie}, {time.Hour, ErrCookie}} {
		t.Run(test.after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newHandshakeRun(t)
				m.alter = func(name string, command []byte) []byte {
					if name == "INITIATE" {
						time.Sleep(test.after) // fake time
					}
					return command
				}
				if side, err := m.run(); err != test.want {
					t.Errorf("%s: %v", side, err)
				}
			})
		})
	}
}

func TestRefused(t *testing.T) {
	long := strings.Repeat("no ", 100)
	for _, reason := range []string{"400", "", long} {
		for _, instead := range []string{"WELCOME", "READY"} {
			m := newHandshakeRun(t)
			m.alter = func(name string, command []byte) []byte {
				if name == instead {
					return ErrorCommand(reason)
				}
				return command
			}
			side, err := m.run()
			refused, ok := errors.AsType[*RefusedError](err)
			if side != "client" || !ok || refused.Reason != reason[:min(len(reason), 255)] {
				t.Errorf("ERROR %.10q instead of %s: %v", reason, instead, err)
			}
		}
	}
	for _, bad := range []string{nameError, nameError + "\x01", nameError + "\x04400", nameError + "\x02400"} {
		if err := refusal([]byte(bad)); !errors.Is(err, ErrCommand) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got := fmt.Sprintf("%q", ErrorCommand("400")); got != `"\x05ERROR\x03400"` {
		t.Error(got)
	}
}

// TestHalfOpen: a client that sends only HELLO costs its Server and nothing else, also when there are many.
func TestHalfOpen(t *testing.T) {
	const most = 1 << 10
	count := 10_000
	if raceEnabled {
		count = 1000 // it makes the products slow
	}
	hello := completeHandshake(t).hello
	keys := pair(t, "server")
	servers := make([]*Server, count)
	goroutines := runtime.NumGoroutine()
	before := heap()
	for i := range servers {
		servers[i] = NewServer(keys, maxCommand)
		if _, err := servers[i].Hello(hello); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - before) / uint64(count)
	t.Logf("%d bytes for a handshake", each)
	if each > most {
		t.Errorf("%d bytes for a handshake, at most %d are allowed", each, most)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines more", n-goroutines)
	}
	runtime.KeepAlive(servers)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
