package zmtp

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A contest is a Router whose Rival asks the test.
type contest struct {
	*Router
	eventLog
	t       *testing.T
	l       *memListener
	inproc  bool
	waiters chan *waiter
	calls   chan *rivalry
	second  *Conn // of the Router
}

// A rivalry is a call of Rival that waits for its answer.
type rivalry struct {
	older, newer *Conn
	answer       chan bool
}

func newContest(t *testing.T, limits Limits, inproc bool) *contest {
	c := &contest{t: t, l: newMemListener(), inproc: inproc, waiters: make(chan *waiter, 10), calls: make(chan *rivalry, 10)}
	c.Router = NewRouter(Config{Limits: limits}, func(conn *Conn) (Receiver, error) {
		c.log("accepted " + conn.Property("X-Nr"))
		w := &waiter{log: c.log, conn: conn, waiting: make(chan struct{})}
		c.waiters <- w
		return w, nil
	})
	c.Rival = func(older, newer *Conn) bool {
		if c.second == nil {
			c.second = newer
		}
		call := &rivalry{older, newer, make(chan bool)}
		c.calls <- call
		select {
		case answer := <-call.answer:
			return answer
		case <-older.Done():
		case <-newer.Done():
		}
		return true
	}
	serve(t, c.Router, c.l)
	return c
}

// connect makes the peer connect once more.
func (c *contest) connect(nr string) (*Conn, *recorder) {
	c.t.Helper()
	cfg := Config{Identity: []byte("me"), Properties: map[string]string{"X-Nr": nr}}
	if c.inproc {
		return linkTo(c.t, c.Router, cfg)
	}
	return dialMem(c.t, c.l, cfg)
}

// call returns the next call of Rival, which must be about these connections.
func (c *contest) call(older, newer string) *rivalry {
	c.t.Helper()
	call := wait(c.t, c.calls, "a call of Rival")
	if o, n := call.older.Property("X-Nr"), call.newer.Property("X-Nr"); o != older || n != newer {
		c.t.Fatalf("asked about %s and %s, not %s and %s", o, n, older, newer)
	}
	return call
}

// TestRival connects again with an identity in use.
func TestRival(t *testing.T) {
	replaced, closed := ErrReplaced.Error(), ErrClosed.Error()
	for name, test := range map[string]struct {
		do     func(c *contest, first *Conn)
		second error // why the Router closed it; nil if it didn't
		want   []string
	}{
		"takes over": {
			func(c *contest, _ *Conn) { c.call("1", "2").answer <- true },
			nil, []string{"accepted 1", "closed 1: " + replaced, "accepted 2"},
		},
		"refused": {
			func(c *contest, _ *Conn) { c.call("1", "2").answer <- false },
			ErrIdentityInUse, []string{"accepted 1"},
		},
		"the older ends meanwhile": {
			func(c *contest, first *Conn) { c.call("1", "2"); first.Close(nil) },
			nil, []string{"accepted 1", "closed 1: EOF", "accepted 2"},
		},
		"the newer ends meanwhile": {
			func(c *contest, _ *Conn) { c.call("1", "2").newer.Close(errTest) },
			errTest, []string{"accepted 1"},
		},
		"a third takes over": {
			func(c *contest, _ *Conn) {
				c.call("1", "2")
				c.connect("3")
				c.call("1", "3").answer <- true
			},
			ErrReplaced, []string{"accepted 1", "closed 1: " + replaced, "accepted 3"},
		},
		"a third is refused": {
			func(c *contest, _ *Conn) {
				c.call("1", "2")
				_, recv := c.connect("3")
				third := c.call("1", "3")
				third.answer <- false
				if err := recv.end(c.t); err != io.EOF || third.newer.Err() != ErrIdentityInUse {
					c.t.Errorf("the third ended with %v, by the Router with %v", err, third.newer.Err())
				}
			},
			ErrReplaced, []string{"accepted 1"},
		},
		"the Router closes": {
			func(c *contest, _ *Conn) { c.call("1", "2"); c.Close() },
			ErrClosed, []string{"accepted 1", "closed 1: " + closed},
		},
	} {
		for _, inproc := range []bool{false, true} {
			t.Run(map[bool]string{false: "socket/", true: "inproc/"}[inproc]+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newContest(t, Limits{}, inproc)
					begin := time.Now()
					first, _ := c.connect("1")
					one := <-c.waiters
					_, recv := c.connect("2")
					synctest.Wait()
					if len(c.calls) != 1 || one.conn.Err() != nil {
						t.Fatalf("%d calls of Rival, the older connection says %v", len(c.calls), one.conn.Err())
					}
					if want := map[bool]int{false: 1, true: 0}[inproc]; c.pendingHandshakes() != want {
						t.Errorf("%d handshakes are pending, want %d", c.pendingHandshakes(), want)
					}
					test.do(c, first)
					synctest.Wait()
					c.check(t, test.want...)
					if len(c.calls) > 0 || c.pendingHandshakes() > 0 || time.Since(begin) > 0 {
						t.Errorf("%d more calls, %d handshakes pending, after %v", len(c.calls), c.pendingHandshakes(), time.Since(begin))
					}
					if err := c.second.Err(); err != test.second || (err != nil) != (len(recv.closed) > 0) {
						t.Errorf("the Router closed the second with %v, want %v; %d ends at the peer", err, test.second, len(recv.closed))
					}
				})
			})
		}
	}
}

// TestRivalGivesWay gives the place of a connection that waits for Rival to a handshake of another address.
func TestRivalGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newContest(t, Limits{PendingHandshakes: 2}, false)
		c.connect("1")
		one := <-c.waiters
		from := func(s string) *memConn { return c.l.dialFrom(net.TCPAddrFromAddrPort(mustAddrPort(s))) }
		newer := from("192.0.2.1:1")
		newer.Write(hello("DEALER", "me"))
		call := c.call("1", "")
		second := from("192.0.2.1:2")
		other := from("192.0.2.2:1")
		<-call.newer.finished
		if err := call.newer.Err(); err != errGaveWay || !errors.Is(err, net.ErrClosed) || one.conn.Err() != nil {
			t.Errorf("closed with %v, the older one with %v", err, one.conn.Err())
		}
		if _, err := io.ReadAll(newer); err != nil {
			t.Errorf("the newer connection is open: %v", err)
		}
		for _, nc := range []*memConn{newer, second, other} {
			nc.Close()
		}
	})
}

// Rival is not asked about a connection that is closing already: the newer one waits for its end, as always.
func TestRivalOfAClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newContest(t, Limits{}, false)
		first, _ := c.connect("1")
		one := <-c.waiters
		one.stuck = make(chan struct{})
		_ = first.Queue().Push(nil)
		<-one.waiting
		one.conn.Close(errTest)
		_, recv := c.connect("2")
		elapse(time.Second)
		close(one.stuck)
		synctest.Wait()
		c.check(t, "accepted 1", "closed 1: "+errTest.Error(), "accepted 2")
		if len(c.calls)+len(recv.closed) > 0 {
			t.Errorf("%d calls of Rival, %d ends of the newer connection", len(c.calls), len(recv.closed))
		}
	})
}
