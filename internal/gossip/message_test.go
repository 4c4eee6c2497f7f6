package gossip

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden are octets of the real czmq 4.2.1: HELLO and the first PUBLISH as its client sent them, the rest as its hub did.
var golden = []struct {
	name, octets string
	want         Message
}{
	{"HELLO", "aaa0 01 01", Message{Kind: Hello}},
	{"PUBLISH", "aaa0 02 01 20 3031323334353637383941424344454630313233343536373839414243444546 00000015 7463703a2f2f3132372e302e302e313a3439313532 00000000", Message{Publish, Tuple{Key: "0123456789ABCDEF0123456789ABCDEF", Value: "tcp://127.0.0.1:49152"}}},
	{"PUBLISH empty", "aaa0 02 01 03 6b6579 00000000 00000000", Message{Publish, Tuple{Key: "key"}}},
	{"PUBLISH of the hub's, with a TTL that was another tuple's", "aaa0 02 01 03 6b6579 00000000 00001388", Message{Publish, Tuple{Key: "key", TTL: 5 * time.Second}}},
	{"PONG", "aaa0 04 01", Message{Kind: Pong}},
	{"INVALID", "aaa0 05 01", Message{Kind: Invalid}},
	{"PING, which czmq knows but never sends", "aaa0 03 01", Message{Kind: Ping}},
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			octets := unhex(t, g.octets)
			got, err := Decode(octets)
			if err != nil || got != g.want {
				t.Errorf("decoded %+v, %v", got, err)
			}
			if again := g.want.AppendTo(nil); !bytes.Equal(again, octets) {
				t.Errorf("encoded %x", again)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	for _, c := range []struct{ name, octets string }{
		{"empty", ""},
		{"one byte", "aa"},
		{"no version", "aaa0 01"},
		{"another first byte", "a9a0 01 01"},
		{"ZRE's signature", "aaa1 01 01"},
		{"version 0", "aaa0 01 00"},
		{"version 2", "aaa0 03 02"},
		{"id 0", "aaa0 00 01"},
		{"id 6", "aaa0 06 01"},
		{"PUBLISH without key", "aaa0 02 01"},
		{"PUBLISH cut in the key", "aaa0 02 01 02 6b"},
		{"PUBLISH without value", "aaa0 02 01 01 6b"},
		{"PUBLISH cut in the value's length", "aaa0 02 01 01 6b 000000"},
		{"PUBLISH without TTL", "aaa0 02 01 01 6b 00000001 76"},
		{"PUBLISH cut in the TTL", "aaa0 02 01 01 6b 00000001 76 000000"},
		{"PUBLISH with a huge value", "aaa0 02 01 01 6b ffffffff 76 00000000"},
		{"PUBLISH with a value that overflows", "aaa0 02 01 01 6b fffffffc 76 00000000"},
		{"NUL in the key", "aaa0 02 01 02 6b00 00000000 00000000"},
		{"NUL in the value", "aaa0 02 01 01 6b 00000001 00 00000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if m, err := Decode(unhex(t, c.octets)); !errors.Is(err, ErrMalformed) {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
	if _, err := decode([][]byte{{0xaa, 0xa0, 1, 1}, nil}); !errors.Is(err, ErrMalformed) {
		t.Errorf("two frames: %v", err)
	}
	if m, err := Decode(unhex(t, "aaa0 03 01 00")); err != nil || m.Kind != Ping {
		t.Errorf("a byte behind PING: %+v, %v", m, err)
	}
}

func TestTTLOnTheWire(t *testing.T) {
	for _, c := range []struct{ ttl, want time.Duration }{
		{0, 0},
		{-time.Second, 0},
		{1, time.Millisecond},
		{time.Millisecond, time.Millisecond},
		{1500 * time.Microsecond, 2 * time.Millisecond},
		{1000 * 24 * time.Hour, (1<<32 - 1) * time.Millisecond},
		{1<<63 - 1, (1<<32 - 1) * time.Millisecond},
	} {
		m, err := Decode(Message{Publish, Tuple{Key: "k", TTL: c.ttl}}.AppendTo(nil))
		if err != nil || m.TTL != c.want {
			t.Errorf("%v: %v, %v", c.ttl, m.TTL, err)
		}
	}
}

func TestTupleCheck(t *testing.T) {
	limits := Config{}.withDefaults().Limits
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name string
		Tuple
		fits bool
	}{
		{"empty", Tuple{}, true},
		{"longest", Tuple{Key: long(255), Value: long(1024)}, true},
		{"key too long", Tuple{Key: long(256)}, false},
		{"value too long", Tuple{Value: long(1025)}, false},
		{"NUL in key", Tuple{Key: "\x00"}, false},
		{"NUL in value", Tuple{Value: "a\x00b"}, false},
	} {
		if err := c.check(limits); (err == nil) != c.fits {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, g := range golden {
		f.Add(unhex(f, g.octets))
	}
	f.Add(unhex(f, "aaa0 02 01 01 6b ffffffff 76 00000000"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		m, err := Decode(octets)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || m != (Message{}) {
				t.Fatalf("%+v, %v", m, err)
			}
			return
		}
		if again := m.AppendTo(nil); !bytes.HasPrefix(octets, again) {
			t.Fatalf("%x became %x", octets, again)
		}
	})
}

func TestZRETuples(t *testing.T) {
	const key = "0123456789ABCDEF0123456789ABCDEF"
	id := uuid.MustParse("01234567-89ab-cdef-0123-456789abcdef")
	const curve = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
	if got := FormatKey(id); got != key {
		t.Errorf("FormatKey: %s", got)
	}
	for _, c := range []struct{ name, key, value, endpoint, curve string }{
		{"plain", key, "tcp://127.0.0.1:49152", "tcp://127.0.0.1:49152", ""},
		{"host name", key, "tcp://alpha.example:1", "tcp://alpha.example:1", ""},
		{"IPv6", key, "tcp://[fd77::1]:65535", "tcp://[fd77::1]:65535", ""},
		{"C zyre's IPv6", key, "tcp://fd77::1:49152", "tcp://fd77::1:49152", ""},
		{"IPv6 with a zone", key, "tcp://fe80::1%eth0:49152", "tcp://fe80::1%eth0:49152", ""},
		{"CURVE", key, "tcp://10.0.0.1:5|" + curve, "tcp://10.0.0.1:5", curve},
		{"lower case", strings.ToLower(key), "tcp://a:1", "tcp://a:1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, endpoint, curve, err := ParseTuple(c.key, c.value)
			if err != nil || got != id || endpoint != c.endpoint || curve != c.curve {
				t.Errorf("%v %q %q %v", got, endpoint, curve, err)
			}
			if value := FormatValue(endpoint, curve); value != c.value {
				t.Errorf("FormatValue: %q", value)
			}
		})
	}
	for _, c := range []struct{ name, key, value string }{
		{"empty key", "", "tcp://a:1"},
		{"key with hyphens", id.String(), "tcp://a:1"},
		{"key of 32 other characters", strings.Repeat("G", 32), "tcp://a:1"},
		{"nil UUID", strings.Repeat("0", 32), "tcp://a:1"},
		{"empty value", key, ""},
		{"no scheme", key, "a:1"},
		{"ipc", key, "ipc:///tmp/x"},
		{"inproc", key, "inproc://x:1"},
		{"no port", key, "tcp://a"},
		{"no host", key, "tcp://:1"},
		{"brackets alone", key, "tcp://[]:1"},
		{"open bracket", key, "tcp://[fd77::1:1"},
		{"port 0", key, "tcp://a:0"},
		{"port 65536", key, "tcp://a:65536"},
		{"port +1", key, "tcp://a:+1"},
		{"port *", key, "tcp://a:*"},
		{"any host", key, "tcp://*:1"},
		{"any address", key, "tcp://0.0.0.0:1"},
		{"any IPv6 address", key, "tcp://[::]:1"},
		{"space", key, "tcp://a b:1"},
		{"path", key, "tcp://a/b:1"},
		{"bar without key", key, "tcp://a:1|"},
		{"short key", key, "tcp://a:1|" + curve[:39]},
		{"key not Z85", key, "tcp://a:1|" + curve[:20] + "~" + curve[21:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			if id, endpoint, curve, err := ParseTuple(c.key, c.value); err == nil || id != uuid.Nil || endpoint+curve != "" {
				t.Errorf("%v %q %q %v", id, endpoint, curve, err)
			}
		})
	}
}
