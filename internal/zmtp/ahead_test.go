package zmtp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/memory"
)

// ahead is how the messages of these tests are numbered: three octets, the number, then the test's text.
var ahead = Numbers{At: 3, Cycle: 65536}

func numbered(n uint16, text string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte("abc"), n), text...)
}

// numberer pushes messages to a queue and numbers them, as a peer does.
type numberer struct {
	*Queue
	t    testing.TB
	last uint16
}

func (n *numberer) next() uint16 {
	n.last = ahead.after(n.last, 1)
	return n.last
}

func (n *numberer) push(lease *memory.Lease, text string, frames ...[]byte) {
	n.t.Helper()
	if err := n.PushLeased(lease, append([][]byte{numbered(n.next(), text)}, frames...)...); err != nil {
		n.t.Fatal(err)
	}
}

func (n *numberer) overtake(text string) {
	n.t.Helper()
	if _, _, err := n.PushAhead(ahead, numbered(n.next(), text)); err != nil {
		n.t.Fatal(err)
	}
}

// begun returns a queue whose first message is taken.
func begun(t testing.TB, first uint16) *numberer {
	n := &numberer{NewQueue(1<<20, 1<<40), t, first - 1}
	n.push(nil, "HELLO")
	if got, want := drain(t, n.Queue), message(string(numbered(first, "HELLO"))); !bytes.Equal(got, want) {
		t.Fatalf("the first message and a PING in the queue: got %q, want %q", got, want)
	}
	return n
}

// read splits the octets, checks that the numbers are consecutive, and returns the messages without them; commands as "command".
func read(t testing.TB, octets []byte, first uint16) (texts []string) {
	t.Helper()
	next := first
	deliver := func(frames [][]byte) error {
		number := binary.BigEndian.Uint16(frames[0][ahead.At:])
		if number != next || string(frames[0][:ahead.At]) != "abc" {
			return fmt.Errorf("%.20q has the number %d, want %d, behind %q", frames[0], number, next, texts)
		}
		next = ahead.after(next, 1)
		text := string(frames[0][ahead.At+2:])
		for _, f := range frames[1:] {
			if len(f) > 100 {
				if bytes.Count(f, f[:1]) != len(f) {
					return fmt.Errorf("a frame of %q changed", text)
				}
				f = fmt.Appendf(nil, "%d*%s", len(f), f[:1])
			}
			text += "+" + string(f)
		}
		texts = append(texts, text)
		return nil
	}
	r := newReader(stream{bytes.NewReader(octets)}, Limits{}, deliver)
	r.pong = func([]byte) {}
	if err := r.run(); err != io.EOF {
		t.Fatal(err)
	}
	return texts
}

