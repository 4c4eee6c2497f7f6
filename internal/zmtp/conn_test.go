package zmtp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, in := newMemListener(), newInbox()
		serve(t, NewRouter(Config{Identity: []byte("router"), Properties: map[string]string{"X-Side": "r"}}, in.accept), l)
		q := NewQueue(1000, 1<<20)
		for _, s := range []string{"waited 1", "waited 2"} {
			_ = q.Push([]byte(s))
		}
		mine := newRecorder(10)
		first := func(c *Conn) ([][]byte, error) {
			return [][]byte{[]byte("first"), []byte(c.LocalAddr().String()), c.Identity()}, nil
		}
		cfg := Config{Identity: []byte("dealer"), Properties: map[string]string{"X-Side": "d"}}
		c, err := Open(t.Context(), l.dial(), cfg, q, first, mine)
		if err != nil {
			t.Fatal(err)
		}
		theirs := <-in.conns
		_ = q.Push([]byte("later"))
		for _, want := range [][]string{{"first", "a", "router"}, {"waited 1"}, {"waited 2"}, {"later"}} {
			if got := strs(theirs.next(t)); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if string(theirs.conn.Identity()) != "dealer" || theirs.conn.Property("x-side") != "d" || c.Property("X-SIDE") != "r" ||
			theirs.conn.Property("Socket-Type") != "DEALER" || theirs.conn.RemoteAddr().String() != "a" || c.Err() != nil {
			t.Error("identity, properties, address or error is wrong")
		}
		_ = theirs.conn.Queue().Push([]byte("back"), nil)
		if got := strs(mine.next(t)); !slices.Equal(got, []string{"back", ""}) {
			t.Errorf("got %q", got)
		}
		if err := q.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		c.Close(errTest)
		c.Close(nil)
		<-c.Done()
		if err := mine.end(t); err != errTest || c.Err() != errTest {
			t.Errorf("closed with %v, %v", err, c.Err())
		}
		if err := theirs.end(t); err != io.EOF {
			t.Errorf("the peer saw %v", err)
		}
		if err := q.Push(nil); !errors.Is(err, ErrQueueClosed) || !errors.Is(err, errTest) {
			t.Errorf("the queue says %v", err)
		}
	})
}

func TestOpenFails(t *testing.T) {
	good := hello("ROUTER", "")
	for name, test := range map[string]struct {
		bytes []byte
		queue func(*Queue)
		cfg   Config
		want  string
	}{
		"handshake":         {bytes: good[:70], want: "not finished within"},
		"config":            {bytes: good, cfg: Config{Identity: make([]byte, 256)}, want: "an identity has at most 255"},
		"closed queue":      {bytes: good, queue: func(q *Queue) { q.Close(errTest) }, want: errTest.Error()},
		"queue in use":      {bytes: good, queue: func(q *Queue) { _ = q.attach(nil) }, want: "another connection"},
		"peer is no ROUTER": {bytes: hello("DEALER", ""), want: "socket type"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := memPair(64 << 10)
				theirs.Write(test.bytes)
				q := NewQueue(10, 10)
				if test.queue != nil {
					test.queue(q)
				}
				recv := newRecorder(0)
				c, err := Open(t.Context(), ours, test.cfg, q, nil, recv)
				if c != nil || err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				if _, err := io.ReadAll(theirs); err != nil {
					t.Errorf("not closed: %v", err)
				}
				if len(recv.closed) > 0 {
					t.Error("Closed was called")
				}
				if test.queue == nil {
					if err := q.Push(nil); err != nil {
						t.Errorf("the queue suffered: %v", err)
					}
				}
			})
		})
	}
}

// TestEnds has a DEALER connection end in each way.
func TestEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(c *Conn, peer *memConn)
		want error
	}{
		"peer closes":            {func(_ *Conn, peer *memConn) { peer.Close() }, io.EOF},
		"peer closes in a frame": {func(_ *Conn, peer *memConn) { peer.Write(message("abc")[:4]); peer.closeWrite() }, io.ErrUnexpectedEOF},
		"Close":                  {func(c *Conn, _ *memConn) { c.Close(nil) }, ErrClosed},
		"the queue is closed":    {func(c *Conn, _ *memConn) { c.Queue().Close(errTest) }, errTest},
		"write fails":            {func(c *Conn, peer *memConn) { peer.in.close(&peer.in.dropped); _ = c.Queue().Push(nil) }, io.ErrClosedPipe},
		"writev fails": {func(c *Conn, peer *memConn) {
			peer.in.close(&peer.in.dropped)
			_ = c.Queue().Push(nil, make([]byte, LargeFrame))
		}, io.ErrClosedPipe},
		"Receive fails":  {func(_ *Conn, peer *memConn) { peer.Write(message("fail")) }, errTest},
		"Receive closes": {func(_ *Conn, peer *memConn) { peer.Write(message("close")) }, errTest},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, peer := memPair(64 << 10)
				peer.Write(hello("ROUTER", ""))
				recv := &ender{recorder: newRecorder(0)}
				first := func(c *Conn) ([][]byte, error) { recv.conn = c; return nil, nil }
				c, err := Open(t.Context(), ours, Config{}, NewQueue(10, 1000), first, recv)
				if err != nil {
					t.Fatal(err)
				}
				test.end(c, peer)
				if err := recv.end(t); err != test.want || c.Err() != err {
					t.Errorf("got %v, want %v", err, test.want)
				}
				<-c.finished
			})
		})
	}
}

