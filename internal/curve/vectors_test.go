package curve

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// octets are written as hex in the record.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

// session is a stream of libzmq or C zyre with its secrets; testdata/vectors/curve/README.md explains the fields.
type session struct {
	Name            string
	ServerPublic    octets `json:"server_public"`
	ServerSecret    octets `json:"server_secret"`
	ClientPublic    octets `json:"client_public"`
	ClientSecret    octets `json:"client_secret"`
	WrongServer     octets `json:"wrong_server_public"`
	ClientEphemeral octets `json:"client_ephemeral_secret"`
	ServerEphemeral octets `json:"server_ephemeral_secret"`
	CookieKey       octets `json:"cookie_key"`
	ClientToServer  octets `json:"client_to_server"`
	ServerToClient  octets `json:"server_to_client"`
	Client, Server  []unit
}

type unit struct {
	What        string
	Nonce       json.RawMessage
	VouchNonce  octets `json:"vouch_nonce"`
	CookieNonce octets `json:"cookie_nonce"`
	Metadata    [][2]string
	InnerFlags  byte `json:"inner_flags"`
	Plain       octets
	PlainOctets int    `json:"plain_octets"`
	PlainSHA256 octets `json:"plain_sha256"`
	Reason      string
}

func sessions(t testing.TB) (all []session) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/vectors/curve/curve_streams.json")
	if err != nil {
		t.Fatal(err)
	}
	record := struct{ Sessions *[]session }{&all}
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	return all
}

// metadata encodes a unit's properties.
func (u unit) metadata(t *testing.T) (b []byte) {
	for _, p := range u.Metadata {
		value, err := hex.DecodeString(p[1])
		if err != nil {
			t.Fatal(err)
		}
		b = append(append(b, byte(len(p[0]))), p[0]...)
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
	}
	return b
}

func (u unit) longNonce(t *testing.T) (n octets) {
	if err := json.Unmarshal(u.Nonce, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// is tells whether plain is the unit's content.
func (u unit) is(plain []byte) bool {
	if u.PlainOctets > 0 {
		sum := sha256.Sum256(plain)
		return len(plain) == u.PlainOctets && bytes.Equal(sum[:], u.PlainSHA256)
	}
	return bytes.Equal(plain, u.Plain)
}

// frames splits a stream into frames, without its greeting.
func frames(t testing.TB, stream []byte) (whole [][]byte) {
	t.Helper()
	for rest := stream[64:]; len(rest) > 0; {
		size := 2 + int(rest[1])
		if rest[0]&flagLong != 0 {
			size = 9 + int(binary.BigEndian.Uint64(rest[1:]))
		}
		whole, rest = append(whole, rest[:size]), rest[size:]
	}
	return whole
}

func bodyOf(frame []byte) []byte {
	if frame[0]&flagLong != 0 {
		return frame[9:]
	}
	return frame[2:]
}

func recordedPair(t *testing.T, secret octets) *KeyPair {
	p, err := NewKeyPair([32]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRecorded: with the recorded secrets both sides send, octet for octet, what libzmq and C zyre sent, and accept what those sent.
func TestRecorded(t *testing.T) {
	messages := 0
	for _, s := range sessions(t) {
		if len(s.Client) < 2 || s.Client[1].What != "HELLO" {
			continue // one side speaks NULL
		}
		t.Run(s.Name, func(t *testing.T) {
			up, down := frames(t, s.ClientToServer), frames(t, s.ServerToClient)
			expected := s.ServerPublic
			if s.WrongServer != nil {
				expected = s.WrongServer
			}
			draws := [][]byte{s.ClientEphemeral}
			if len(up) > 1 {
				draws = append(draws, s.Client[2].VouchNonce)
			}
			client, err := newClient(recordedPair(t, s.ClientSecret), PublicKey(expected), maxCommand, fixedRandom(t, draws...))
			if err != nil {
				t.Fatal(err)
			}
			server := NewServer(recordedPair(t, s.ServerSecret), maxCommand)
			if server.keys.Public() != PublicKey(s.ServerPublic) || client.keys.Public() != PublicKey(s.ClientPublic) {
				t.Error("a secret has another public key")
			}
			hello, err := client.Hello()
			if err != nil || !bytes.Equal(hello, bodyOf(up[0])) {
				t.Errorf("HELLO %x, %v", hello, err)
			}
			if s.WrongServer != nil {
				if _, err := server.Hello(hello); err != ErrBox {
					t.Errorf("a HELLO for another server: %v", err)
				}
				return
			}
			server.random = fixedRandom(t, s.ServerEphemeral, s.CookieKey, s.Server[1].CookieNonce, s.Server[1].longNonce(t))
			welcome, err := server.Hello(hello)
			if err != nil || !bytes.Equal(welcome, bodyOf(down[0])) {
				t.Fatalf("WELCOME %x, %v", welcome, err)
			}
			if err := client.Welcome(welcome); err != nil {
				t.Fatal(err)
			}
			initiate, err := client.Initiate(s.Client[2].metadata(t))
			if err != nil || !bytes.Equal(initiate, bodyOf(up[1])) {
				t.Errorf("INITIATE %x, %v", initiate, err)
			}
			key, metadata, err := server.Initiate(initiate)
			if err != nil || key != client.keys.Public() || !bytes.Equal(metadata, s.Client[2].metadata(t)) {
				t.Fatalf("key %x, metadata %q, %v", key, metadata, err)
			}
			if len(down) == 1 {
				return // the server never answered
			}
			if last := s.Server[2]; last.What == "ERROR" {
				refused := ErrorCommand(last.Reason)
				if !bytes.Equal(refused, bodyOf(down[1])) {
					t.Errorf("ERROR %x", refused)
				}
				_, _, _, err := client.Ready(refused)
				if e, ok := err.(*RefusedError); !ok || e.Reason != last.Reason {
					t.Errorf("ERROR gave %v", err)
				}
				return
			}
			ready, fromServer, atServer, err := server.Ready(s.Server[2].metadata(t))
			if err != nil || !bytes.Equal(ready, bodyOf(down[1])) {
				t.Fatalf("READY %x, %v", ready, err)
			}
			metadata, fromClient, atClient, err := client.Ready(ready)
			if err != nil || !bytes.Equal(metadata, s.Server[2].metadata(t)) {
				t.Fatalf("metadata %q, %v", metadata, err)
			}
			messages += replay(t, fromClient, atServer, s.Client[3:], up[2:]) + replay(t, fromServer, atClient, s.Server[3:], down[2:])
		})
	}
	if messages < 40 {
		t.Errorf("only %d messages were compared", messages)
	}
}

// replay opens recorded messages and seals their content again.
func replay(t *testing.T, sealer *Sealer, opener *Opener, units []unit, wire [][]byte) int {
	t.Helper()
	for i, u := range units {
		flags, plain, err := opened(opener, bodyOf(wire[i]))
		if err != nil || flags != u.InnerFlags || !u.is(plain) {
			t.Fatalf("message %d: flags %d, %q, %v", i, flags, plain, err)
		}
		again, err := sealer.Append([]byte("before"), flags, plain)
		if err != nil || !bytes.Equal(again, append([]byte("before"), wire[i]...)) {
			t.Fatalf("message %d: sealed %x, %v", i, again, err)
		}
	}
	return len(units)
}
