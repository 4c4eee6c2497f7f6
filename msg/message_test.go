package msg

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func unhex(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// usedMessage is a message with every field set, to see that Decode overwrites them all.
func usedMessage() Message {
	x := []byte("left over")
	return Message{
		ID: 99, Sequence: 99, Group: x, Status: 99, State: 99, Headers: []Header{{x, x}}, Version: 99, Figures: x, Node: x, Content: [][]byte{x},
		Hello: HelloFields{Endpoint: x, Groups: [][]byte{x}, Name: x, Headers: []Header{{x, x}}},
	}
}

// refused decodes frames, expects the error, and expects m to hold only id and
// sequence.
func refused(t *testing.T, frames [][]byte, limits Limits, want error, id ID, sequence uint16) error {
	t.Helper()
	m := usedMessage()
	err := m.Decode(frames, limits)
	if !errors.Is(err, want) {
		t.Errorf("%x: error %v, want %v", frames, err, want)
	}
	if empty := (Message{ID: id, Sequence: sequence}); !reflect.DeepEqual(m, empty) {
		t.Errorf("%x: message after the error is %+v, want %+v", frames, m, empty)
	}
	return err
}

func TestDecodeRefuses(t *testing.T) {
	// A HELLO up to its groups: signature, id, version, sequence 1, endpoint "tcp".
	const hello = "aaa101020001 03746370"
	tests := []struct {
		name   string
		frames []string // hex; the header frame first
		want   error
		detail string // in the error's text
		id     ID
		seq    uint16
	}{
		{"no frames", nil, ErrSignature, "", 0, 0},
		{"empty frame", []string{""}, ErrSignature, "", 0, 0},
		{"empty frame, then a good one", []string{"", "aaa106020002"}, ErrSignature, "", 0, 0},
		{"1 byte", []string{"aa"}, ErrSignature, "", 0, 0},
		{"first byte of the signature", []string{"abA106020002"}, ErrSignature, "", 0, 0},
		{"second byte of the signature", []string{"aaa306020002"}, ErrSignature, "", 0, 0},
		{"ZRE version 1's signature", []string{"aaa006020002"}, ErrSignature, "", 0, 0},
		{"signature only", []string{"aaa1"}, ErrVersion, "", 0, 0},
		{"no version", []string{"aaa106"}, ErrVersion, "", 0, 0},
		{"version 1", []string{"aaa106010002"}, ErrVersion, "", 0, 0},
		{"version 3", []string{"aaa106030002"}, ErrVersion, "", 0, 0},
		{"version 3, unknown id", []string{"aaa14d030002"}, ErrVersion, "", 0, 0},
		{"no sequence", []string{"aaa10602"}, ErrMalformed, "PING: the sequence number is cut", Ping, 0},
		{"half a sequence", []string{"aaa1060200"}, ErrMalformed, "PING: the sequence number is cut", Ping, 0},
		{"half a sequence, unknown id", []string{"aaa14d0200"}, ErrMalformed, "ID(77)", 77, 0},
		{"id 0", []string{"aaa100020304"}, ErrUnknownID, "", 0, 0x0304},
		{"id 11", []string{"aaa10b020304"}, ErrUnknownID, "", 11, 0x0304},
		{"id 77 with fields and frames", []string{"aaa14d020304ffff", "00"}, ErrUnknownID, "", 77, 0x0304},
		{"id 255", []string{"aaa1ff02ffff"}, ErrUnknownID, "", 255, 0xffff},

		{"WHISPER, trailing byte", []string{"aaa102020002 00", "00"}, ErrMalformed, "WHISPER: 1 bytes after", Whisper, 2},
		{"PING, trailing byte", []string{"aaa106020002 05"}, ErrMalformed, "PING: 1 bytes after", Ping, 2},
		{"SHOUT, trailing byte", []string{"aaa103020002 0147 00"}, ErrMalformed, "SHOUT: 1 bytes after", Shout, 2},
		{"SHOUT, no group", []string{"aaa103020002"}, ErrMalformed, "SHOUT: group needs 1 bytes, 0 are left", Shout, 2},
		{"SHOUT, group over the rest", []string{"aaa103020002 02 47"}, ErrMalformed, "SHOUT: group needs 2 bytes, 1 are left", Shout, 2},
		{"SHOUT, group runs into the content", []string{"aaa103020002 ff 47", strings.Repeat("47", 255)}, ErrMalformed, "group needs 255 bytes, 1 are left", Shout, 2},
		{"JOIN, group over the rest", []string{"aaa104020002 03 4701"}, ErrMalformed, "JOIN: group needs 3 bytes, 2 are left", Join, 2},
		{"JOIN, group takes the status", []string{"aaa104020002 02 4701"}, ErrMalformed, "JOIN: status needs 1 bytes, 0 are left", Join, 2},
		{"LEAVE, no status", []string{"aaa105020002 01 47"}, ErrMalformed, "LEAVE: status needs 1", Leave, 2},
		{"ELECT, no challenger", []string{"aaa108020002 01 47"}, ErrMalformed, "ELECT: node needs 1", Elect, 2},
		{"ELECT, challenger over the rest", []string{"aaa108020002 01 47 02 41"}, ErrMalformed, "ELECT: node needs 2 bytes, 1 are left", Elect, 2},
		{"LEADER, leader over the rest", []string{"aaa109020002 01 47 20 41"}, ErrMalformed, "LEADER: node needs 32 bytes, 1 are left", Leader, 2},

		{"STATE, no state", []string{"aaa180020002"}, ErrMalformed, "STATE: state needs 1", State, 2},
		{"STATE, trailing byte", []string{"aaa180020002 03 00"}, ErrMalformed, "STATE: 1 bytes after", State, 2},
		{"STATS, a frame more", []string{"aaa183020002 01", "00"}, ErrMalformed, "STATS: 2 frames", Stats, 2},
		{"STATE, a frame more", []string{"aaa180020002 03", "00"}, ErrMalformed, "STATE: 2 frames", State, 2},

		{"HEADERS, no count", []string{"aaa181020002 0000"}, ErrMalformed, "HEADERS: headers needs 4 bytes, 2 are left", Headers, 2},
		{"HEADERS, 2^32-1 of them", []string{"aaa181020002 ffffffff 00"}, ErrMalformed, "4294967295 headers do not fit in the 1 bytes left", Headers, 2},
		{"HEADERS, value over the rest", []string{"aaa181020002 00000001 01 4b 00000002 76"}, ErrMalformed, "header value needs 2 bytes, 1 are left", Headers, 2},
		{"HEADERS, trailing byte", []string{"aaa181020002 00000000 00"}, ErrMalformed, "HEADERS: 1 bytes after", Headers, 2},
		{"HEADERS, a frame more", []string{"aaa181020002 00000000", "00"}, ErrMalformed, "HEADERS: 2 frames", Headers, 2},

		{"HELLO, endpoint over the rest", []string{"aaa101020001 ff 746370"}, ErrMalformed, "HELLO: endpoint needs 255 bytes, 3 are left", Hello, 1},
		{"HELLO, 3 bytes of a group count", []string{hello + "000000"}, ErrMalformed, "groups needs 4 bytes, 3 are left", Hello, 1},
		{"HELLO, 2^32-1 groups", []string{hello + "ffffffff 00000000 00 00 00000000"}, ErrMalformed, "4294967295 groups do not fit in the 10 bytes left", Hello, 1},
		{"HELLO, 2^31 groups", []string{hello + "80000000 00000000 00 00 00000000"}, ErrMalformed, "2147483648 groups do not fit", Hello, 1},
		{"HELLO, one group more than the bytes hold", []string{hello + "00000003 00000000 00 00 00000000"}, ErrMalformed, "3 groups do not fit in the 10 bytes left", Hello, 1},
		{"HELLO, group of 2^32-1 bytes", []string{hello + "00000001 ffffffff 47 00 00 00000000"}, ErrMalformed, "group needs 4294967295 bytes, 7 are left", Hello, 1},
		{"HELLO, no status", []string{hello + "00000001 00000001 47"}, ErrMalformed, "status needs 1", Hello, 1},
		{"HELLO, name over the rest", []string{hello + "00000000 00 09 6e 00000000"}, ErrMalformed, "name needs 9 bytes, 5 are left", Hello, 1},
		{"HELLO, 2^32-1 headers", []string{hello + "00000000 00 00 ffffffff 00 00000000"}, ErrMalformed, "4294967295 headers do not fit in the 5 bytes left", Hello, 1},
		{"HELLO, one header more than the bytes hold", []string{hello + "00000000 00 00 00000002 00 00000000"}, ErrMalformed, "2 headers do not fit in the 5 bytes left", Hello, 1},
		{"HELLO, header name over the rest", []string{hello + "00000000 00 00 00000001 05 4b 000000"}, ErrMalformed, "header name needs 5 bytes, 4 are left", Hello, 1},
		{"HELLO, header value of 2^32-1 bytes", []string{hello + "00000000 00 00 00000001 01 4b ffffffff 76"}, ErrMalformed, "header value needs 4294967295 bytes, 1 are left", Hello, 1},
		{"HELLO, a header fewer than there are", []string{hello + "00000000 00 00 00000000 00 00000000"}, ErrMalformed, "HELLO: 5 bytes after the last field", Hello, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var frames [][]byte
			for _, text := range test.frames {
				frames = append(frames, unhex(t, text))
			}
			err := refused(t, frames, Limits{}, test.want, test.id, test.seq)
			if err != nil && (!strings.HasPrefix(err.Error(), "msg: ") || !strings.Contains(err.Error(), test.detail)) {
				t.Errorf("error %q, want it to start with \"msg: \" and tell %q", err, test.detail)
			}
		})
	}
}

