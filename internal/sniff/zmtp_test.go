package sniff

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/msg"
)

// A script writes one direction of a connection.
type script struct{ bytes.Buffer }

func (s *script) greeting(mechanism string) *script {
	g := make([]byte, 64)
	g[0], g[9], g[10], g[11] = 0xFF, 0x7F, 3, 1
	copy(g[12:], mechanism)
	s.Write(g)
	return s
}

func (s *script) frame(flags byte, body []byte) *script {
	if len(body) > 255 {
		s.WriteByte(flags | flagLong)
		s.Write(binary.BigEndian.AppendUint64(nil, uint64(len(body))))
	} else {
		s.Write([]byte{flags, byte(len(body))})
	}
	s.Write(body)
	return s
}

func (s *script) message(parts ...[]byte) *script {
	for i, part := range parts {
		flags := byte(flagMore)
		if i == len(parts)-1 {
			flags = 0
		}
		s.frame(flags, part)
	}
	return s
}

func (s *script) ready(properties ...string) *script {
	body := []byte("\x05READY")
	for i := 0; i < len(properties); i += 2 {
		body = append(append(body, byte(len(properties[i]))), properties[i]...)
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(properties[i+1]))), properties[i+1]...)
	}
	return s.frame(flagCommand, body)
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var id = uuid.MustParse("f8ecbe08-1234-4567-89ab-0123456789ab")

// talk returns what a node may send.
func talk(t testing.TB) *script {
	bytesOf := must[[]byte](t)
	hello := msg.OutHello{Endpoint: "tcp://10.0.0.1:5671", Groups: []string{"CHAT", "\x1b[2J"}, Status: 2, Name: "alice", Headers: []msg.OutHeader{{Name: "role", Value: "camera"}}}
	s := new(script).greeting("NULL").ready("Socket-Type", "DEALER", "Identity", "\x01"+string(id[:]))
	s.message(bytesOf(msg.AppendHello(nil, 1, &hello, msg.DefaultLimits())))
	s.message(bytesOf(msg.AppendShout(nil, 2, "CHAT")), []byte("hello\u202e"), []byte{0xFF})
	s.message(msg.AppendWhisper(nil, 3), []byte(strings.Repeat("ä", 50_000)))
	s.message(bytesOf(msg.AppendJoin(nil, 4, "B", 3)))
	s.frame(flagCommand, []byte("\x04PING\x00\x00"))
	s.message([]byte("\xAA\xA0gossip"), []byte("x"))
	s.message(msg.AppendState(nil, 5, 5))
	return s
}

var talked = []string{
	"ZMTP 3.1 NULL",
	"f8ecbe08 READY Identity=" + id.String() + " Socket-Type=DEALER",
	`alice HELLO #1 tcp://10.0.0.1:5671 groups CHAT \x1b[2J role=camera`,
	`f8ecbe08 SHOUT #2 group CHAT, 8 bytes "hello\u202e", 1 bytes /w==`,
	`f8ecbe08 WHISPER #3, 100000 bytes "` + strings.Repeat("ä", 59) + `…"`,
	"f8ecbe08 JOIN #4 group B",
	"f8ecbe08 PING",
	`f8ecbe08 not ZRE, 8 bytes qqBnb3NzaXA=, 1 bytes "x"`,
	"f8ecbe08 STATE #5 state processing",
}

// lines feeds a half in pieces of a size, and returns what it reports.
func lines(data []byte, size int) (list []string) {
	budget := heldBytes
	h := half{budget: &budget, emit: func(r *Record) {
		_, line, _ := strings.Cut(r.String(), "→ invalid AddrPort ")
		list = append(list, line)
	}}
	for part := range slices.Chunk(data, size) {
		h.feed(part)
	}
	h.reset()
	if budget != heldBytes {
		list = append(list, fmt.Sprint("budget off by ", heldBytes-budget))
	}
	return list
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("%s, record %d: %q, want %q", what, i, g, w)
		}
	}
}

// However the bytes are cut, the same is seen.
func TestStreamInPieces(t *testing.T) {
	data := talk(t).Bytes()
	for _, size := range []int{1, 2, 3, 7, 64, 65, 1448, len(data)} {
		equal(t, fmt.Sprint("pieces of ", size), lines(data, size), talked)
	}
}

// If the beginning is missing, the next message is found.
func TestStreamFromTheMiddle(t *testing.T) {
	data := talk(t).Bytes()
	for _, cut := range []int{1, 30, 63, 64, 70, 112} {
		for _, size := range []int{1, 5, 1448, len(data)} {
			got := lines(data[cut:], size)
			if len(got) < 5 || !strings.HasSuffix(got[0], "HELLO #1 tcp://10.0.0.1:5671 groups CHAT \\x1b[2J role=camera") {
				t.Errorf("without the first %d bytes, in pieces of %d: %q", cut, size, got)
			}
		}
	}
}

