package zmtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// TestHostileBesideGood lets every attack happen at once to one Router, which serves a good peer all the while.
func TestHostileBesideGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, in := newMemListener(), newInbox()
		r := NewRouter(Config{}, in.accept)
		serve(t, r, l)
		_, _ = dialMem(t, l, Config{Identity: []byte("good")})
		good := <-in.conns
		var attackers []*memConn
		for name, attack := range attacks("DEALER") {
			nc := l.dial()
			nc.Write(attack.bytes)
			if name == "empty command" {
				nc.closeWrite()
			}
			attackers = append(attackers, nc)
		}
		c, _ := dialMem(t, l, Config{Identity: []byte("also good")})
		also := <-in.conns
		if err := c.Queue().Push([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got := strs(also.next(t)); !slices.Equal(got, []string{"hello"}) {
			t.Errorf("got %q", got)
		}
		begin := time.Now()
		for _, nc := range attackers {
			_, _ = io.ReadAll(nc) // until the Router closes it
			nc.Close()
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the last attacker was closed after %v", took)
		}
		if len(in.conns) > 0 || good.conn.Err() != nil || also.conn.Err() != nil {
			t.Error("an attacker was accepted, or a good peer closed")
		}
	})
}

// TestHostileTraffic has peers break the protocol after the handshake.
func TestHostileTraffic(t *testing.T) {
	for name, attack := range map[string][]byte{
		"frame of 2^40":     {2, 0, 0, 1, 0, 0, 0, 0, 0},
		"frame of 2^63-1":   {2, 0x7f, 255, 255, 255, 255, 255, 255, 255},
		"endless frames":    bytes.Repeat([]byte{1, 0}, 2000),
		"reserved flags":    {0xf8, 0},
		"command with MORE": {5, 0},
		"empty command":     {4, 0},
		"PING without TTL":  command("PING", ""),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, in := newMemListener(), newInbox()
				r := NewRouter(Config{}, in.accept)
				serve(t, r, l)
				_, _ = dialMem(t, l, Config{})
				good := <-in.conns
				nc := l.dial()
				nc.Write(hello("DEALER", "bad"))
				bad := <-in.conns
				nc.Write(message("fine", "message"))
				bad.next(t)
				spent := allocated(func() {
					nc.Write(attack)
					if _, ok := errors.AsType[*ProtocolError](bad.end(t)); !ok {
						t.Errorf("closed with %v", bad.conn.Err())
					}
				})
				if spent > 128<<10 {
					t.Errorf("took %d octets of memory", spent)
				}
				if _, err := io.ReadAll(nc); err != nil {
					t.Errorf("the attacker's connection is open: %v", err)
				}
				if good.conn.Err() != nil {
					t.Error("a good peer was closed")
				}
			})
		})
	}
}

// waiter is a Receiver that waits in Receive, as for an application that reads nothing.
type waiter struct {
	log     func(string)
	conn    *Conn
	waiting chan struct{}
	stuck   chan struct{} // if not nil, Receive heeds this instead of Done
}

func (w *waiter) Receive([][]byte) error {
	close(w.waiting)
	if w.stuck != nil {
		<-w.stuck
	} else {
		<-w.conn.Done()
	}
	return errTest
}

func (w *waiter) Closed(err error) { w.log(fmt.Sprintf("closed %s: %v", w.conn.Property("X-Nr"), err)) }

