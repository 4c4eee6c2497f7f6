package zmtp

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// linkTo makes an inproc link to a Router and closes it when the test ends.
func linkTo(t testing.TB, r *Router, cfg Config) (*Conn, *recorder) {
	t.Helper()
	recv := newRecorder(1000)
	c, err := r.Link(cfg, NewInprocQueue(1000, 1<<20), nil, recv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(nil); <-c.finished })
	return c, recv
}

func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox()
		r := NewRouter(Config{Identity: []byte("router"), Properties: map[string]string{"X-Side": "r"}}, in.accept)
		defer r.Close()
		q, mine := NewInprocQueue(1000, 1<<20), newRecorder(10)
		for _, s := range []string{"waited 1", "waited 2"} {
			_ = q.Push([]byte(s))
		}
		first := func(c *Conn) ([][]byte, error) {
			return [][]byte{[]byte("first"), []byte(c.LocalAddr().String()), c.Identity()}, nil
		}
		c, err := r.Link(Config{Identity: []byte("dealer"), Properties: map[string]string{"X-Side": "d"}}, q, first, mine)
		if err != nil {
			t.Fatal(err)
		}
		theirs := <-in.conns
		_ = q.Push([]byte("later"))
		for _, want := range [][]string{{"first", "inproc://6465616c6572", "router"}, {"waited 1"}, {"waited 2"}, {"later"}} {
			if got := strs(theirs.next(t)); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		for what, got := range map[string][2]string{
			"ROUTER's identity":   {string(c.Identity()), "router"},
			"ROUTER's property":   {c.Property("x-SIDE"), "r"},
			"ROUTER's type":       {c.Property("Socket-Type"), "ROUTER"},
			"ROUTER's address":    {c.RemoteAddr().String(), "inproc://726f75746572"},
			"DEALER's identity":   {string(theirs.conn.Identity()), "dealer"},
			"DEALER's property":   {theirs.conn.Property("x-side"), "d"},
			"DEALER's type":       {theirs.conn.Property("socket-type"), "DEALER"},
			"DEALER's address":    {theirs.conn.RemoteAddr().String(), "inproc://6465616c6572"},
			"the address, beyond": {theirs.conn.LocalAddr().String(), c.RemoteAddr().String()},
			"network":             {c.LocalAddr().Network(), "inproc"},
		} {
			if got[0] != got[1] {
				t.Errorf("%s is %q, want %q", what, got[0], got[1])
			}
		}
		_ = theirs.conn.Queue().Push([]byte("back"), nil)
		if got := strs(mine.next(t)); !slices.Equal(got, []string{"back", ""}) {
			t.Errorf("message from the ROUTER: got %q, want back and an empty frame", got)
		}
		if n, octets := q.Depth(); n != 0 || octets != 0 || c.Err() != nil || theirs.conn.Err() != nil {
			t.Errorf("depth %d, %d, errors %v, %v", n, octets, c.Err(), theirs.conn.Err())
		}
		c.Close(errTest)
		if err := mine.end(t); err != errTest || c.Err() != errTest {
			t.Errorf("closed with %v, %v", err, c.Err())
		}
		if err := theirs.end(t); err != io.EOF {
			t.Errorf("the peer's connection ended with %v, want EOF", err)
		}
	})
}