func TestBadStreams(t *testing.T) {
	for _, c := range []struct {
		name string
		data []byte
		want []string
	}{
		{"nothing", nil, nil},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n" + strings.Repeat("x", 100_000)), nil},
		{"ZMTP 2", append([]byte{0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 1}, make([]byte, 100)...), []string{"ZMTP 1 "}},
		{"unknown flags", new(script).greeting("NULL").frame(0xF0, nil).Bytes(), []string{"ZMTP 3.1 NULL", "malformed: no frame begins with flags of 0xf0"}},
		{"a command within a message", new(script).greeting("NULL").frame(1, []byte("x")).frame(4, []byte("\x04PING")).Bytes(), []string{"ZMTP 3.1 NULL", "malformed: no frame begins with flags of 0x04"}},
		{"a frame of 2^63", append(new(script).greeting("NULL").Bytes(), 2, 0xFF, 0, 0, 0, 0, 0, 0, 0), []string{"ZMTP 3.1 NULL", "malformed: a frame of 2^63 bytes or more"}},
		{"a command without a name", new(script).greeting("NULL").frame(4, nil).frame(4, []byte{9, 1}).Bytes(), []string{"ZMTP 3.1 NULL", "malformed: a command without a name", "malformed: a command without a name"}},
		{"an unknown id", new(script).greeting("NULL").message([]byte{0xAA, 0xA1, 77, 2, 0, 1}).Bytes(), []string{"ZMTP 3.1 NULL", "malformed: msg: unknown message id: 77"}},
		{"a cut HELLO", new(script).greeting("NULL").message([]byte{0xAA, 0xA1, 1, 2, 0, 1, 9}).Bytes(), []string{"ZMTP 3.1 NULL", "malformed: msg: malformed message"}},
		{"a first frame that is too long", new(script).greeting("NULL").message(append([]byte{0xAA, 0xA1, 1, 2, 0, 1}, make([]byte, 300<<10)...)).Bytes(), []string{"ZMTP 3.1 NULL", "malformed: the first frame of a message is too long to be decoded"}},
		{"an empty message", new(script).greeting("NULL").message(nil).Bytes(), []string{"ZMTP 3.1 NULL", "not ZRE, 0 bytes"}},
		{"many frames", new(script).greeting("NULL").message(append([][]byte{msg.AppendWhisper(nil, 9)}, slices.Repeat([][]byte{[]byte("ab")}, 100)...)...).Bytes(),
			[]string{"ZMTP 3.1 NULL", `WHISPER #9, 2 bytes "ab", 2 bytes "ab", 100 frames of 200 bytes in all`}},
		{"CURVE", new(script).greeting("CURVE").frame(4, []byte("\x05HELLO\x01\x00")).frame(4, []byte("\x05READYxxx")).message([]byte("\x07MESSAGE" + strings.Repeat("?", 100))).Bytes(),
			[]string{"ZMTP 3.1 CURVE", "HELLO", "READY", "sealed, 108 bytes"}},
		{"a mechanism with an escape", new(script).greeting("\x1b[2J").Bytes(), []string{`ZMTP 3.1 \x1b[2J`}},
	} {
		got := lines(c.data, 100)
		for i := range got {
			if i < len(c.want) && strings.HasPrefix(c.want[i], "malformed: msg: ") && strings.HasPrefix(got[i], "malformed: ") {
				got[i] = c.want[i] // the words are those of package msg
			}
		}
		equal(t, c.name, got, c.want)
	}
}

// After a gap the next message is found, and what was lost is not taken for a message.
func TestGap(t *testing.T) {
	budget := heldBytes
	var got []string
	h := half{budget: &budget, emit: func(r *Record) { got = append(got, r.Kind+" "+r.Message) }}
	data := talk(t).Bytes()
	at := bytes.Index(data, []byte("ää"))
	h.feed(data[:at+10])
	h.handleGap(1000)
	h.feed(data[at+1010:])
	equal(t, "records", got, []string{"greeting ", "command ", "message HELLO", "message SHOUT", "gap ", "message JOIN", "command ", "other ", "message STATE"})
}

// All halves together keep no more than their budget.
func TestBudget(t *testing.T) {
	budget := 1 << 20
	halves := make([]half, 100)
	begin := new(script).greeting("NULL").Bytes()
	begin = append(begin, 2, 0, 0, 0, 0, 0, 4, 0, 0)
	for i := range halves {
		halves[i] = half{budget: &budget, emit: func(*Record) {}}
		halves[i].feed(begin)
		for range 150 {
			halves[i].feed(make([]byte, 1448))
		}
		if budget < 0 {
			t.Fatalf("budget %d", budget)
		}
	}
	for i := range halves {
		halves[i].reset()
	}
	if budget != 1<<20 {
		t.Errorf("%d are not given back", 1<<20-budget)
	}
}

func FuzzHalf(f *testing.F) {
	f.Add(talk(f).Bytes(), 7)
	f.Add(talk(f).Bytes()[100:], 1448)
	f.Add(talk(f).Bytes()[:350], 20)
	f.Add(new(script).greeting("CURVE").frame(4, []byte("\x05READYxxx")).message([]byte("\x07MESSAGE?")).Bytes(), 10)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		one, other := lines(data, 1+int(uint(size)%2000)), lines(data, len(data)+1)
		_, _ = one, other
		for _, line := range append(one, other...) {
			if strings.Contains(line, "budget") || strings.ContainsAny(line, "\x1b\n\u202e\u009b") {
				t.Error(line)
			}
		}
	})
}