// TestDecodeMangled truncates and extends every vector. No message of the grammar is
// the beginning of another one, so each must be refused.
func TestDecodeMangled(t *testing.T) {
	for _, v := range zreVectors(t) {
		header, content := v.frames[0], v.frames[1:]
		var good Message
		if err := good.Decode(v.frames, Limits{}); err != nil {
			t.Fatal(err)
		}
		t.Run(v.label, func(t *testing.T) {
			for n := range header {
				frames := append([][]byte{header[:n:n]}, content...)
				switch {
				case n < 2:
					refused(t, frames, Limits{}, ErrSignature, 0, 0)
				case n < 4:
					refused(t, frames, Limits{}, ErrVersion, 0, 0)
				case n < prefixSize:
					refused(t, frames, Limits{}, ErrMalformed, good.ID, 0)
				default:
					refused(t, frames, Limits{}, ErrMalformed, good.ID, good.Sequence)
				}
			}
			longer := append([][]byte{append(header[:len(header):len(header)], 0)}, content...)
			refused(t, longer, Limits{}, ErrMalformed, good.ID, good.Sequence)
			if good.ID != Whisper && good.ID != Shout {
				for _, surplus := range []string{"", "x"} {
					frames := [][]byte{header, []byte(surplus)}
					refused(t, frames, Limits{}, ErrMalformed, good.ID, good.Sequence)
				}
			}
		})
	}
}