// A message that overtakes goes in front of everything that is not taken, with the number of the message that it precedes; all others keep
// their order.
func TestPushAhead(t *testing.T) {
	x := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	long := strings.Repeat("long", 1000)
	for _, test := range []struct {
		name  string
		first uint16
		do    func(n *numberer, out *[]byte)
		want  []string
	}{
		{"nothing waits", 2, func(n *numberer, _ *[]byte) {
			n.overtake("PING")
			n.push(nil, "a")
		}, []string{"PING", "a"}},
		{"small messages", 2, func(n *numberer, _ *[]byte) {
			n.push(nil, "a", x(3))
			n.push(nil, "b")
			n.overtake("PING")
			n.push(nil, "c")
		}, []string{"PING", "a+xxx", "b", "c"}},
		{"several, in their order", 2, func(n *numberer, _ *[]byte) {
			n.push(nil, "a")
			n.overtake("1")
			n.push(nil, "b")
			n.overtake("2")
			n.overtake("3")
			n.push(nil, "c")
		}, []string{"1", "2", "3", "a", "b", "c"}},
		{"the end of a chunk amid headers, numbers and frames", 2, func(n *numberer, _ *[]byte) {
			for i := range 40 {
				n.push(nil, "a", x(chunkSize-30-i), x(3))
				if i%10 == 9 {
					n.overtake("PING")
				}
			}
		}, nil},
		{"long first frames", 2, func(n *numberer, _ *[]byte) {
			for range 9 {
				n.push(nil, long, x(2))
			}
			n.overtake("PING")
		}, append([]string{"PING"}, slices.Repeat([]string{long + "+xx"}, 9)...)},
		{"large frames", 2, func(n *numberer, _ *[]byte) {
			n.push(nil, "a", x(LargeFrame), x(LargeFrame), x(1))
			n.overtake("PING")
			n.push(nil, "b", x(3*LargeFrame))
			n.push(nil, "c")
		}, []string{"PING", "a+16384*x+16384*x+x", "b+49152*x", "c"}},
		{"leases", 2, func(n *numberer, _ *[]byte) {
			for _, text := range []string{"a", "b"} {
				lease := memory.NewLease()
				n.push(lease, text, lease.Take([][]byte{x(2 * LargeFrame)}, false)...)
				lease.Release()
				n.overtake("PING " + text)
			}
		}, []string{"PING a", "PING b", "a+32768*x", "b+32768*x"}},
		{"behind what is taken", 2, func(n *numberer, out *[]byte) {
			n.push(nil, "a", x(largeDivisor*takeOctets), x(3)) // the second is in the chunk of b
			n.push(nil, "b")
			n.push(nil, "c")
			takeTo(n.t, n.Queue, nil, func(b []byte) { *out = append(*out, b...) })
			n.overtake("PING")
			n.push(nil, "d")
		}, []string{fmt.Sprintf("a+%d*x+xxx", largeDivisor*takeOctets), "PING", "b", "c", "d"}},
		{"more than is taken at a time", 2, func(n *numberer, out *[]byte) {
			for i := range 20 {
				n.push(nil, fmt.Sprint(i), x(takeOctets/10-20))
			}
			takeTo(n.t, n.Queue, nil, func(b []byte) { *out = append(*out, b...) })
			n.overtake("PING")
		}, nil},
		{"commands", 2, func(n *numberer, out *[]byte) {
			n.push(nil, "a", x(largeDivisor*takeOctets))
			n.push(nil, "b")
			_ = n.pushCommand([]byte("\x04PING\x00\x00"))
			n.push(nil, "c")
			n.overtake("PING")
			_ = n.pushCommand([]byte("\x04PING\x00\x00"))
			n.push(nil, "d")
		}, []string{"PING", fmt.Sprintf("a+%d*x", largeDivisor*takeOctets), "b", "c", "d"}},
		{"a command in front", 2, func(n *numberer, _ *[]byte) {
			_ = n.pushCommand([]byte("\x04PING\x00\x00"))
			n.push(nil, "a")
			n.overtake("PING") // last
		}, []string{"a", "PING"}},
		{"across the wrap", 65530, func(n *numberer, _ *[]byte) {
			for i := range 12 {
				n.push(nil, fmt.Sprint(i))
				if i%4 == 3 {
					n.overtake("PING")
				}
			}
		}, []string{"PING", "PING", "PING", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}},
	} {
		for _, cycle := range []uint32{65536, 65535} {
			t.Run(fmt.Sprint(test.name, ", ", cycle), func(t *testing.T) {
				defer func(n Numbers) { ahead = n }(ahead)
				ahead.Cycle = cycle
				n := begun(t, test.first)
				var out []byte
				test.do(n, &out)
				out = append(out, drain(t, n.Queue)...)
				if _, octets := n.Depth(); octets != 0 || n.pushed != n.written {
					t.Errorf("%d bytes are left, %d messages of %d written", octets, n.written, n.pushed)
				}
				if got := read(t, out, test.first+1); test.want != nil && !slices.Equal(got, test.want) {
					t.Errorf("got %.200q, want %.200q", got, test.want)
				}
			})
		}
	}
}

