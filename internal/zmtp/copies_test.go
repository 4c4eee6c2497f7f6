package zmtp

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestInprocQueueOverSocket opens a connection over a socket with an inproc queue, as when an inproc link is not possible after all.
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
		if messages, octets := q.Depth(); messages != 0 || octets != 0 {
			t.Errorf("%d messages and %d bytes wait after Flush", messages, octets)
		}
		c.Close(nil)
		<-c.finished
		if got := <-said; !bytes.HasSuffix(got, want) {
			t.Error("the bytes on the socket differ from the messages")
		}
	})
}

// TestCopies queues messages of few and many frames and takes them now and then: they come out as they went in.
func TestCopies(t *testing.T) {
	for name, counts := range map[string][]int{
		"one frame each":        slices.Repeat([]int{1}, 200),
		"few frames":            slices.Repeat([]int{2, 3, 1}, 100),
		"no room for the last":  {firstFrames - 1, 2, moreFrames - 1, 2},
		"exactly room":          {8, firstFrames - 8, moreFrames, moreFrames - 1, 1, 1},
		"more than a run marks": {1, moreFrames + 1, 1, 2 * moreFrames, moreFrames, moreFrames + 1},
	} {
		for _, every := range []int{1, 2, 7, len(counts)} { // messages
			t.Run(fmt.Sprintf("%s, %d at a time", name, every), func(t *testing.T) {
				var c copies
				var spare []run
				var want, got [][]string
				for i, count := range counts {
					frames := make([][]byte, count)
					for j := range frames {
						frames[j] = fmt.Append(nil, i, j)
					}
					c.add(frames, copied)
					want = append(want, strs(frames))
					if i%every < every-1 && i < len(counts)-1 {
						continue
					}
					spare = c.take(spare)
					for _, r := range spare {
						for len(r.frames) > 0 {
							frames := r.next()
							got = append(got, strs(frames))
							_ = append(frames, []byte("no neighbour's"))
						}
					}
				}
				if name == "exactly room" && every == len(counts) && len(spare) != 4 {
					t.Errorf("%d runs for what has room in 4", len(spare))
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got %.500q, want %.500q", fmt.Sprint(got), fmt.Sprint(want))
				}
			})
		}
	}
}

// TestInprocQueueCountsFrames queues empty frames: their overhead is bounded as octets are, and is given back.
func TestInprocQueueCountsFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const frames, most = 1000, 1 << 20
		q := NewInprocQueue(1_000_000, most)
		message, fit := make([][]byte, frames), 0
		for q.Push(message...) == nil {
			fit++
		}
		if want := most / (frames * (frameCost + shortHeader)); fit != want {
			t.Errorf("%d messages of %d frames fit, want %d", fit, frames, want)
		}
		theirs := newRecorder(1000)
		r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return theirs, nil })
		defer r.Close()
		if _, err := r.Link(Config{}, q, nil, nullReceiver{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if messages, octets := q.Depth(); messages != 0 || octets != 0 {
			t.Errorf("%d messages and %d bytes wait when all are delivered", messages, octets)
		}
	})
}

// TestCopiesMemory checks how much memory is taken at once, in quiet and in busy times.
func TestCopiesMemory(t *testing.T) {
	for _, test := range []struct {
		every time.Duration
		most  int // octets that are left, at some time
	}{{time.Second, 512 - 100}, {busyTime / firstFrames, 512 - 100}, {busyTime/firstFrames - 1, 2<<10 - 100}} {
		t.Run(test.every.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c copies
				most := 0
				for range 100 {
					c.add([][]byte{make([]byte, 100)}, copied)
					c.take(nil)
					octets, _ := c.cutter.Held()
					most = max(most, octets)
					elapse(test.every)
				}
				if most != test.most {
					t.Errorf("%d bytes were left at most, want %d", most, test.most)
				}
			})
		})
	}
}

func TestLinkAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const messages = 10_000
	got := &counter{done: make(chan struct{})}
	r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return got, nil })
	defer r.Close()
	c, err := r.Link(Config{}, NewInprocQueue(1000, 1<<20), nil, nullReceiver{})
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
		c, err := r.Link(Config{}, NewInprocQueue(1000, 1<<20), nil, nullReceiver{})
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
	t.Logf("bytes for a link: fresh %d, idle after a burst %d", fresh, idle)
	if fresh > 6<<10 || idle > 18<<10 {
		t.Errorf("bytes for a link: fresh %d, idle after a burst %d; at most 6 and 18 KiB are right", fresh, idle)
	}
	for _, c := range conns {
		c.Close(nil)
	}
}
