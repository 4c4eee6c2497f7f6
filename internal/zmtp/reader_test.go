package zmtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/memory"
)

// stream is a source without deadlines.
type stream struct{ io.Reader }

func (stream) SetReadDeadline(time.Time) error { return nil }

func newReader(src source, limits Limits, deliver func(frames [][]byte) error) *reader {
	limits = limits.withDefaults()
	all := func(frames [][]byte, _ memory.Origin) error { return deliver(frames) }
	return &reader{src: src, limits: &limits, deliver: all}
}

// parse reads a stream to its end.
func parse(src io.Reader, limits Limits) (messages [][]string, pongs []string, err error) {
	r := newReader(stream{src}, limits, func(frames [][]byte) error { messages = append(messages, strs(frames)); return nil })
	r.pong = func(context []byte) { pongs = append(pongs, string(context)) }
	err = r.run()
	return messages, pongs, err
}

// Several ways for the same octets to arrive.
var arrivals = map[string]func(io.Reader) io.Reader{
	"at once":       func(r io.Reader) io.Reader { return r },
	"by bytes":      iotest.OneByteReader,
	"by halves":     iotest.HalfReader,
	"end with data": iotest.DataErrReader,
}

func TestReader(t *testing.T) {
	long := func(flags byte, size ...byte) []byte { return append([]byte{flags}, size...) }
	limits := Limits{FrameSize: 1000, MessageSize: 1500, Frames: 3, CommandSize: 300}
	a1000 := strings.Repeat("a", 1000)
	for _, test := range []struct {
		name     string
		bytes    []byte
		messages [][]string
		pongs    []string
		bad      string // part of the error; "" is io.EOF
	}{
		{name: "nothing"},
		{name: "empty frame", bytes: message(""), messages: [][]string{{""}}},
		{name: "three frames", bytes: message("a", "", "c"), messages: [][]string{{"a", "", "c"}}},
		{name: "two messages", bytes: join(message("a"), message("b", "c")), messages: [][]string{{"a"}, {"b", "c"}}},
		{name: "255 bytes", bytes: message(a1000[:255]), messages: [][]string{{a1000[:255]}}},
		{name: "256 bytes", bytes: message(a1000[:256]), messages: [][]string{{a1000[:256]}}},
		{name: "long form for 1 byte", bytes: long(2, 0, 0, 0, 0, 0, 0, 0, 1, 'x'), messages: [][]string{{"x"}}},
		{name: "frame at the limit", bytes: message(a1000), messages: [][]string{{a1000}}},
		{name: "frame over it", bytes: message(a1000 + "b"), bad: "frame of 1001 bytes"},
		{name: "frame of 2^40", bytes: long(2, 0, 0, 1, 0, 0, 0, 0, 0), bad: "frame of 1099511627776 bytes"},
		{name: "frame of 2^63-1", bytes: long(2, 0x7f, 255, 255, 255, 255, 255, 255, 255), bad: "frame of 9223372036854775807"},
		{name: "frame of 2^64-1", bytes: long(2, 255, 255, 255, 255, 255, 255, 255, 255), bad: "frame of 18446744073709551615"},
		{name: "message at the limit", bytes: message(a1000, a1000[:500]), messages: [][]string{{a1000, a1000[:500]}}},
		{name: "message over it", bytes: message(a1000, a1000[:501]), bad: "message of more than 1500 bytes"},
		{name: "the limit is per message", bytes: join(message(a1000), message(a1000)), messages: [][]string{{a1000}, {a1000}}},
		{name: "endless frames", bytes: []byte(strings.Repeat("\x01\x00", 9)), bad: "more than 3 frames"},
		{name: "reserved flag 0x08", bytes: []byte{8, 0}, bad: "reserved flags set: 0x08"},
		{name: "reserved flag 0x80", bytes: []byte{0x80, 0}, bad: "reserved flags set: 0x80"},
		{name: "command with MORE", bytes: []byte{5, 0}, bad: "MORE"},
		{name: "long command", bytes: command("X", a1000[:298]), bad: ""},
		{name: "command over the limit", bytes: command("X", a1000[:299]), bad: "command of 301 bytes"},
		{name: "command of 2^63-1", bytes: long(6, 0x7f, 255, 255, 255, 255, 255, 255, 255), bad: "command of 9223372036854775807"},
		{name: "empty command", bytes: []byte{4, 0}, bad: "without a whole name"},
		{name: "command without a name", bytes: []byte{4, 1, 0}, bad: "without a whole name"},
		{name: "command with a cut name", bytes: []byte{4, 2, 2, 'a'}, bad: "without a whole name"},
		{name: "unknown commands", bytes: join(command("SUBSCRIBE", "x"), command("FOO", ""), message("a"), command("PONG", "x"),
			command("READY", "junk")), messages: [][]string{{"a"}}},
		{name: "ERROR", bytes: join(message("a"), command("ERROR", "\x02no")), messages: [][]string{{"a"}}, bad: `"no"`},
		{name: "ERROR with a cut reason", bytes: command("ERROR", "\x03no"), bad: "without a whole reason"},
		{name: "PING", bytes: command("PING", "\x00\x0a"), pongs: []string{""}},
		{name: "PING with context", bytes: command("PING", "\x00\x0aabc"), pongs: []string{"abc"}},
		{name: "PING with 16 bytes", bytes: command("PING", "\x00\x0a0123456789abcdef"), pongs: []string{"0123456789abcdef"}},
		{name: "PING with 17 bytes", bytes: command("PING", "\x00\x0a0123456789abcdefg"), pongs: []string{"0123456789abcdef"}},
		{name: "PING with 250 bytes", bytes: command("PING", "\x00\x0a"+a1000[:250]), pongs: []string{a1000[:16]}},
		{name: "PING with half a TTL", bytes: command("PING", "\x00"), bad: "PING of 1 bytes"},
		{name: "PING with nothing", bytes: command("PING", ""), bad: "PING of 0 bytes"},
		{name: "PING inside a message", bytes: join([]byte{1, 1, 'a'}, command("PING", "\x00\x00x"), []byte{0, 1, 'b'}),
			messages: [][]string{{"a", "b"}}, pongs: []string{"x"}},
		{name: "cut in a header", bytes: []byte{0}, bad: "unexpected EOF"},
		{name: "cut in a long header", bytes: long(2, 0, 0, 0), bad: "unexpected EOF"},
		{name: "cut in a body", bytes: message("abc")[:3], bad: "unexpected EOF"},
		{name: "cut in a command", bytes: command("PING", "abc")[:5], bad: "unexpected EOF"},
		{name: "cut between frames", bytes: message("a", "b")[:3], bad: "unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for how, arrive := range arrivals {
				messages, pongs, err := parse(arrive(bytes.NewReader(test.bytes)), limits)
				if !reflect.DeepEqual(messages, test.messages) || !slices.Equal(pongs, test.pongs) {
					t.Errorf("%s: got %q and pongs %q, want %q, %q", how, messages, pongs, test.messages, test.pongs)
				}
				switch {
				case test.bad == "" && err != io.EOF, !strings.Contains(fmt.Sprint(err), test.bad):
					t.Errorf("%s: ended with %v, want %q", how, err, test.bad)
				}
			}
		})
	}
}