// Nothing overtakes the first message.
func TestPushAheadOfFirst(t *testing.T) {
	n := &numberer{NewQueue(10, 1000), t, 1}
	n.push(nil, "a")
	if err := n.attach(newConn(nil, nil, n.Queue, Config{}), [][]byte{numbered(1, "HELLO")}); err != nil {
		t.Fatal(err)
	}
	n.overtake("PING")
	if got := read(t, drain(t, n.Queue), 1); !slices.Equal(got, []string{"HELLO", "a", "PING"}) {
		t.Errorf("messages: got %q, want HELLO, a, PING", got)
	}
}

// In a queue of an inproc link nothing overtakes.
func TestPushAheadInproc(t *testing.T) {
	n := &numberer{NewInprocQueue(10, 1000), t, 0}
	n.push(nil, "a")
	if taken, err := n.takeCopies(nil); len(taken) != 1 || err != nil {
		t.Fatalf("%d runs, %v", len(taken), err)
	}
	n.noteWritten(n.Depth())
	n.push(nil, "b")
	n.overtake("PING")
	if err := n.attach(new(Conn), nil); err != nil { // a socket's
		t.Fatal(err)
	}
	if got := read(t, drain(t, n.Queue), 2); !slices.Equal(got, []string{"b", "PING"}) {
		t.Errorf("messages: got %q, want b, PING", got)
	}
}

// A message that overtakes has the bounds of a control message.
func TestPushAheadHasBounds(t *testing.T) {
	n := begun(t, 1)
	n.maxMessages = 1
	n.push(nil, "a")
	for range controlMessages {
		n.overtake("PING")
	}
	if _, _, err := n.PushAhead(ahead, numbered(1, "")); err != ErrFull {
		t.Errorf("one more: %v", err)
	}
	n.Close(errTest)
	if _, _, err := n.PushAhead(ahead, numbered(1, "")); err == nil {
		t.Error("a closed queue takes something")
	}
}

// A Flush waits for what was pushed before it, whatever overtakes that.
func TestFlushAndPushAhead(t *testing.T) {
	n := begun(t, 1)
	n.push(nil, "a", make([]byte, largeDivisor*takeOctets))
	n.push(nil, "b")
	goal := n.pushed
	n.overtake("PING")
	takeTo(t, n.Queue, nil, func([]byte) {}) // PING and a
	if n.written >= goal {
		t.Error("b counts as written")
	}
	drain(t, n.Queue)
	if n.written != goal {
		t.Errorf("%d of %d messages are written", n.written, goal)
	}
}

// TestPushAheadRandom pushes and overtakes at random, while a writer drains the queue into a pipe that is read slowly.
func TestPushAheadRandom(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		n := begun(t, uint16(rnd.IntN(65536)))
		first := n.last + 1
		ours, theirs := memPair(1 + rnd.IntN(200_000))
		ended := write(n.Queue, ours)
		got := readAll(theirs)
		var want []string
		pings := 0
		for i := range 3000 {
			switch rnd.IntN(20) {
			case 0, 1:
				n.overtake("PING")
				pings++
				continue
			case 2:
				_ = n.pushCommand([]byte("\x04PING\x00\x00"))
				continue
			}
			text := fmt.Sprint(i)
			frames := make([][]byte, rnd.IntN(4))
			want = append(want, text)
			for j := range frames {
				frames[j] = bytes.Repeat([]byte{'x'}, rnd.IntN(1+1<<rnd.IntN(16)))
				if size := len(frames[j]); size > 100 {
					want[len(want)-1] += fmt.Sprintf("+%d*x", size)
				} else {
					want[len(want)-1] += "+" + string(frames[j])
				}
			}
			n.push(nil, text, frames...)
		}
		if err := n.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.Close(errTest)
		wait(t, ended, "the writer's end")
		ours.Close()
		texts := read(t, wait(t, got, "all"), first)
		others := slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s == "PING" })
		if len(texts)-len(others) != pings || !slices.Equal(others, want) {
			t.Fatalf("seed %d: %d PINGs of %d, and %d messages of %d, or in another order", seed, len(texts)-len(others), pings, len(others), len(want))
		}
	}
}
