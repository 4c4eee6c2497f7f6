package zmtp

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// write makes a writer drain a queue; the channel gets the reason for its end.
func write(q *Queue, nc net.Conn) (ended chan error) {
	ended = make(chan error, 1)
	w := &writer{nc: nc, queue: q}
	q.drainBy(func() {
		if err := w.run(); err != nil {
			ended <- err
		}
	})
	return ended
}

// TestWriterAllocations runs a writer all the way to its connection. It allocates for the lists of a long batch, and for Flush; the 30
// chunks are reused.
func TestWriterAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	const messages = 20_000
	header, body := make([]byte, 6), make([]byte, 16)
	q := NewQueue(1<<20, 1<<40)
	ended := write(q, script{})
	n := testing.AllocsPerRun(50, func() {
		for range messages {
			if err := q.Push(header, body); err != nil {
				t.Fatal(err)
			}
		}
		_ = q.Flush(t.Context())
	})
	q.Close(nil)
	<-ended
	t.Logf("%.0f allocations for %d messages", n, messages)
	if n > 25 {
		t.Errorf("%.0f allocations for %d messages", n, messages)
	}
}

// TestRoomWhileWriting checks that a long batch makes room step by step, not only at its end.
func TestRoomWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := memPair(writeOctets * 3 / 2)
		q := NewQueue(1000, 1<<30)
		for range 75 {
			_ = q.Push(make([]byte, 4*LargeFrame))
		}
		_, before := q.Depth()
		ended := write(q, ours)
		synctest.Wait()
		if _, now := q.Depth(); now > before-writeOctets || now < before-2*writeOctets {
			t.Errorf("%d of %d bytes wait", now, before)
		}
		got := readAll(theirs)
		if err := q.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		q.Close(errTest)
		if err := <-ended; err != errTest {
			t.Errorf("ended with %v", err)
		}
		ours.Close()
		if b := <-got; int64(len(b)) != before {
			t.Errorf("%d bytes arrived, want %d", len(b), before)
		}
	})
}

// TestFewWrites checks that what waits goes out with few calls.
func TestFewWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out countingWriter
		q := NewQueue(1<<20, 1<<30)
		var want []byte
		for range 10_000 {
			_ = q.Push([]byte("header"), []byte("body"))
			want = append(want, message("header", "body")...)
		}
		write(q, &out)
		_ = q.Flush(t.Context())
		q.Close(nil)
		if most := len(want)/chunkSize + len(want)/takeOctets + 1; out.calls > most {
			t.Errorf("%d writes for 10,000 small messages, want %d", out.calls, most)
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Error("the bytes written differ from the messages")
		}
	})
}

// countingWriter stands for a connection without writev, where each buffer is a call.
type countingWriter struct {
	net.Conn
	bytes.Buffer
	calls int
}

func (c *countingWriter) Read(p []byte) (int, error)     { return c.Buffer.Read(p) }
func (c *countingWriter) Write(p []byte) (int, error)    { c.calls++; return c.Buffer.Write(p) }
func (*countingWriter) SetWriteDeadline(time.Time) error { return nil }

// TestSlowReaderIsSeen reads a little at a time: nothing is lost or repeated, and there is visible progress within each second.
func TestSlowReaderIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := memPair(64 << 10)
		q := NewQueue(100_000, 1<<30)
		var want []byte
		for i := range 300 {
			body := bytes.Repeat([]byte{byte(i)}, []int{10, 3_000, 2 * LargeFrame}[i%3])
			_ = q.Push([]byte("header"), body)
			want = append(want, message("header", string(body))...)
		}
		ended := write(q, ours)
		var got []byte
		b := make([]byte, 20_000)
		_, before := q.Depth()
		for reads := 1; len(got) < len(want); reads++ {
			elapse(time.Second)
			n, err := theirs.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b[:n]...)
			synctest.Wait()
			if reads%5 == 0 {
				_, now := q.Depth()
				if now > 0 && now >= before {
					t.Fatalf("no progress after %d bytes", len(got))
				}
				before = now
			}
		}
		if !bytes.Equal(got, want) {
			t.Error("the bytes read differ from the messages")
		}
		q.Close(errTest)
		<-ended
	})
}

// TestClosedComesLast has a Write that goes on for a while after Close.
func TestClosedComesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, peer := memPair(64 << 10)
		peer.Write(hello("ROUTER", ""))
		nc := &lateWriter{Conn: ours}
		recv := newRecorder(0)
		c, err := Open(t.Context(), nc, Config{}, NewQueue(10, 1000), func(*Conn) ([][]byte, error) {
			nc.late = make(chan struct{})
			return [][]byte{[]byte("first")}, nil
		}, recv)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.Close(errTest)
		synctest.Wait()
		if len(recv.closed) > 0 {
			t.Error("Closed was called while the writer was at it")
		}
		close(nc.late)
		if err := recv.end(t); err != errTest {
			t.Errorf("the connection ended with %v, want the error of Close", err)
		}
		<-c.finished
	})
}

type lateWriter struct {
	net.Conn
	late chan struct{}
}

func (c *lateWriter) Write(p []byte) (int, error) {
	if c.late == nil {
		return c.Conn.Write(p)
	}
	<-c.late
	return 0, io.ErrClosedPipe
}