// TestReaderSizes sends frames of many lengths one after the other, so that each way of reading meets each other.
func TestReaderSizes(t *testing.T) {
	var b []byte
	var want [][]string
	for i, n := range []int{
		0, 1, 100, 2000, directRead - 1, directRead, 1, LargeFrame, 60 << 10, 3, busyBuffer, firstPiece, firstPiece + 1, 5,
		1 << 20, 3 << 20, 0, idleBuffer - 2, idleBuffer, smallBuffer - 2, smallBuffer, wholeAfter*firstPiece + 1, 17,
	} {
		frames := []string{strings.Repeat(string(rune('a'+i)), n), strings.Repeat("z", i)}
		want = append(want, frames)
		b = append(b, message(frames...)...)
	}
	for how, arrive := range arrivals {
		got, _, err := parse(arrive(bytes.NewReader(b)), Limits{})
		if err != io.EOF || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %d messages, %v", how, len(got), err)
		}
	}
}

// TestFramesDontTouch checks that frames don't share octets: what an application appends to or writes into one must not appear in another.
func TestFramesDontTouch(t *testing.T) {
	var b []byte
	for i := range 5000 {
		b = append(b, message(fmt.Sprint(i), "", strings.Repeat("x", i%70))...)
	}
	var all [][][]byte
	r := newReader(stream{bytes.NewReader(b)}, Limits{}, func(frames [][]byte) error {
		all = append(all, frames)
		return nil
	})
	_ = r.run()
	for i, frames := range all {
		for j := range frames {
			frames[j] = append(frames[j], "overrun"...)
		}
		all[i] = append(frames, []byte("one more"))
	}
	for i, frames := range all {
		want := []string{fmt.Sprint(i) + "overrun", "overrun", strings.Repeat("x", i%70) + "overrun", "one more"}
		if got := strs(frames); !slices.Equal(got, want) {
			t.Fatalf("message %d is %q, want %q", i, got, want)
		}
	}
}