// diary notes what happens, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) log(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) check(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("happened:\n%s\nwant:\n%s", strings.Join(d.lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestHandover(t *testing.T) {
	numbered := func(nr string) Config {
		return Config{Identity: []byte("me"), Properties: map[string]string{"X-Nr": nr}}
	}
	t.Run("Receive heeds Done", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			l, waiters := newMemListener(), make(chan *waiter, 10)
			r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
				d.log("accepted " + c.Property("X-Nr"))
				w := &waiter{log: d.log, conn: c, waiting: make(chan struct{})}
				waiters <- w
				return w, nil
			})
			serve(t, r, l)
			begin := time.Now()
			for _, nr := range []string{"1", "2", "3"} {
				c, recv := dialMem(t, l, numbered(nr))
				w := <-waiters
				_ = c.Queue().Push([]byte("x"))
				<-w.waiting
				t.Cleanup(func() {
					if err := recv.end(t); err != io.EOF {
						t.Errorf("%s ended with %v", nr, err)
					}
				})
			}
			if time.Since(begin) != 0 {
				t.Error("handover took time")
			}
			synctest.Wait()
			d.check(t, "accepted 1", "closed 1: "+ErrReplaced.Error(), "accepted 2", "closed 2: "+ErrReplaced.Error(), "accepted 3")
			r.Close()
		})
	})
	t.Run("Receive is stuck", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			l, stuck := newMemListener(), make(chan struct{})
			waiters := make(chan *waiter, 10)
			r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
				d.log("accepted " + c.Property("X-Nr"))
				w := &waiter{log: d.log, conn: c, waiting: make(chan struct{}), stuck: stuck}
				waiters <- w
				return w, nil
			})
			serve(t, r, l)
			c1, _ := dialMem(t, l, numbered("1"))
			w := <-waiters
			_ = c1.Queue().Push([]byte("x"))
			<-w.waiting
			begin := time.Now()
			_, second := dialMem(t, l, numbered("2"))
			synctest.Wait()
			_, third := dialMem(t, l, numbered("3"))
			other := numbered("other")
			other.Identity = []byte("other")
			_, _ = dialMem(t, l, other)
			<-waiters
			if time.Since(begin) != 0 {
				t.Error("another peer had to wait")
			}
			second.end(t) // replaced by the third while it waited
			if time.Since(begin) != 0 {
				t.Error("a replaced connection had to wait")
			}
			third.end(t) // refused
			if took := time.Since(begin); took != 5*time.Second {
				t.Errorf("the third was refused after %v", took)
			}
			_, _ = dialMem(t, l, numbered("4"))
			elapse(time.Second)
			close(stuck)
			<-waiters
			synctest.Wait()
			d.check(t, "accepted 1", "accepted other", "closed 1: "+ErrReplaced.Error(), "accepted 4")
			r.Close()
		})
	})
	t.Run("during accept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, enter, leave := newMemListener(), make(chan *recorder), make(chan struct{})
			r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
				recv := newRecorder(1)
				enter <- recv
				<-leave
				return recv, nil
			})
			serve(t, r, l)
			_, _ = dialMem(t, l, numbered("1"))
			first := <-enter
			_, _ = dialMem(t, l, numbered("2"))
			synctest.Wait()
			leave <- struct{}{}
			if err := first.end(t); err != ErrReplaced {
				t.Errorf("closed with %v", err)
			}
			<-enter
			close(leave)
		})
	})
	t.Run("no identity", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, in := newMemListener(), newInbox()
			serve(t, NewRouter(Config{}, in.accept), l)
			_, _ = dialMem(t, l, Config{})
			first := <-in.conns
			_, _ = dialMem(t, l, Config{})
			<-in.conns
			synctest.Wait()
			if first.conn.Err() != nil {
				t.Error("peers without identity replace each other")
			}
		})
	})
}

func TestAcceptRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newMemListener()
		var seen []error
		r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
			seen = append(seen, c.Err())
			return nil, errTest
		})
		serve(t, r, l)
		for range 2 { // the identity is free again
			_, recv := dialMem(t, l, Config{Identity: []byte("x")})
			if err := recv.end(t); err != io.EOF {
				t.Errorf("ended with %v", err)
			}
		}
		if len(seen) != 2 {
			t.Errorf("accept was called %d times", len(seen))
		}
	})
}

func TestRouterLimits(t *testing.T) {
	closedAtOnce := func(t *testing.T, nc net.Conn) {
		t.Helper()
		synctest.Wait()
		_ = nc.SetReadDeadline(time.Now())
		if _, err := nc.Read(make([]byte, 1)); err != os.ErrDeadlineExceeded {
			t.Errorf("got %v", err)
		}
		_ = nc.SetReadDeadline(time.Now().Add(time.Millisecond))
		if b, err := io.ReadAll(nc); err != nil || len(b) > 0 {
			t.Errorf("not closed at once: %d octets, %v", len(b), err)
		}
		nc.Close()
	}
	t.Run("pending", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, in := newMemListener(), newInbox()
			serve(t, NewRouter(Config{Limits: Limits{PendingHandshakes: 2}}, in.accept), l)
			a, b := l.dial(), l.dial()
			closedAtOnce(t, l.dial())
			elapse(5 * time.Second) // the two run into the time limit
			synctest.Wait()
			_, _ = dialMem(t, l, Config{})
			<-in.conns
			a.Close()
			b.Close()
		})
	})
	t.Run("pending from one address", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, in := newMemListener(), newInbox()
			serve(t, NewRouter(Config{Limits: Limits{PendingPerAddress: 1}}, in.accept), l)
			from := func(s string) *memConn {
				return l.dialFrom(net.TCPAddrFromAddrPort(mustAddrPort(s)))
			}
			a := from("192.0.2.1:1")
			closedAtOnce(t, from("192.0.2.1:2"))
			closedAtOnce(t, from("[::ffff:192.0.2.1]:3"))
			a.Write(hello("DEALER", "a"))
			<-in.conns
			b := from("192.0.2.1:4")
			b.Write(hello("DEALER", "b"))
			<-in.conns
			c, d := from("192.0.2.2:1"), from("192.0.2.3:1") // others don't suffer
			x, y := l.dial(), l.dial()                       // nor do transports without IP addresses
			for _, nc := range []*memConn{c, d, x, y} {
				nc.Write(hello("DEALER", ""))
				<-in.conns
			}
			for _, nc := range []*memConn{a, b, c, d, x, y} {
				nc.Close()
			}
		})
	})
	t.Run("connections", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, in := newMemListener(), newInbox()
			serve(t, NewRouter(Config{Limits: Limits{Connections: 1}}, in.accept), l)
			first, _ := dialMem(t, l, Config{Identity: []byte("a")})
			<-in.conns
			_, recv := dialMem(t, l, Config{Identity: []byte("b")})
			if err := recv.end(t); err != io.EOF {
				t.Errorf("a second connection ended with %v", err)
			}
			second, _ := dialMem(t, l, Config{Identity: []byte("a")}) // takes the place of the first
			<-in.conns
			<-first.Done()
			second.Close(nil)
			synctest.Wait()
			_, _ = dialMem(t, l, Config{Identity: []byte("b")})
			<-in.conns
		})
	})
	t.Run("Allow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, in := newMemListener(), newInbox()
			r := NewRouter(Config{}, in.accept)
			r.Allow = func(local, remote net.Addr) bool { return local.String() == "b" && remote.String() != "evil" }
			serve(t, r, l)
			closedAtOnce(t, l.dialFrom(memAddr("evil")))
			_, _ = dialMem(t, l, Config{})
			<-in.conns
		})
	})
}

