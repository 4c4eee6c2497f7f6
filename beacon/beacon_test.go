package beacon

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// vector is a beacon that another implementation sent.
type vector struct {
	Source, Kind string
	Frames       []string
	Decoded      struct {
		Length  int
		UUID    string
		Port    uint16
		Extra   string
		Version int
	}
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("../testdata/vectors/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(v vector) bool { return v.Kind != "BEACON" })
	if len(all) != 22 {
		t.Fatalf("%d beacons among the vectors, want 22", len(all))
	}
	return all
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	keyed := 0
	for _, v := range vectors(t) {
		t.Run(v.Source+" "+v.Frames[0][8:12], func(t *testing.T) {
			octets := unhex(t, v.Frames[0])
			got, err := Parse(octets)
			if err != nil {
				t.Fatal(err)
			}
			want := Beacon{UUID: uuid.MustParse(v.Decoded.UUID), Port: v.Decoded.Port, State: Unknown}
			copy(want.Key[:], unhex(t, v.Decoded.Extra))
			if got != want {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
			if got.Leaving() != (v.Decoded.Port == 0) {
				t.Errorf("Leaving is %v with port %d", got.Leaving(), v.Decoded.Port)
			}
			if again := got.Append(nil); !bytes.Equal(again, octets) {
				t.Errorf("Append gives %x\nwant        %x", again, octets)
			}
		})
		if v.Decoded.Version == 3 {
			keyed++
		}
	}
	if keyed != 4 {
		t.Errorf("%d vectors of version 3, want 4", keyed)
	}
}

var (
	testUUID = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")
	testKey  = Key{0: 0x8d, 31: 0x1f}
)

const (
	hexUUID = "00112233445566778899aabbccddeeff"
	hexKey  = "8d" + "000000000000000000000000000000000000000000000000000000000000" + "1f"
)

// forms are the four forms of a beacon.
var forms = []struct {
	name   string
	beacon Beacon
	octets string
}{
	{"22 classic", Beacon{testUUID, 0xC001, Unknown, Key{}}, "5a524501" + hexUUID + "c001"},
	{"23 with state", Beacon{testUUID, 0xC001, Idle, Key{}}, "5a524501" + hexUUID + "c001" + "03"},
	{"54 with key", Beacon{testUUID, 0xC001, Unknown, testKey}, "5a524503" + hexUUID + "c001" + hexKey},
	{"55 with key and state", Beacon{testUUID, 0, Exit, testKey}, "5a524503" + hexUUID + "0000" + hexKey + "02"},
}

func TestForms(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			octets := unhex(t, f.octets)
			got, err := Parse(octets)
			if err != nil || got != f.beacon {
				t.Errorf("Parse gives %+v, %v\nwant %+v", got, err, f.beacon)
			}
			if got := f.beacon.Append([]byte("x")); !bytes.Equal(got, append([]byte("x"), octets...)) {
				t.Errorf("Append gives %x\nwant x and   %x", got, octets)
			}
		})
	}
	if b := (Beacon{State: 6}).Append(nil); len(b) != classicSize {
		t.Errorf("an invalid state is sent: %x", b)
	}
}

func TestLeaving(t *testing.T) {
	for _, c := range []struct {
		name   string
		beacon Beacon
		want   bool
	}{
		{"classic", Beacon{Port: 1, State: Unknown}, false},
		{"classic port 0", Beacon{State: Unknown}, true},
		{"idle", Beacon{Port: 1, State: Idle}, false},
		{"exit", Beacon{Port: 1, State: Exit}, true},
	} {
		if got := c.beacon.Leaving(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestLengths tries every length with either version: only the four forms pass.
func TestLengths(t *testing.T) {
	for version, want := range map[byte][]int{1: {22, 23}, 3: {54, 55}, 2: nil, 0: nil} {
		var passed []int
		for n := range 301 {
			b := bytes.Repeat([]byte{4}, n)
			copy(b, []byte{'Z', 'R', 'E', version})
			if _, err := Parse(b); err == nil {
				passed = append(passed, n)
			}
		}
		equal(t, "lengths that pass as version "+string('0'+rune(version)), passed, want)
	}
}

func TestInvalid(t *testing.T) {
	change := func(form, at int, to byte) []byte {
		b := unhex(t, forms[form].octets)
		b[at] = to
		return b
	}
	keyless := append(change(2, 0, 'Z')[:22], make([]byte, 32)...)
	for _, c := range []struct {
		name   string
		octets []byte
		says   string
	}{
		{"nothing", nil, "0 bytes"},
		{"one short", change(0, 0, 'Z')[:21], "21 bytes"},
		{"XRE", change(0, 0, 'X'), "header"},
		{"lower case r", change(0, 1, 'r'), "header"},
		{"ZR!", change(1, 2, '!'), "header"},
		{"version 0", change(0, 3, 0), "header"},
		{"version 2", change(0, 3, 2), "header"},
		{"version 3 in 22 bytes", change(0, 3, 3), "header"},
		{"version 3 in 23 bytes", change(1, 3, 3), "header"},
		{"version 1 in 54 bytes", change(2, 3, 1), "header"},
		{"version 1 in 55 bytes", change(3, 3, 1), "header"},
		{"state 6", change(1, 22, 6), "state byte 6"},
		{"state 255 is not for the wire", change(1, 22, 255), "state byte 255"},
		{"state 9 after a key", change(3, 54, 9), "state byte 9"},
		{"a key of zeros", keyless, "zeros"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := Parse(c.octets)
			if err == nil || b != (Beacon{}) || !strings.HasPrefix(err.Error(), "beacon: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %+v, %v; want an error with %q", b, err, c.says)
			}
		})
	}
}

func TestStates(t *testing.T) {
	for octet, name := range []string{"init", "error", "exit", "idle", "receiving", "processing"} {
		s, err := ParseState(strings.ToUpper(name))
		if err != nil || s != State(octet) || s.String() != name {
			t.Errorf("%s: %v %d %v", name, s, s, err)
		}
		b, err := Parse(append(unhex(t, forms[0].octets), byte(octet)))
		if err != nil || b.State != s {
			t.Errorf("byte %d: %v, %v", octet, b.State, err)
		}
	}
	for s, name := range map[State]string{Unknown: "unknown", 6: "state(6)"} {
		if s.String() != name || s.valid() {
			t.Errorf("%d: %v, valid %v", s, s, s.valid())
		}
	}
	for _, name := range []string{"", "unknown", "busy", "idle "} {
		if s, err := ParseState(name); err == nil || s != Unknown {
			t.Errorf("%q: %v, %v", name, s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(unhex(f, v.Frames[0]))
	}
	for _, c := range forms {
		f.Add(unhex(f, c.octets))
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		before := bytes.Clone(octets)
		b, err := Parse(octets)
		if !bytes.Equal(octets, before) {
			t.Fatal("Parse changed its input")
		}
		if err != nil {
			return
		}
		if again := b.Append(nil); !bytes.Equal(again, octets) {
			t.Fatalf("%x becomes %x", octets, again)
		}
		if b.State != Unknown && b.State > Processing {
			t.Fatalf("state %v", b.State)
		}
	})
}