func TestLinkFails(t *testing.T) {
	long := make([]byte, 256)
	for name, test := range map[string]struct {
		router, cfg Config
		queue       func(*Queue)
		first       error
		closed      bool
		want        string
	}{
		"config":          {cfg: Config{Identity: long}, want: "an identity has at most 255"},
		"Router's config": {router: Config{Identity: long}, want: "an identity has at most 255"},
		"closed queue":    {queue: func(q *Queue) { q.Close(errTest) }, want: errTest.Error()},
		"first says no":   {first: errTest, want: errTest.Error()},
		"queue in use":    {queue: func(q *Queue) { _ = q.attach(new(Conn), nil) }, want: "another connection"},
		"socket's queue":  {queue: func(q *Queue) { q.inproc = false }, want: "NewInprocQueue"},
		"closed Router":   {closed: true, want: ErrClosed.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInbox()
				r := NewRouter(test.router, in.accept)
				defer r.Close()
				if test.closed {
					r.Close()
				}
				q, recv := NewInprocQueue(10, 10), newRecorder(0)
				if test.queue != nil {
					test.queue(q)
				}
				c, err := r.Link(test.cfg, q, func(*Conn) ([][]byte, error) { return nil, test.first }, recv)
				if c != nil || err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				synctest.Wait()
				if len(recv.closed)+len(in.conns) > 0 {
					t.Error("a Receiver was called")
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

// TestLinkEnds ends a link in each way.
func TestLinkEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end          func(r *Router, mine, theirs *ender)
		mine, theirs error
	}{
		"DEALER closes":          {func(_ *Router, mine, _ *ender) { mine.conn.Close(errTest) }, errTest, io.EOF},
		"DEALER's queue closes":  {func(_ *Router, mine, _ *ender) { mine.conn.Queue().Close(errTest) }, errTest, io.EOF},
		"DEALER's Receive fails": {func(_ *Router, _, theirs *ender) { _ = theirs.conn.Queue().Push(nil) }, errTest, io.EOF},
		"DEALER's Receive closes": {func(_ *Router, _, theirs *ender) {
			_ = theirs.conn.Queue().Push([]byte("close"))
		}, errTest, io.EOF},
		"ROUTER closes":           {func(_ *Router, _, theirs *ender) { theirs.conn.Close(errTest) }, io.EOF, errTest},
		"ROUTER's queue closes":   {func(_ *Router, _, theirs *ender) { theirs.conn.Queue().Close(errTest) }, io.EOF, errTest},
		"ROUTER's Receive fails":  {func(_ *Router, mine, _ *ender) { _ = mine.conn.Queue().Push(nil) }, io.EOF, errTest},
		"ROUTER's Receive closes": {func(_ *Router, mine, _ *ender) { _ = mine.conn.Queue().Push([]byte("close")) }, io.EOF, errTest},
		"Router.Close":            {func(r *Router, _, _ *ender) { r.Close() }, io.EOF, ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mine, theirs := &ender{newRecorder(0)}, &ender{newRecorder(0)}
				r := NewRouter(Config{}, func(c *Conn) (Receiver, error) { theirs.conn = c; return theirs, nil })
				defer r.Close()
				first := func(c *Conn) ([][]byte, error) { mine.conn = c; return nil, nil }
				c, err := r.Link(Config{}, NewInprocQueue(10, 1000), first, mine)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				test.end(r, mine, theirs)
				if err := mine.end(t); err != test.mine || c.Err() != err {
					t.Errorf("the DEALER got %v, want %v", err, test.mine)
				}
				if err := theirs.end(t); err != test.theirs || theirs.conn.Err() != err {
					t.Errorf("the ROUTER got %v, want %v", err, test.theirs)
				}
				<-c.finished
				for _, q := range []*Queue{c.Queue(), theirs.conn.Queue()} {
					if err := q.Push(nil); !errors.Is(err, ErrQueueClosed) {
						t.Errorf("a queue says %v", err)
					}
					if err := q.Flush(t.Context()); q.pushed > 0 && q.written < q.pushed && !errors.Is(err, ErrQueueClosed) {
						t.Errorf("Flush says %v", err)
					}
					if q.hasPending() {
						t.Error("a queue holds messages that nobody will take")
					}
				}
			})
		})
	}
}

// TestLinkRefused has the Router refuse a link.
func TestLinkRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRouter(Config{Limits: Limits{Connections: 1}}, func(c *Conn) (Receiver, error) {
			if string(c.Identity()) == "no" {
				return nil, errTest
			}
			return nullReceiver{}, nil
		})
		defer r.Close()
		_, mine := linkTo(t, r, Config{Identity: []byte("no")})
		if err := mine.end(t); err != io.EOF {
			t.Errorf("refused by accept: %v", err)
		}
		synctest.Wait()
		good, _ := linkTo(t, r, Config{Identity: []byte("yes")})
		synctest.Wait()
		_, mine = linkTo(t, r, Config{Identity: []byte("more")})
		if err := mine.end(t); err != io.EOF {
			t.Errorf("too many: %v", err)
		}
		synctest.Wait()
		if good.Err() != nil || len(r.conns) != 1 {
			t.Errorf("%d connections, the good one says %v", len(r.conns), good.Err())
		}
	})
}