func TestAcceptErrors(t *testing.T) {
	passing := &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
	t.Run("passing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			l, in := newMemListener(), newInbox()
			r := NewRouter(Config{Log: zerolog.New(&log)}, in.accept)
			served := make(chan error)
			go func() { served <- r.Serve(l) }()
			begin := time.Now()
			for range 10 {
				l.fail <- passing
			}
			_, _ = dialMem(t, l, Config{})
			<-in.conns
			if took := time.Since(begin); took < 2*time.Second || took > 5*time.Second {
				t.Errorf("ten failures took %v", took) // 5 ms doubled up to 1 s
			}
			l.fail <- passing
			r.Close()
			if err := <-served; err != ErrClosed {
				t.Errorf("Serve returned %v", err)
			}
			if n := strings.Count(log.String(), "cannot accept now"); n != 2 {
				t.Errorf("two episodes were logged %d times:\n%s", n, log.String())
			}
		})
	})
	t.Run("lasting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newMemListener()
			r := NewRouter(Config{}, newInbox().accept)
			served := make(chan error)
			go func() { served <- r.Serve(l) }()
			l.fail <- errTest
			if err := <-served; !errors.Is(err, errTest) {
				t.Errorf("Serve returned %v", err)
			}
			r.Close()
		})
	})
	t.Run("listener closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newMemListener()
			r := NewRouter(Config{}, newInbox().accept)
			l.Close()
			if err := r.Serve(l); err != ErrClosed {
				t.Errorf("Serve returned %v", err)
			}
			r.Close()
		})
	})
	t.Run("config that READY cannot carry", func(t *testing.T) {
		r := NewRouter(Config{Properties: map[string]string{"a": "b"}}, newInbox().accept)
		if err := r.Serve(newMemListener()); err == nil || errors.Is(err, ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
}

func TestRouterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l1, l2, in := newMemListener(), newMemListener(), newInbox()
		r := NewRouter(Config{}, in.accept)
		served := make(chan error, 2)
		go func() { served <- r.Serve(l1) }()
		go func() { served <- r.Serve(l2) }()
		_, mine := dialMem(t, l1, Config{})
		theirs := <-in.conns
		pending := l2.dial()
		synctest.Wait()
		begin := time.Now()
		for range 2 {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		if time.Since(begin) != 0 {
			t.Error("Close waited for a handshake")
		}
		if err := theirs.end(t); err != ErrClosed {
			t.Errorf("closed with %v", err)
		}
		if err := mine.end(t); err != io.EOF {
			t.Errorf("the peer saw %v", err)
		}
		if _, err := io.ReadAll(pending); err != nil {
			t.Errorf("the pending connection is open: %v", err)
		}
		for range 2 {
			if err := <-served; err != ErrClosed {
				t.Errorf("Serve returned %v", err)
			}
		}
		if err := r.Serve(newMemListener()); err != ErrClosed {
			t.Errorf("Serve after Close returned %v", err)
		}
		l3 := newMemListener() // a connection that was accepted just then
		nc, theirEnd := memPair(100)
		r.start(nc)
		if _, err := io.ReadAll(theirEnd); err != nil {
			t.Errorf("open after Close: %v", err)
		}
		l3.Close()
	})
}

// TestRouterCloseDuringHandover closes while one connection waits for another to end.
func TestRouterCloseDuringHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l, stuck := newMemListener(), make(chan struct{})
		waiting := make(chan struct{})
		r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
			return &waiter{log: d.log, conn: c, waiting: waiting, stuck: stuck}, nil
		})
		serve(t, r, l)
		c, _ := dialMem(t, l, Config{Identity: []byte("x")})
		_ = c.Queue().Push(nil)
		<-waiting
		_, _ = dialMem(t, l, Config{Identity: []byte("x")})
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- r.Close() }()
		synctest.Wait()
		close(stuck)
		<-closed
		d.check(t, "closed : "+ErrReplaced.Error())
	})
}