// TestDecodeMemory has counts and lengths up to 2^32-1, and limits that allow them: the
// remaining octets must bound the memory. The smallest of the lists would take 100 GiB.
func TestDecodeMemory(t *testing.T) {
	none := Limits{Hello: math.MaxInt, Groups: math.MaxInt, Headers: math.MaxInt, LongString: math.MaxInt}
	const hello = "aaa101020001 03746370"
	for _, text := range []string{
		hello + "ffffffff 00000000 00 00 00000000",
		hello + "00000001 ffffffff 00 00 00000000",
		hello + "00000000 00 00 ffffffff 00 00000000",
		hello + "00000000 00 00 00000001 00 ffffffff",
	} {
		frames := [][]byte{unhex(t, text)}
		const rounds = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			refused(t, frames, none, ErrMalformed, Hello, 1)
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 8<<10 {
			t.Errorf("%s: took %d bytes to refuse %d", text, each, len(frames[0]))
		}
	}
}

// TestDecodeAccepts has unusual but valid messages; the rest is in the vectors.
func TestDecodeAccepts(t *testing.T) {
	long := strings.Repeat("n", MaxString)
	tests := []struct {
		name   string
		frames []string // octets, not hex
		want   Message
	}{
		{"WHISPER without content", []string{"\xaa\xa1\x02\x02\xff\xff"},
			Message{ID: Whisper, Sequence: 65535, Content: [][]byte{}}},
		{"SHOUT without content to the empty group", []string{"\xaa\xa1\x03\x02\x00\x00\x00"},
			Message{ID: Shout, Group: []byte{}, Content: [][]byte{}}},
		{"SHOUT with empty frames", []string{"\xaa\xa1\x03\x02\x00\x02\x01G", "", ""},
			Message{ID: Shout, Sequence: 2, Group: []byte("G"), Content: [][]byte{{}, {}}}},
		{"JOIN of 255 bytes", []string{"\xaa\xa1\x04\x02\x00\x02\xff" + long + "\x07"},
			Message{ID: Join, Sequence: 2, Group: []byte(long), Status: 7}},
		{"LEAVE with a group cut inside a character", []string{"\xaa\xa1\x05\x02\x00\x02\x02G\xd0\x07"},
			Message{ID: Leave, Sequence: 2, Group: []byte("G\xd0"), Status: 7}},
		{"ELECT whose challenger is no UUID", []string{"\xaa\xa1\x08\x02\x00\x02\x01G\x02me"},
			Message{ID: Elect, Sequence: 2, Group: []byte("G"), Node: []byte("me")}},
		{"HELLO with nothing in it", []string{"\xaa\xa1\x01\x02\x00\x01" + "\x00" + "\x00\x00\x00\x00" + "\x00" + "\x00" + "\x00\x00\x00\x00"},
			Message{ID: Hello, Sequence: 1, Hello: HelloFields{Endpoint: []byte{}, Groups: [][]byte{}, Name: []byte{}, Headers: []Header{}}}},
		{"HELLO with everything twice, NUL and no UTF-8", []string{"\xaa\xa1\x01\x02\x00\x05" + "\x01e" +
			"\x00\x00\x00\x02" + "\x00\x00\x00\x01G" + "\x00\x00\x00\x01G" + "\x09" + "\x02\xff\xfe" +
			"\x00\x00\x00\x03" + "\x01K" + "\x00\x00\x00\x01a" + "\x01K" + "\x00\x00\x00\x02\x00\xff" + "\x00" + "\x00\x00\x00\x00"},
			Message{ID: Hello, Sequence: 5, Status: 9, Hello: HelloFields{
				Endpoint: []byte("e"), Groups: [][]byte{[]byte("G"), []byte("G")}, Name: []byte("\xff\xfe"),
				Headers: []Header{{[]byte("K"), []byte("a")}, {[]byte("K"), []byte("\x00\xff")}, {[]byte{}, []byte{}}}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var frames [][]byte
			for _, octets := range test.frames {
				frames = append(frames, []byte(octets))
			}
			m := usedMessage()
			if err := m.Decode(frames, Limits{}); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(m, test.want) {
				t.Errorf("got  %+v\nwant %+v", m, test.want)
			}
		})
	}
}

// TestDecodeShares expects fields that refer into the frames, and whose capacity ends
// with them, so that appending to one cannot reach the next.
func TestDecodeShares(t *testing.T) {
	join := []byte("\xaa\xa1\x04\x02\x00\x02\x01G\x07")
	var m Message
	if err := m.Decode([][]byte{join}, Limits{}); err != nil {
		t.Fatal(err)
	}
	if &m.Group[0] != &join[7] {
		t.Error("the group is a copy")
	}
	_ = append(m.Group, 'X')
	if join[8] != 7 {
		t.Error("append to the group overwrote the status")
	}

	frames := [][]byte{[]byte("\xaa\xa1\x02\x02\x00\x03"), []byte("a"), []byte("next message")}
	if err := m.Decode(frames[:2], Limits{}); err != nil {
		t.Fatal(err)
	}
	if &m.Content[0] != &frames[1] {
		t.Error("the content is a copy")
	}
	_ = append(m.Content, nil)
	if frames[2] == nil {
		t.Error("append to the content overwrote the frame after it")
	}
}

// TestHelloOutlivesMessage keeps a HELLO's fields while the Message decodes the next one.
func TestHelloOutlivesMessage(t *testing.T) {
	hello := func(group, header string) [][]byte {
		frame, err := AppendHello(nil, 1, &OutHello{Endpoint: "e", Groups: []string{group}, Headers: []OutHeader{{header, ""}}}, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return [][]byte{frame}
	}
	var m Message
	if err := m.Decode(hello("first", "one"), Limits{}); err != nil {
		t.Fatal(err)
	}
	kept := m.Hello
	if err := m.Decode(hello("second", "two"), Limits{}); err != nil {
		t.Fatal(err)
	}
	if string(kept.Groups[0]) != "first" || string(kept.Headers[0].Name) != "one" {
		t.Errorf("the first HELLO is now %s", kept)
	}
}

func TestID(t *testing.T) {
	names := "HELLO WHISPER SHOUT JOIN LEAVE PING PING-OK ELECT LEADER GOODBYE"
	for i, name := range strings.Fields(names) {
		if got := ID(i + 1).String(); got != name {
			t.Errorf("ID %d is %s, want %s", i+1, got, name)
		}
	}
	for id, want := range map[ID]string{0: "ID(0)", 11: "ID(11)", 128: "STATE", 255: "ID(255)"} {
		if got := fmt.Sprint(id); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
