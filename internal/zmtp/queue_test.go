package zmtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// drain takes everything out of a queue as a writer does, and returns the octets.
func drain(t testing.TB, q *Queue) []byte {
	t.Helper()
	var b []byte
	drainTo(t, q, nil, func(octets []byte) { b = append(b, octets...) })
	return b
}

// drainTo takes everything, and returns the spare list of a writer.
func drainTo(t testing.TB, q *Queue, spare []segment, write func([]byte)) []segment {
	t.Helper()
	for left, _ := q.Depth(); left > 0; left, _ = q.Depth() {
		spare = takeTo(t, q, spare, write)
	}
	return spare
}

// takeTo takes what a writer takes at a time.
func takeTo(t testing.TB, q *Queue, spare []segment, write func([]byte)) []segment {
	t.Helper()
	segments, err := q.take(spare)
	if err != nil {
		t.Fatal(err)
	}
	messages, octets := 0, 0
	for i := range segments {
		write(segments[i].data)
		messages += segments[i].messages
		octets += len(segments[i].data)
	}
	recycle(segments)
	q.noteWritten(messages, int64(octets))
	return segments
}

func TestQueueFraming(t *testing.T) {
	for _, frames := range [][]string{
		{""}, {"a"}, {"a", "", "c"}, {strings.Repeat("b", 255)}, {strings.Repeat("b", 256)},
		{strings.Repeat("c", LargeFrame-1), "x"}, {strings.Repeat("c", LargeFrame), "x"},
		{strings.Repeat("d", chunkSize-5), "x", strings.Repeat("e", 3*chunkSize), "y"},
		{strings.Repeat("f", LargeFrame), strings.Repeat("g", LargeFrame)},
	} {
		q := NewQueue(10, 1<<20)
		var in [][]byte
		for _, f := range frames {
			in = append(in, []byte(f))
		}
		for range 2 {
			if err := q.Push(in...); err != nil {
				t.Fatal(err)
			}
		}
		want := append(message(frames...), message(frames...)...)
		if n, octets := q.Depth(); n != 2 || octets != int64(len(want)) {
			t.Errorf("depth is %d, %d, want 2, %d", n, octets, len(want))
		}
		if got := drain(t, q); !bytes.Equal(got, want) {
			t.Errorf("%d frames, first of %d: got %.40q…, want %.40q…", len(frames), len(frames[0]), got, want)
		}
		if n, octets := q.Depth(); n != 0 || octets != 0 {
			t.Errorf("depth is %d, %d after draining", n, octets)
		}
	}
}

// TestQueueRandom compares a queue with the plain encoding, with frames of all kinds of lengths.
func TestQueueRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	q := NewQueue(1<<20, 1<<40)
	var got, want []byte
	for range 2000 {
		frames := make([]string, 1+rnd.IntN(4))
		in := make([][]byte, len(frames))
		for i := range frames {
			in[i] = bytes.Repeat([]byte{byte(rnd.IntN(256))}, rnd.IntN(1<<rnd.IntN(16)))
			frames[i] = string(in[i])
		}
		if err := q.Push(in...); err != nil {
			t.Fatal(err)
		}
		want = append(want, message(frames...)...)
		for _, f := range in {
			if len(f) < LargeFrame {
				clear(f) // small ones were copied, so this must not matter
			}
		}
		if rnd.IntN(10) == 0 {
			got = append(got, drain(t, q)...)
		}
	}
	if got = append(got, drain(t, q)...); !bytes.Equal(got, want) {
		t.Error("the bytes differ")
	}
}

