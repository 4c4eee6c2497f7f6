package zmtp

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
)

// TestInprocQueueOverSocket opens a connection over a socket with an inproc queue, as when a link turns out to be none.
func TestInprocQueueOverSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, peer := memPair(64 << 10)
		peer.Write(hello("ROUTER", ""))
		q := NewInprocQueue(1000, 1<<20)
		_ = q.Push([]byte("waited"))
		c, err := Open(t.Context(), ours, Config{}, q, nil, newRecorder(0))
		if err != nil {
			t.Fatal(err)
		}
		said := readAll(peer)
		want := message("waited")
		for n := range 100 {
			peer.Write(command("PING", "\x00\x00"))
			synctest.Wait()
			frame := strings.Repeat("x", n*n*n/10)
			_ = q.Push([]byte("header"), []byte(frame))
			want = append(append(want, command("PONG", "")...), message("header", frame)...)
		}
		if err := q.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if q.written != q.pushed {
			t.Errorf("%d of %d written after Flush", q.written, q.pushed)
		}
		c.Close(nil)
		<-c.finished
		if got := <-said; !bytes.HasSuffix(got, want) {
			t.Error("wrong octets")
		}
	})
}

// TestPages checks how much memory is taken at once, in quiet and in busy times.
func TestPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewInprocQueue(1<<20, 1<<30)
		room := func() int {
			_ = q.Push(make([]byte, 100))
			drain(t, q)
			return cap(q.batch.inproc.rest)
		}
		for _, want := range []int{410, 308, 206, 104, 2, busyData - 102} {
			if got := room(); got != want {
				t.Errorf("%d octets left, want %d", got, want)
			}
		}
		elapse(2 * busyTime)
		left := room()
		for room() < left { // to the end of that page
			left -= 102
		}
		if got := cap(q.batch.inproc.rest); got != idleData-102 {
			t.Errorf("%d octets left of a page in quiet times", got)
		}
	})
}

func TestLinkAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const messages = 10_000
	got := &counter{done: make(chan struct{})}
	r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return got, nil })
	defer r.Close()
	c, err := r.Link(Config{}, NewInprocQueue(1000, 1<<20), nil, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		frames [][]byte
		most   float64
	}{
		"small": {[][]byte{make([]byte, 6), make([]byte, 16)}, 0.1},
		"1 KiB": {[][]byte{make([]byte, 6), make([]byte, 1<<10)}, 0.3},
		"large": {[][]byte{make([]byte, 6), make([]byte, 64<<10)}, 2},
	} {
		n := testing.AllocsPerRun(5, func() {
			for range messages {
				if err := push(c.Queue(), test.frames...); err != nil {
					t.Fatal(err)
				}
			}
		}) / messages
		t.Logf("%s: %.3f allocations a message", name, n)
		if n > test.most {
			t.Errorf("%s: %.3f allocations a message, at most %v are right", name, n, test.most)
		}
	}
}

// TestLinkIdleMemory measures what an idle link holds on both sides, heap and stacks.
func TestLinkIdleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector needs memory of its own")
	}
	const links, burst = 200, 500
	got := &counter{want: links * burst, done: make(chan struct{})}
	r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return got, nil })
	defer r.Close()
	before := inUse()
	var conns []*Conn
	for range links {
		c, err := r.Link(Config{}, NewInprocQueue(1000, 1<<20), nil, nobody{})
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	fresh := (inUse() - before) / links
	for _, c := range conns {
		for range burst {
			if err := push(c.Queue(), []byte("header"), make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
	}
	wait(t, got.done, "the last message")
	idle := (inUse() - before) / links
	t.Logf("octets for a link: fresh %d, idle after a burst %d", fresh, idle)
	if fresh > 6<<10 || idle > 18<<10 {
		t.Errorf("octets for a link: fresh %d, idle after a burst %d; at most 6 and 18 KiB are right", fresh, idle)
	}
	for _, c := range conns {
		c.Close(nil)
	}
}