// ender is a Receiver that does what the message says.
type ender struct{ *recorder }

func (e *ender) Receive(frames [][]byte) error {
	if string(frames[0]) == "close" {
		e.conn.Close(errTest)
		return nil
	}
	return errTest
}

// TestBackpressure checks that a Receive that waits fills the sender's queue, and that nothing is lost.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newMemListener()
		theirs := newRecorder(0)
		serve(t, NewRouter(Config{}, func(*Conn) (Receiver, error) { return theirs, nil }), l)
		c, _ := dialMem(t, l, Config{})
		frame := make([]byte, 1000)
		sent := 0
		for err := error(nil); err == nil; synctest.Wait() {
			if err = c.Queue().Push(frame); err == nil {
				sent++
			}
			if sent > 5000 {
				t.Fatal("the queue never fills")
			}
		}
		for range sent {
			theirs.next(t)
		}
		<-c.Queue().Room()
		if n, octets := c.Queue().Depth(); n != 0 || octets != 0 {
			t.Errorf("depth is %d, %d", n, octets)
		}
		close(theirs.release)
	})
}

// TestPongFlood has a peer send PINGs and read nothing: memory stays bounded, and what it does send is delivered.
func TestPongFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, peer := memPair(1000)
		go peer.Write(hello("ROUTER", ""))
		recv := newRecorder(1)
		c, err := Open(t.Context(), ours, Config{}, NewQueue(10, 1000), nil, recv)
		if err != nil {
			t.Fatal(err)
		}
		for range 5000 {
			peer.Write(command("PING", "\x00\x00context"))
		}
		peer.Write(message("still here"))
		recv.next(t)
		if n, octets := c.Queue().Depth(); n > 2000 || octets > 100_000 {
			t.Errorf("%d PONGs of %d octets wait", n, octets)
		}
		c.Close(nil)
		recv.end(t)
		<-c.finished
	})
}

// TestRecordedSessions replays what libzmq's DEALERs sent to our Router, which must show the same messages as libzmq's
// ROUTER did and answer the same PONGs; and has our DEALER send the same messages as libzmq's.
func TestRecordedSessions(t *testing.T) {
	for _, s := range sessions(t) {
		stream := octets(t, s.Client)
		for _, step := range []int{1, 7, len(stream)} {
			t.Run(s.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { replay(t, s, stream, step) })
			})
		}
		if s.Sent != nil && s.Name == "null" {
			t.Run(s.Name+" sent", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { imitate(t, s, stream) })
			})
		}
	}
}