func TestQueueBounds(t *testing.T) {
	t.Run("messages", func(t *testing.T) {
		q := NewQueue(4, 1<<20)
		for range 4 {
			if err := q.Push([]byte("a")); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Push([]byte("a")); err != ErrFull {
			t.Errorf("a fifth message: %v", err)
		}
		for i := range controlMessages {
			if err := q.PushControl([]byte("c")); err != nil {
				t.Fatalf("control message %d: %v", i, err)
			}
		}
		if err := q.PushControl([]byte("c")); err != ErrFull {
			t.Errorf("one more control message: %v", err)
		}
		if err := q.pushCommand([]byte("c")); err != ErrFull {
			t.Errorf("a command: %v", err)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		q := NewQueue(1000, 100)
		if err := q.Push(make([]byte, 5000)); err != nil {
			t.Errorf("a large message into an empty queue: %v", err)
		}
		if err := q.Push(nil); err != ErrFull {
			t.Errorf("a small one behind it: %v", err)
		}
		if err := q.PushControl(make([]byte, 1000)); err != nil {
			t.Errorf("a control message behind it: %v", err)
		}
		if err := q.PushControl(make([]byte, controlOctets)); err != ErrFull {
			t.Errorf("a large control message: %v", err)
		}
		drain(t, q)
		if err := q.Push(make([]byte, 98)); err != nil {
			t.Errorf("exactly full: %v", err)
		}
	})
	t.Run("in flight", func(t *testing.T) {
		q := NewQueue(2, 100)
		_ = q.Push([]byte("a"))
		_ = q.Push([]byte("b"))
		if _, err := q.take(nil); err != nil {
			t.Fatal(err)
		}
		if err := q.Push([]byte("c")); err != ErrFull {
			t.Errorf("with two in flight: %v", err)
		}
		q.noteWritten(1, 3)
		if err := q.Push([]byte("c")); err != nil {
			t.Errorf("with one in flight: %v", err)
		}
	})
	t.Run("no frames", func(t *testing.T) {
		if err := NewQueue(0, 0).Push(); err == nil {
			t.Error("no error")
		}
	})
}

func TestQueueRoom(t *testing.T) {
	isClosed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	q := NewQueue(4, 1<<20)
	if !isClosed(q.Room()) {
		t.Error("no room in a new queue")
	}
	for q.Push([]byte("a")) == nil {
	}
	before := q.Room()
	if isClosed(before) {
		t.Error("room in a full queue")
	}
	_, _ = q.take(nil)
	q.noteWritten(1, 3)
	if isClosed(before) {
		t.Error("room announced with 3 of 4")
	}
	q.noteWritten(1, 3)
	if !isClosed(before) || !isClosed(q.Room()) {
		t.Error("room not announced with 2 of 4")
	}
	for q.Push([]byte("a")) == nil {
	}
	before = q.Room()
	q.Close(errTest)
	if !isClosed(before) || !isClosed(q.Room()) {
		t.Error("Close doesn't wake who waits for room")
	}
}

// TestQueueNoLostWakeup has many goroutines wait for room as the documentation says, at a queue that is nearly always full.
func TestQueueNoLostWakeup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pushers, each = 20, 200
		q := NewQueue(3, 50)
		for p := range pushers {
			go func() {
				for range each {
					frame := make([]byte, p) // some are over half of the bound
					for err := q.Push(frame); err != nil; err = q.Push(frame) {
						if err != ErrFull {
							t.Error(err)
						}
						<-q.Room()
					}
				}
			}()
		}
		total := 0
		q.drainBy(func() {
			for {
				segments, err := q.take(nil)
				if err != nil {
					t.Error(err)
				}
				if len(segments) == 0 {
					return
				}
				for _, s := range segments {
					total += s.messages
					q.noteWritten(s.messages, int64(len(s.data)))
				}
			}
		})
		synctest.Wait()
		if total != pushers*each {
			t.Errorf("%d messages went through, want %d", total, pushers*each)
		}
	})
}