// TestLinkLimits sends more than the other side accepts, whose limits may differ from this side's.
func TestLinkLimits(t *testing.T) {
	tight := Config{Limits: Limits{FrameSize: 100, MessageSize: 150, Frames: 3}}
	for name, test := range map[string]struct {
		frames [][]byte
		bad    string
	}{
		"at the limits":   {frames: [][]byte{make([]byte, 100), make([]byte, 50), nil}},
		"frame":           {frames: [][]byte{make([]byte, 101)}, bad: "frame of 101 bytes"},
		"large frame":     {frames: [][]byte{make([]byte, LargeFrame)}, bad: "frame of 16384 bytes"},
		"message":         {frames: [][]byte{make([]byte, 100), make([]byte, 51)}, bad: "message of more than 150 bytes"},
		"too many frames": {frames: make([][]byte, 4), bad: "message of more than 3 frames"},
	} {
		for _, toRouter := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, to the ROUTER %t", name, toRouter), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					in := newInbox()
					theirs, ours := Config{}, tight
					if toRouter {
						theirs, ours = tight, Config{}
					}
					r := NewRouter(theirs, in.accept)
					defer r.Close()
					c, mine := linkTo(t, r, ours)
					peer := <-in.conns
					from, to, sender := c, peer, mine
					if !toRouter {
						from, to, sender = peer.conn, mine, peer
					}
					_ = from.Queue().Push(test.frames...)
					if test.bad == "" {
						to.next(t)
						return
					}
					_ = from.Queue().Push(nil)
					broken, ok := errors.AsType[*ProtocolError](to.end(t))
					if !ok || !strings.Contains(broken.Reason, test.bad) {
						t.Errorf("got %v, want %q", broken, test.bad)
					}
					if err := sender.end(t); err != io.EOF {
						t.Errorf("the sender saw %v", err)
					}
					if len(to.messages) > 0 {
						t.Error("a message was delivered")
					}
				})
			})
		}
	}
}

// TestLinkHandover has one identity connect by inproc and by socket, each while an older connection waits in Receive.
func TestLinkHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d eventLog
		l, waiters := newMemListener(), make(chan *waiter, 10)
		r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
			d.log("accepted " + c.Property("X-Nr"))
			w := &waiter{log: d.log, conn: c, waiting: make(chan struct{})}
			waiters <- w
			return w, nil
		})
		serve(t, r, l)
		begin := time.Now()
		var want []string
		for i, transport := range []string{"inproc", "inproc", "socket", "socket", "inproc"} {
			cfg := Config{Identity: []byte("me"), Properties: map[string]string{"X-Nr": fmt.Sprint(i)}}
			var c *Conn
			var recv *recorder
			if transport == "inproc" {
				c, recv = linkTo(t, r, cfg)
			} else {
				c, recv = dialMem(t, l, cfg)
			}
			w := <-waiters
			_ = c.Queue().Push([]byte("x"))
			<-w.waiting
			_ = c.Queue().Push([]byte("not delivered"))
			if i > 0 {
				want = append(want, fmt.Sprintf("closed %d: %v", i-1, ErrReplaced))
			}
			want = append(want, fmt.Sprint("accepted ", i))
			t.Cleanup(func() {
				if err := recv.end(t); err != io.EOF && (transport == "inproc" || err != io.ErrClosedPipe) { // its writer was quicker
					t.Errorf("%d ended with %v", i, err)
				}
				if c.Queue().hasPending() {
					t.Errorf("%d holds messages that nobody will take", i)
				}
			})
		}
		synctest.Wait()
		d.check(t, want...)
		if took := time.Since(begin); took != 0 {
			t.Errorf("handover took %v", took)
		}
		r.Close()
	})
}

// TestLinkRouterClose checks that Close waits for links, and that a late link is refused.
func TestLinkRouterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d eventLog
		waiting, stuck := make(chan struct{}), make(chan struct{})
		r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
			return &waiter{log: d.log, conn: c, waiting: waiting, stuck: stuck}, nil
		})
		c, mine := linkTo(t, r, Config{})
		_ = c.Queue().Push(nil)
		<-waiting
		closed := make(chan error, 1)
		go func() { closed <- r.Close() }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("Close did not wait for Closed")
		}
		if err := mine.end(t); err != io.EOF {
			t.Errorf("the DEALER saw %v", err)
		}
		if _, err := r.Link(Config{}, NewInprocQueue(1, 1), nil, nullReceiver{}); err != ErrClosed {
			t.Errorf("a link to a closed Router: %v", err)
		}
		close(stuck)
		<-closed
		d.check(t, "closed : "+ErrClosed.Error())
	})
}

func TestLinkLeavesNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if one is left
		r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
			if string(c.Identity()) == "c" {
				return nil, errTest
			}
			return nullReceiver{}, nil
		})
		for i := range 20 {
			c, err := r.Link(Config{Identity: []byte{'a' + byte(i%4)}}, NewInprocQueue(10, 1000), nil, nullReceiver{})
			if err != nil {
				t.Fatal(err)
			}
			_ = c.Queue().Push([]byte("x"))
			if i%3 == 0 {
				c.Close(nil)
			}
		}
		r.Close()
		if len(r.conns)+len(r.active)+len(r.successors) != 0 {
			t.Error("the Router still knows a link")
		}
	})
}