func replay(t *testing.T, s session, stream []byte, step int) {
	l, in := newMemListener(), newInbox()
	serve(t, NewRouter(Config{}, in.accept), l)
	nc := l.dial()
	said := readAll(nc)
	for part := range slices.Chunk(stream, step) {
		nc.Write(part)
		synctest.Wait()
	}
	recv := <-in.conns
	for _, want := range s.Received {
		got := [][]byte{recv.conn.Identity()}
		got = append(got, recv.next(t)...)
		for i, frame := range want {
			if !bytes.Equal(got[i], octets(t, frame)) {
				t.Errorf("frame %d is %x, want %s", i, got[i], frame)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d frames, want %d", len(got), len(want))
		}
	}
	nc.closeWrite()
	if err := recv.end(t); err != io.EOF {
		t.Errorf("closed with %v", err)
	}
	// libzmq's own PINGs aside, ours must say what libzmq said.
	want := bytes.ReplaceAll(octets(t, s.Server), command("PING", "\x00\x0a"), nil)
	got := <-said
	if !bytes.Equal(got[greetingSize:], want[greetingSize:]) {
		t.Errorf("answered\n%x, libzmq\n%x", got[greetingSize:], want[greetingSize:])
	}
}

func imitate(t *testing.T, s session, stream []byte) {
	ours, peer := memPair(64 << 10)
	said := readAll(peer)
	peer.Write(octets(t, s.Server))
	q := NewQueue(10, 1<<20)
	c, err := Open(t.Context(), ours, Config{Identity: octets(t, s.Identity)}, q, nil, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	for _, frames := range s.Sent {
		var m [][]byte
		for _, f := range frames {
			m = append(m, octets(t, f))
		}
		if err := q.Push(m...); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close(nil)
	if got := <-said; !bytes.Equal(got[greetingSize:], stream[greetingSize:]) {
		t.Errorf("sent\n%x, libzmq\n%x", got[greetingSize:], stream[greetingSize:])
	}
	<-c.finished
}

// TestTCP sends messages of all lengths both ways over real connections, concurrently.
func TestTCP(t *testing.T) {
	const peers, rounds = 4, 60
	in := newInbox()
	l := listen(t)
	serve(t, NewRouter(Config{}, in.accept), l)
	done := make(chan struct{})
	for p := range peers {
		go func() {
			defer func() { done <- struct{}{} }()
			c, mine := dialTCP(t, l, Config{Identity: []byte{1, byte(p)}})
			for i := range rounds {
				sent := [][]byte{{byte(i)}, bytes.Repeat([]byte{byte(i)}, 1<<(i%21)), nil}
				if err := push(c.Queue(), sent...); err != nil {
					t.Error(err)
				}
				back := mine.next(t)
				if len(back) != 3 || !bytes.Equal(back[0], sent[0]) || !bytes.Equal(back[1], sent[1]) || len(back[2]) > 0 {
					t.Errorf("round %d of peer %d came back changed", i, p)
				}
			}
		}()
	}
	for range peers {
		theirs := wait(t, in.conns, "a connection")
		go func() {
			for {
				select {
				case frames := <-theirs.messages:
					_ = push(theirs.conn.Queue(), frames...)
				case <-theirs.conn.Done():
					return
				}
			}
		}()
	}
	for range peers {
		wait(t, done, "a peer's end")
	}
}

// TestOrderUnderLoad sends many messages through a small queue.
func TestOrderUnderLoad(t *testing.T) {
	const messages = 100_000
	l := listen(t)
	got := &sequence{want: messages, done: make(chan struct{})}
	serve(t, NewRouter(Config{}, func(*Conn) (Receiver, error) { return got, nil }), l)
	c, _ := dialTCP(t, l, Config{})
	large := make([]byte, LargeFrame)
	for i := range messages {
		frames := [][]byte{{byte(i >> 16), byte(i >> 8), byte(i)}, []byte("body")}
		if i%500 == 0 {
			frames = append(frames, large)
		}
		if err := push(c.Queue(), frames...); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, got.done, "the last message")
	if got.bad != 0 {
		t.Errorf("%d messages out of order", got.bad)
	}
}

type sequence struct {
	nobody
	want, next, bad int
	done            chan struct{}
}

func (s *sequence) Receive(frames [][]byte) error {
	if n := int(frames[0][0])<<16 | int(frames[0][1])<<8 | int(frames[0][2]); n != s.next {
		s.bad++
	}
	if s.next++; s.next == s.want {
		close(s.done)
	}
	return nil
}

// push waits for room.
func push(q *Queue, frames ...[]byte) error {
	err := q.Push(frames...)
	for err == ErrFull {
		<-q.Room()
		err = q.Push(frames...)
	}
	return err
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dialTCP(t testing.TB, l net.Listener, cfg Config) (*Conn, *recorder) {
	t.Helper()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	recv := newRecorder(1000)
	c, err := Open(t.Context(), nc, cfg, NewQueue(1000, 1<<20), nil, recv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(nil); <-c.finished })
	return c, recv
}

// TestNoGoroutineLeft counts goroutines before and after some life over TCP.
func TestNoGoroutineLeft(t *testing.T) {
	before := goroutines()
	in := newInbox()
	l := listen(t)
	r := NewRouter(Config{}, in.accept)
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	var conns []*Conn
	for i := range 10 {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // says nothing
			defer nc.Close()
			continue
		}
		c, err := Open(t.Context(), nc, Config{Identity: []byte{byte(i % 4)}}, NewQueue(10, 1000), nil, nobody{})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Queue().Push([]byte("x"))
		conns = append(conns, c)
	}
	wait(t, in.conns, "a connection")
	_ = r.Close()
	<-served
	for _, c := range conns {
		c.Close(nil)
		<-c.finished
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		after := goroutines()
		if reflect.DeepEqual(after, before) || len(after) <= len(before) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, after:\n%s", len(before), strings.Join(after, "\n\n"))
		}
	}
}

// TestIdleMemory measures what an idle connection holds, heap and stacks: a new one, and one after a burst of traffic.
func TestIdleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector needs memory of its own")
	}
	const pairs = 200
	l := listen(t)
	got := &counter{want: 2000 * pairs, done: make(chan struct{})}
	serve(t, NewRouter(Config{}, func(*Conn) (Receiver, error) { return got, nil }), l)
	before := inUse()
	var conns []*Conn
	for range pairs {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := Open(t.Context(), nc, Config{}, NewQueue(1000, 1<<20), nil, nobody{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(nil); <-c.finished })
		conns = append(conns, c)
	}
	fresh := (inUse() - before) / (2 * pairs)
	for _, c := range conns {
		for range 2000 {
			if err := push(c.Queue(), []byte("header"), make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
	}
	wait(t, got.done, "the last message")
	var idle uint64
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); { // the large buffers have a second
		if idle = (inUse() - before) / (2 * pairs); idle < 12<<10 {
			break
		}
	}
	t.Logf("octets for a connection: fresh %d, idle after a burst %d", fresh, idle)
	if fresh > 12<<10 || idle > 12<<10 {
		t.Errorf("octets for a connection: fresh %d, idle after a burst %d; at most 12 KiB are right", fresh, idle)
	}
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