// TestMemoryAsOctetsArrive measures how much a peer makes us allocate with a header, and with a part of what it announces.
func TestMemoryAsOctetsArrive(t *testing.T) {
	whole := message(strings.Repeat("a", 60<<20))
	for _, test := range []struct{ sent, most int }{
		{9, firstPiece + 32<<10},
		{firstPiece, firstPiece + 96<<10},
		{firstPiece + 100, 2*firstPiece + 128<<10},
		{2<<20 - 100, 2<<20 + 128<<10},
		{2<<20 + 100, 4<<20 + 128<<10},
		{60<<20/wholeAfter - 1, 60<<20/wholeAfter + 128<<10},
		{60<<20/wholeAfter + 100, 60<<20 + 60<<20/wholeAfter + 128<<10},
	} {
		spent := allocated(func() {
			if _, _, err := parse(bytes.NewReader(whole[:test.sent]), Limits{}); err != io.ErrUnexpectedEOF {
				t.Fatal(err)
			}
		})
		t.Logf("%d bytes sent: %d allocated", test.sent, spent)
		if spent > uint64(test.most) {
			t.Errorf("%d bytes sent: %d allocated, at most %d are right", test.sent, spent, test.most)
		}
	}
	for name, size := range map[string][]byte{
		"1 over the limit": {0, 0, 0, 0, 4, 0, 0, 1}, "2^40": {0, 0, 1, 0, 0, 0, 0, 0},
		"2^63-1": {0x7f, 255, 255, 255, 255, 255, 255, 255},
	} {
		for _, flags := range []byte{flagLong, flagLong | flagMore, flagLong | flagCommand} {
			b := append(append([]byte{flags}, size...), make([]byte, 1000)...)
			var err error
			spent := allocated(func() { _, _, err = parse(bytes.NewReader(b), Limits{}) })
			if _, ok := errors.AsType[*ProtocolError](err); !ok || spent > 32<<10 {
				t.Errorf("%s, flags %d: %d allocated, %v", name, flags, spent, err)
			}
		}
	}
}