func TestQueueClose(t *testing.T) {
	q := NewQueue(10, 1000)
	_ = q.Push([]byte("a"))
	q.Close(errTest)
	q.Close(errors.New("a second reason"))
	for what, err := range map[string]error{
		"Push":        q.Push([]byte("a")),
		"PushControl": q.PushControl([]byte("a")),
		"Flush":       q.Flush(t.Context()),
		"attach":      q.attach(new(Conn), nil),
	} {
		if !errors.Is(err, ErrQueueClosed) || !errors.Is(err, errTest) || !strings.Contains(err.Error(), errTest.Error()) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := q.take(nil); err != errTest {
		t.Errorf("take: %v", err)
	}
	if n, octets := q.Depth(); n != 0 || octets != 0 {
		t.Errorf("depth of a closed queue: got %d messages, %d bytes, want none", n, octets)
	}
	q.noteWritten(1, 3) // by a writer that was still running; must not count any more
	if n, _ := q.Depth(); n != 0 {
		t.Errorf("depth is %d", n)
	}
	q = NewQueue(1, 1)
	q.Close(nil)
	if err := q.Push(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed without a reason: %v", err)
	}
}

func TestQueueFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(10, 1000)
		if err := q.Flush(t.Context()); err != nil {
			t.Errorf("nothing to flush: %v", err)
		}
		_ = q.Push([]byte("a"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody writes: %v", err)
		}
		flushed := make(chan error, 2)
		go func() { flushed <- q.Flush(t.Context()) }()
		synctest.Wait()
		if err := q.attach(newConn(socket{script{}}, nil, q, Config{}), [][]byte{[]byte("first")}); err != nil {
			t.Fatal(err)
		}
		_ = q.Push([]byte("after"))
		if _, err := q.take(nil); err != nil {
			t.Fatal(err)
		}
		q.noteWritten(1, 7)
		synctest.Wait()
		if len(flushed) > 0 {
			t.Error("flushed when only the first message was written, which was not yet there")
		}
		q.noteWritten(1, 3)
		if err := <-flushed; err != nil {
			t.Error(err)
		}
		go func() { flushed <- q.Flush(t.Context()) }()
		synctest.Wait()
		q.Close(errTest)
		if err := <-flushed; !errors.Is(err, errTest) {
			t.Errorf("closed while flushing: %v", err)
		}
	})
}

func TestQueueAttach(t *testing.T) {
	q := NewQueue(1, 1)
	_ = q.Push([]byte("b"))
	if err := q.attach(new(Conn), [][]byte{[]byte("a"), nil}); err != nil { // over the bound, and still taken
		t.Fatal(err)
	}
	if err := q.attach(new(Conn), nil); err == nil {
		t.Error("two connections drain one queue")
	}
	if n, octets := q.Depth(); n != 2 || octets != 8 {
		t.Errorf("depth: got %d messages, %d bytes, want 2, 8", n, octets)
	}
	if got, want := string(drain(t, q)), string(message("a", ""))+string(message("b")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLargeFramesAreShared(t *testing.T) {
	frame := make([]byte, LargeFrame)
	q := NewQueue(10, 1<<20)
	_ = q.Push([]byte("header"), frame)
	frame[0] = 'x' // against the rules, but it shows that there is no copy
	if got := drain(t, q); got[2+6+9] != 'x' {
		t.Error("a large frame was copied")
	}
}

func TestPushAllocations(t *testing.T) {
	header, body := make([]byte, 6), make([]byte, 16)
	for name, frames := range map[string][][]byte{
		"small": {header, body}, "1 KiB": {header, make([]byte, 1024)}, "large": {header, make([]byte, LargeFrame)},
	} {
		q := NewQueue(1<<20, 1<<40)
		var spare []segment
		n := testing.AllocsPerRun(200, func() {
			for range 100 {
				if err := q.Push(frames...); err != nil {
					t.Fatal(err)
				}
			}
			spare = drainTo(t, q, spare, func([]byte) {})
		})
		t.Logf("%s: %.2f allocations for 100 messages", name, n)
		if n >= 1 && !raceEnabled { // the race detector makes sync.Pool forget
			t.Errorf("%s: %.1f allocations for 100 messages", name, n)
		}
	}
}

func ExampleQueue_Room() {
	q := NewQueue(2, 1<<20)
	q.drainBy(func() { // in real life the connection's writer
		for {
			all, err := q.take(nil)
			if err != nil || all == nil {
				return
			}
			for _, s := range all {
				q.noteWritten(s.messages, int64(len(s.data)))
			}
		}
	})
	for i := range 5 {
		err := q.Push([]byte{byte(i)})
		for err == ErrFull {
			<-q.Room()
			err = q.Push([]byte{byte(i)})
		}
	}
	fmt.Println(q.Flush(context.Background()))
	q.Close(nil)
	// Output: <nil>
}
