package zmtp

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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
			t.Errorf("message from the ROUTER: got %q, want back and an empty frame", got)
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
			t.Errorf("the peer's connection ended with %v, want EOF", err)
		}
		if err := q.Push(nil); !errors.Is(err, ErrQueueClosed) || !errors.Is(err, errTest) {
			t.Errorf("Push after Close: got %v, want the reason", err)
		}
	})
}

func TestOpenFails(t *testing.T) {
	good := hello("ROUTER", "")
	for name, test := range map[string]struct {
		bytes []byte
		queue func(*Queue)
		first func(*Conn) ([][]byte, error)
		cfg   Config
		want  string
	}{
		"handshake":         {bytes: good[:70], want: "not finished within"},
		"config":            {bytes: good, cfg: Config{Identity: make([]byte, 256)}, want: "an identity has at most 255"},
		"closed queue":      {bytes: good, queue: func(q *Queue) { q.Close(errTest) }, want: errTest.Error()},
		"first says no":     {bytes: good, first: func(*Conn) ([][]byte, error) { return nil, errTest }, want: errTest.Error()},
		"queue in use":      {bytes: good, queue: func(q *Queue) { _ = q.attach(new(Conn), nil) }, want: "another connection"},
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
				c, err := Open(t.Context(), ours, test.cfg, q, test.first, recv)
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

// TestEnds ends a DEALER connection in each way.
func TestEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(c *Conn, peer *memConn)
		want error
	}{
		"peer closes":            {func(_ *Conn, peer *memConn) { peer.Close() }, io.EOF},
		"peer closes in a frame": {func(_ *Conn, peer *memConn) { peer.Write(message("abc")[:4]); peer.closeWrite() }, io.ErrUnexpectedEOF},
		"Close":                  {func(c *Conn, _ *memConn) { c.Close(nil) }, ErrClosed},
		"the queue is closed":    {func(c *Conn, _ *memConn) { c.Queue().Close(errTest) }, errTest},
		"the queue is closed during a write": {func(c *Conn, _ *memConn) {
			_ = c.Queue().Push(make([]byte, 100<<10)) // more than the connection holds
			synctest.Wait()
			c.Queue().Close(errTest)
		}, errTest},
		"write fails": {func(c *Conn, peer *memConn) { peer.in.close(&peer.in.dropped); _ = c.Queue().Push(nil) }, io.ErrClosedPipe},
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
		synctest.Wait() // the writer has noted what it wrote last
		if n, octets := c.Queue().Depth(); n != 0 || octets != 0 {
			t.Errorf("depth when all was received: got %d messages, %d bytes, want none", n, octets)
		}
		close(theirs.release)
	})
}

// TestPongFlood has a peer send PINGs and read nothing: memory stays bounded, and the messages that it sends are delivered.
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
			t.Errorf("%d PONGs of %d bytes wait", n, octets)
		}
		c.Close(nil)
		recv.end(t)
		<-c.finished
	})
}