func TestReceiveAllocations(t *testing.T) {
	const messages = 100_000
	for name, test := range map[string]struct {
		message []byte
		most    float64
	}{
		"6+16": {message("header", strings.Repeat("b", 16)), 0.05},
		"6+1K": {message("header", strings.Repeat("b", 1000)), 0.3},
		"64K":  {message(strings.Repeat("b", 64<<10)), 1.2},
	} {
		count := max(messages*22/len(test.message), 200)
		b := bytes.Repeat(test.message, count)
		n := math.Inf(1)
		for range 3 { // the least of three: after a run of the garbage collector memory is new
			n = min(n, testing.AllocsPerRun(1, func() {
				r := newReader(stream{bytes.NewReader(b)}, Limits{}, func([][]byte) error { return nil })
				_ = r.run()
			})/float64(count))
		}
		t.Logf("%s: %.3f allocations a message", name, n)
		if n > test.most {
			t.Errorf("%s: %.3f allocations a message, want at most %.3f", name, n, test.most)
		}
	}
}

// TestLargeFramesAreReadDirectly checks that little is read ahead behind a large frame, so that most of the next one is read to its place
// without a second copy.
func TestLargeFramesAreReadDirectly(t *testing.T) {
	const size, frames = 60 << 10, 10
	src := &readSizes{Reader: bytes.NewReader(bytes.Repeat(message(strings.Repeat("x", size)), frames))}
	r := newReader(stream{src}, Limits{}, func([][]byte) error { return nil })
	if err := r.run(); err != io.EOF {
		t.Fatal(err)
	}
	direct := 0
	for _, n := range src.sizes {
		if n > busyBuffer/2 {
			direct += n
		}
	}
	if direct < frames*(size-smallBuffer) {
		t.Errorf("%d bytes of %d were read directly; reads: %d", direct, frames*size, src.sizes)
	}
}

type readSizes struct {
	io.Reader
	sizes []int
}

func (r *readSizes) Read(p []byte) (int, error) {
	if len(p) == busyBuffer {
		return 0, errTest // the reader's own buffer
	}
	n, err := r.Reader.Read(p)
	r.sizes = append(r.sizes, n)
	return n, err
}

// TestReaderShrinks checks that a silent connection gives its large buffer back, and works on afterwards.
func TestReaderShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := memPair(1 << 20)
		got := 0
		r := newReader(ours, Limits{}, func([][]byte) error { got++; return nil })
		done := make(chan error, 1)
		go func() {
			err := r.run()
			for err == errQuiet {
				err = r.run()
			}
			done <- err
		}()
		burst := bytes.Repeat(message("header", "body"), 1000)
		for round := range 3 {
			theirs.Write(burst)
			synctest.Wait()
			if len(r.buf) != busyBuffer || got != 1000*(round+1) {
				t.Errorf("after burst %d: buffer of %d, %d messages", round, len(r.buf), got)
			}
			theirs.Write(nil) // for the race detector: the fields were read before the reader continues
			elapse(busyTime)
			synctest.Wait()
			if octets, places := r.cutter.Held(); len(r.buf) != idleBuffer || octets+places > 0 {
				t.Errorf("idle after burst %d: buffer of %d, %d bytes, lists of %d", round, len(r.buf), octets, places)
			}
		}
		// The deadline also passes in the middle of a large frame, and of a header.
		theirs.Write(burst)
		large := message(strings.Repeat("x", 100<<10))
		theirs.Write(large[:50<<10])
		elapse(2 * busyTime)
		theirs.Write(large[50<<10:])
		theirs.Write(burst)
		theirs.Write(large[:5])
		elapse(2 * busyTime)
		theirs.Write(large[5:])
		theirs.Close()
		if err := <-done; err != io.EOF || got != 5002 {
			t.Errorf("%d messages, %v", got, err)
		}
	})
}

func TestReaderErrors(t *testing.T) {
	deliver := func([][]byte) error { return errTest }
	r := newReader(stream{bytes.NewReader(message("a"))}, Limits{}, deliver)
	if err := r.run(); err != errTest {
		t.Errorf("deliver's error: %v", err)
	}
	for _, want := range []error{errTest, os.ErrDeadlineExceeded} { // a time-out that isn't the reader's own counts
		r = newReader(stream{iotest.ErrReader(want)}, Limits{}, nil)
		if err := r.run(); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}
