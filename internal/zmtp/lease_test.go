package zmtp

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"testing"
)

// Every length that is pooled fits its class, wastes a quarter at most, and memory of a class goes back to it.
func TestClasses(t *testing.T) {
	t.Parallel()
	last := -1
	for n := LargeFrame; n <= largestPooled; n += 1 + rand.IntN(300) {
		class, size := classOf(n)
		again, same := classOf(size)
		switch {
		case class < 0 || class >= len(shelves), class < last, class > last+1:
			t.Fatalf("%d octets are of class %d, after %d", n, class, last)
		case size < n || size-n > n/4:
			t.Fatalf("%d octets get %d", n, size)
		case again != class || same != size:
			t.Fatalf("class %d of %d octets is %d of %d the second time", class, size, again, same)
		}
		last = class
	}
	if class, size := classOf(largestPooled); class != len(shelves)-1 || size != largestPooled {
		t.Errorf("the longest is of class %d, %d octets", class, size)
	}
}

// A lease copies what is large, and gives it back once who made it and all queues are done.
func TestLease(t *testing.T) {
	small, large, huge := []byte("small"), bytes.Repeat([]byte("l"), 20_000), bytes.Repeat([]byte("h"), largestPooled+1)
	l := NewLease([][]byte{small, large, huge, small})
	for i, want := range [][]byte{small, large, huge, small} {
		got := l.Frames()[i]
		if !bytes.Equal(got, want) || (&got[0] == &want[0]) != (len(want) < LargeFrame) {
			t.Errorf("frame %d: %d octets, the same memory: %t", i, len(got), &got[0] == &want[0])
		}
	}
	var written countingWriter
	for range 2 {
		q := NewQueue(10, 1<<30)
		for range 2 {
			if err := q.PushLeased(l, l.Frames()...); err != nil {
				t.Fatal(err)
			}
		}
		if got := l.holders.Load(); got < 3 { // one for each large frame
			t.Errorf("%d holders", got)
		}
		written.Reset()
		w := writer{nc: &written, queue: q}
		if err := w.run(); err != nil {
			t.Fatal(err)
		}
		if got := l.holders.Load(); got != 1 {
			t.Errorf("%d holders when all is written", got)
		}
		if got, want := written.Len(), 2*int(wireSize(l.Frames())); got != want {
			t.Errorf("%d octets written, want %d", got, want)
		}
	}
	l.Release()
	if len(l.frames) != 0 || len(l.copies) != 0 {
		t.Error("a lease that is over still has frames")
	}
}

// Recycled memory comes again, whole messages keep their content while others are recycled, and short frames are left alone.
func TestRecycle(t *testing.T) {
	router, dealer := recycled(t)
	for i := range 200 {
		n := LargeFrame + rand.IntN(100_000)
		frame := bytes.Repeat([]byte{byte(i)}, n)
		if err := dealer.Push([]byte("header"), frame); err != nil {
			t.Fatal(err)
		}
		got := <-router
		if len(got) != 2 || string(got[0]) != "header" || !bytes.Equal(got[1], frame) {
			t.Fatalf("message %d is spoiled", i)
		}
		if i%3 > 0 {
			Recycle(got)
			if got[0] == nil || got[1] != nil {
				t.Fatal("what was recycled is not known by its list")
			}
		}
	}
}

// recycled connects a queue to a channel of what arrives, over TCP.
func recycled(t *testing.T) (<-chan [][]byte, *Queue) {
	t.Helper()
	got := make(chan [][]byte)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return receiver(got), nil })
	go r.Serve(l)
	t.Cleanup(func() { r.Close() })
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	q := NewQueue(1000, 1<<30)
	if _, err := Open(context.Background(), nc, Config{}, q, nil, receiver(nil)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close(nil) })
	return got, q
}

type receiver chan [][]byte

func (r receiver) Receive(frames [][]byte) error {
	r <- frames
	return nil
}

func (receiver) Closed(error) {}

func BenchmarkLargeFrames(b *testing.B) {
	q := NewQueue(10, 1<<30)
	frame := make([]byte, 64<<10)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	var spare []segment
	for b.Loop() {
		l := NewLease([][]byte{frame})
		if err := q.PushLeased(l, l.Frames()...); err != nil {
			b.Fatal(err)
		}
		l.Release()
		all, _ := q.take(spare)
		q.wrote(1, wireSize([][]byte{frame}))
		recycle(all)
		spare = all
	}
}
