package zmtp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// TestHostileBesideGood runs every attack at once against one Router, which serves a good peer all the while.
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
			t.Errorf("message of the good peer: got %q, want hello", got)
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
						t.Errorf("the hostile connection ended with %v, want a ProtocolError", bad.conn.Err())
					}
				})
				if spent > 128<<10 {
					t.Errorf("took %d bytes of memory", spent)
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
		synctest.Wait()
		if len(r.conns)+len(r.active)+len(r.successors)+r.pendingHandshakes()+len(r.unknown.byAddr)+len(r.unknown.perNetwork) != 0 {
			t.Error("the Router still knows a connection that is gone")
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
			t.Errorf("a read with a passed deadline: got %v, want ErrDeadlineExceeded", err)
		}
		_ = nc.SetReadDeadline(time.Now().Add(time.Millisecond))
		if b, err := io.ReadAll(nc); err != nil || len(b) > 0 {
			t.Errorf("not closed at once: %d bytes, %v", len(b), err)
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
			synctest.Wait() // its place is free when accept has returned
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
	// Hosts that take all places keep no other host out: the oldest connection of the one that has the most gives way.
	t.Run("pending, from few addresses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, in := newMemListener(), newInbox()
			serve(t, NewRouter(Config{Limits: Limits{PendingHandshakes: 5, PendingPerAddress: 3}}, in.accept), l)
			from := func(s string) *memConn {
				return l.dialFrom(net.TCPAddrFromAddrPort(mustAddrPort(s)))
			}
			gone := func(nc *memConn) bool {
				synctest.Wait()
				_ = nc.SetReadDeadline(time.Now().Add(time.Millisecond))
				_, err := io.ReadAll(nc)
				return err == nil
			}
			var hostile []*memConn
			for _, address := range []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.1:3", "192.0.2.2:2"} {
				hostile = append(hostile, from(address))
			}
			closedAtOnce(t, from("192.0.2.2:3")) // would have as many as the other
			good := from("192.0.2.3:1")
			if !gone(hostile[0]) {
				t.Error("the oldest connection of the address with the most did not give way")
			}
			good.Write(hello("DEALER", "good"))
			<-in.conns
			synctest.Wait()                                                                   // as above
			more := []*memConn{from("192.0.2.3:2"), from("192.0.2.4:1"), from("192.0.2.5:1")} // one has a free place, two make room
			closedAtOnce(t, from("192.0.2.5:2"))                                              // now each address has one
			if !gone(hostile[1]) || gone(hostile[3]) || !gone(hostile[2]) || gone(hostile[4]) || slices.ContainsFunc(more, gone) {
				t.Error("others than the oldest of each address gave way")
			}
			more = append(more, from("192.0.2.6:1")) // and this one has none
			if !gone(hostile[3]) || gone(hostile[4]) || slices.ContainsFunc(more, gone) {
				t.Error("not the oldest of all gave way to an address that has none")
			}
			for _, nc := range append(append(hostile, more...), good) {
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
			l.fail <- passing // with a descriptor free now and then it is the same flood
			elapse(time.Minute)
			l.fail <- passing
			r.Close()
			if err := <-served; err != ErrClosed {
				t.Errorf("Serve returned %v", err)
			}
			if n := strings.Count(log.String(), "cannot accept now"); n != 2 {
				t.Errorf("12 failures, the last a minute after the others, were logged %d times:\n%s", n, log.String())
			}
		})
	})
	t.Run("the listener is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newMemListener()
			r := NewRouter(Config{}, newInbox().accept)
			served := make(chan error)
			go func() { served <- r.Serve(l) }()
			gone := os.NewSyscallError("accept", syscall.EBADF)
			l.fail <- gone
			if err := <-served; !errors.Is(err, gone) {
				t.Errorf("Serve returned %v", err)
			}
			r.Close()
		})
	})
	// Whatever the system reports about one connection, the next one is served.
	t.Run("unusual", func(t *testing.T) {
		for _, failure := range []error{syscall.ENOMEM, syscall.ENOBUFS, syscall.EPERM, syscall.EPROTO, syscall.EMFILE, errTest} {
			synctest.Test(t, func(t *testing.T) {
				l, in := newMemListener(), newInbox()
				r := NewRouter(Config{}, in.accept)
				var told []error
				r.AcceptFailed = func(_ net.Listener, err error) { told = append(told, err) }
				serve(t, r, l)
				l.fail <- &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", failure)}
				_, _ = dialMem(t, l, Config{})
				<-in.conns
				if len(told) != 1 || !errors.Is(told[0], failure) {
					t.Errorf("%v: told of %v", failure, told)
				}
			})
		}
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
			t.Errorf("the ROUTER's connection ended with %v, want ErrClosed", err)
		}
		if err := mine.end(t); err != io.EOF {
			t.Errorf("the peer's connection ended with %v, want EOF", err)
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
		l3 := newMemListener() // a connection that was accepted at that moment
		nc, theirEnd := memPair(100)
		r.start(nc)
		if _, err := io.ReadAll(theirEnd); err != nil {
			t.Errorf("open after Close: %v", err)
		}
		l3.Close()
	})
}

// greeter is a recorder that waits for a message "hello".
type greeter struct {
	*recorder
	greeted bool
}

func (g *greeter) Receive(frames [][]byte) error {
	g.greeted = g.greeted || string(frames[0]) == "hello"
	return g.recorder.Receive(frames)
}

func (g *greeter) Greeted() bool { return g.greeted }

// A connection without a greeting has the place and time of a handshake, whatever else it sends.
func TestGreeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, conns := newMemListener(), make(chan *greeter, 10)
		r := NewRouter(Config{Limits: Limits{PendingHandshakes: 2}}, func(c *Conn) (Receiver, error) {
			g := &greeter{recorder: newRecorder(0)}
			g.conn = c
			conns <- g
			return g, nil
		})
		serve(t, r, l)
		good, _ := dialMem(t, l, Config{Identity: []byte("good")})
		goodIn := <-conns
		bad := l.dial()
		bad.Write(hello("DEALER", "bad"))
		badIn := <-conns
		third := l.dial()
		if _, err := io.ReadAll(third); err != nil {
			t.Errorf("a third place: %v", err)
		}
		for _, text := range []string{"hello", "more"} {
			if err := good.Queue().Push([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		elapse(time.Minute) // it is not the peer's fault that the receiver takes no message
		for range 2 {
			goodIn.next(t)
		}
		synctest.Wait()
		if r.pendingHandshakes() != 0 || len(r.conns) != 1 {
			t.Errorf("%d newcomers, %d connections", r.pendingHandshakes(), len(r.conns))
		}
		if err := badIn.end(t); err == nil || !strings.Contains(err.Error(), "within 5s") {
			t.Errorf("a connection without a greeting ended with %v, want it to name the time limit", err)
		}
		begin := time.Now()
		bad = l.dial()
		bad.Write(hello("DEALER", "bad"))
		badIn = <-conns
		for badIn.conn.Err() == nil {
			bad.Write(message("not a greeting"))
			badIn.next(t)
			elapse(900 * time.Millisecond)
		}
		if took := time.Since(begin); took != 5400*time.Millisecond {
			t.Errorf("closed before %v, not within 5 s", took)
		}
	})
}
