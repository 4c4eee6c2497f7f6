package zmtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/curve"
)

// relay carries octets one way and alters the one at that offset, none if it is negative.
func relay(from, to *memConn, at int, sent *int) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if i := at - *sent; 0 <= i && i < n {
			b[i] ^= 1 << (at % 8)
		}
		*sent += n
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			_ = from.Close()
			_ = to.Close()
			return
		}
	}
}

// TestManInTheMiddle alters each octet of both directions in turn, from behind the greeting on. Both ends are closed within two seconds,
// nothing that was altered is received, and what was received before is right.
func TestManInTheMiddle(t *testing.T) {
	run := func(t *testing.T, up, down int) (sentUp, sentDown int, ends []error) {
		in, l := newInbox(), newMemListener()
		limits := Config{HandshakeTimeout: 1500 * time.Millisecond, StallTimeout: 500 * time.Millisecond}
		router, dealer := limits, limits
		router.Curve, dealer.Curve = secure(t, "server", ""), secure(t, "client", "server")
		r := NewRouter(router, in.accept)
		serve(t, r, l)
		toRouter := l.dial()
		ours, toDealer := memPair(64 << 10)
		wentUp, wentDown := new(int), new(int)
		go relay(toDealer, toRouter, up, wentUp)
		go relay(toRouter, toDealer, down, wentDown)
		begin := time.Now()
		recv := newRecorder(100)
		c, err := Open(t.Context(), ours, dealer, NewQueue(100, 1<<20), nil, recv)
		if err != nil {
			synctest.Wait()
			for len(in.conns) > 0 { // the ROUTER may have been done when READY was altered
				there := <-in.conns
				ends = append(ends, there.end(t))
			}
			return 0, 0, append(ends, err)
		}
		there := <-in.conns
		sent := [][]byte{bytes.Repeat([]byte("a"), 10), bytes.Repeat([]byte("b"), 300)}
		for _, f := range sent {
			_ = c.Queue().Push(f)
			_ = there.conn.Queue().Push(f)
			synctest.Wait()
		}
		if up < 0 && down < 0 {
			elapse(3 * time.Second)
			if len(recv.messages) != 2 || len(there.messages) != 2 || c.Err() != nil || there.conn.Err() != nil {
				t.Errorf("with nothing altered: %v, %v", c.Err(), there.conn.Err())
			}
			c.Close(nil)
			<-c.finished
			synctest.Wait()
			return *wentUp, *wentDown, nil
		}
		ends = append(ends, recv.end(t), there.end(t))
		if late := time.Since(begin); late > 2*time.Second {
			t.Errorf("closed after %v", late)
		}
		for _, r := range []*recorder{recv, there} {
			for i := 0; len(r.messages) > 0; i++ {
				if got := <-r.messages; len(got) != 1 || !bytes.Equal(got[0], sent[i]) {
					t.Errorf("received %q", got)
				}
			}
		}
		return 0, 0, ends
	}
	var wholeUp, wholeDown int
	synctest.Test(t, func(t *testing.T) { wholeUp, wholeDown, _ = run(t, -1, -1) })
	if wholeUp < 64+202+2+257 || wholeDown < 64+170+2+30 {
		t.Fatalf("%d and %d bytes were sent: the test tests nothing", wholeUp, wholeDown)
	}
	for way, total := range map[string]int{"up": wholeUp, "down": wholeDown} {
		for at := greetingSize; at < total; at++ {
			synctest.Test(t, func(t *testing.T) {
				up, down := at, -1
				if way == "down" {
					up, down = -1, at
				}
				_, _, ends := run(t, up, down)
				if !isCaught(ends) {
					t.Errorf("byte %d %s: ended with %q", at, way, ends)
				}
			})
		}
	}
}

// isCaught tells whether one of the ends noticed that something is wrong.
func isCaught(ends []error) bool {
	return slices.ContainsFunc(ends, func(err error) bool {
		return isViolation(err) || errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(fmt.Sprint(err), "handshake") || err == ErrNoWelcome
	})
}

// After the handshake nothing but MESSAGE is trusted.
func TestAfterReady(t *testing.T) {
	seal := func(s *curve.Sealer, flags byte, body string) []byte {
		b, err := s.Append(nil, flags, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	with := func(b []byte, flags byte) []byte { b[0] |= flags; return b }
	for name, test := range map[string]struct {
		octets func(s *curve.Sealer) []byte
		want   string
	}{
		"a plain message":        {func(*curve.Sealer) []byte { return message("a") }, "only MESSAGE"},
		"a plain long one":       {func(*curve.Sealer) []byte { return message(strings.Repeat("a", 1000)) }, "MESSAGE was due"},
		"a plain PING":           {func(*curve.Sealer) []byte { return command("PING", "\x00\x00") }, "flags 0x04"},
		"the outer MORE":         {func(s *curve.Sealer) []byte { return with(seal(s, curve.More, "a"), flagMore) }, "flags 0x01"},
		"the outer COMMAND":      {func(s *curve.Sealer) []byte { return with(seal(s, 0, "a"), flagCommand) }, "flags 0x04"},
		"an empty frame":         {func(*curve.Sealer) []byte { return []byte{0, 0} }, "frame of 0 bytes"},
		"one byte too few":       {func(*curve.Sealer) []byte { return append([]byte{0, 32}, make([]byte, 32)...) }, "frame of 32 bytes"},
		"junk":                   {func(*curve.Sealer) []byte { return append([]byte{0, 33}, "\x07MESSAGE            --------------"...) }, "does not open"},
		"twice the same":         {func(s *curve.Sealer) []byte { return bytes.Repeat(seal(s, 0, "a"), 2) }, "replayed"},
		"in another order":       {func(s *curve.Sealer) []byte { a := seal(s, 0, "a"); return append(seal(s, 0, "b"), a...) }, "replayed"},
		"a second INITIATE":      {func(*curve.Sealer) []byte { return frame(flagCommand, make([]byte, 300)) }, "flags 0x06"},
		"a sealed bad command":   {func(s *curve.Sealer) []byte { return seal(s, curve.Command, "\x09PING") }, "whole name"},
		"a command and MORE":     {func(s *curve.Sealer) []byte { return seal(s, curve.Command|curve.More, "\x04PING\x00\x00") }, "MORE flag"},
		"a command that is long": {func(s *curve.Sealer) []byte { return seal(s, curve.Command, strings.Repeat("a", 9000)) }, "command of 9000 bytes"},
		"more than is allowed":   {func(*curve.Sealer) []byte { return []byte{2, 0, 0, 0, 1, 0, 0, 0, 0} }, "at most"},
		"too long a message": {func(s *curve.Sealer) []byte {
			return append(seal(s, curve.More, strings.Repeat("a", 8000)), seal(s, 0, strings.Repeat("a", 2500))...)
		}, "more than 10000"},
		"cut": {func(s *curve.Sealer) []byte { b := seal(s, 0, "abc"); return b[:len(b)-1] }, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			for arrival, in := range arrivals {
				s, o := sealedStreams(t)
				b := test.octets(s)
				var got [][]string
				r := newReader(stream{in(bytes.NewReader(b))}, Limits{MessageSize: 10_000, FrameSize: 10_000}, func(f [][]byte) error { got = append(got, strs(f)); return nil })
				r.sealed = &unsealing{opener: o}
				if err := r.run(); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: ended with %v, want %q", arrival, err, test.want)
				}
				if len(got) > 1 {
					t.Errorf("%s: received %q", arrival, got)
				}
			}
		})
	}
}

// Many connections that begin a handshake and stop take a bounded amount of memory, and keep no other address out.
func TestHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, l := newInbox(), newMemListener()
		serve(t, NewRouter(Config{Curve: secure(t, "server", ""), Limits: Limits{CurvePerAddress: 1 << 20}}, in.accept), l)
		client, err := curve.NewClient(keys(t, "client"), keys(t, "server").Public(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		command, err := client.Hello()
		if err != nil {
			t.Fatal(err)
		}
		curved := greet()
		copy(curved[mechanismAt:], "CURVE")
		open, pending, before := 0, Limits{}.withDefaults().PendingHandshakes, heap()
		many := 10_000
		if raceEnabled {
			many = 2000 // each is slow then
		}
		for i := range many {
			nc := l.dialFrom(&net.TCPAddr{IP: net.IPv4(10, 0, byte(i>>8), byte(i)), Port: 1})
			_, _ = nc.Write(join(curved, frame(flagCommand, command)))
			if i%100 == 0 {
				synctest.Wait()
				if open = len(goroutines()); open > pending+50 {
					t.Fatalf("%d goroutines after %d", open, i)
				}
			}
		}
		synctest.Wait()
		if grown := heap() - before; grown > 20<<20 {
			t.Errorf("%d bytes are held for %d half-open handshakes", grown, pending)
		}
		nc := l.dialFrom(&net.TCPAddr{IP: net.IPv4(10, 1, 0, 1), Port: 1})
		c, err := Open(t.Context(), nc, Config{Curve: secure(t, "client", "server")}, NewQueue(1, 1), nil, newRecorder(1))
		if err != nil {
			t.Fatal(err)
		}
		c.Close(nil)
	})
}

// heap returns how many octets are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// recording is a connection that keeps what is written to it.
type recording struct {
	*memConn
	said *bytes.Buffer
}

func (r recording) Write(p []byte) (int, error) { r.said.Write(p); return r.memConn.Write(p) }

// A DEALER's recorded session cannot be replayed: the cookie is a different one.
func TestReplayedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		server := secure(t, "server", "")
		server.Authorize = func(context.Context, Candidate) error { asked++; return nil }
		in, l := newInbox(), newMemListener()
		serve(t, NewRouter(Config{Curve: server}, in.accept), l)
		var said bytes.Buffer
		c, err := Open(t.Context(), recording{l.dial(), &said}, Config{Identity: ourID, Curve: secure(t, "client", "server")}, NewQueue(1, 100), nil, newRecorder(1))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Queue().Push([]byte("once"))
		there := <-in.conns
		there.next(t)
		nc := l.dial()
		_, _ = nc.Write(said.Bytes())
		synctest.Wait()
		if asked != 1 || len(in.conns) != 0 || c.Err() != nil || there.conn.Err() != nil || len(there.messages) != 0 {
			t.Errorf("asked %d times, accepted %d; the connection from before: %v", asked, len(in.conns), c.Err())
		}
		if got := <-readAll(nc); len(got) != greetingSize+2+curve.WelcomeSize {
			t.Errorf("the answer has %d bytes", len(got))
		}
		c.Close(nil)
	})
}

// FuzzCurveHandshake: whatever comes in a CURVE handshake, it fails without a caught panic. Nothing else can happen by chance.
func FuzzCurveHandshake(f *testing.F) {
	client, _ := curve.NewClient(keys(f, "client"), keys(f, "server").Public(), 1000)
	command, _ := client.Hello()
	f.Add(frame(flagCommand, command))
	f.Add(join(frame(flagCommand, command), frame(flagCommand, append([]byte("\x08INITIATE"), make([]byte, 300)...))))
	f.Add(frame(flagCommand, curve.ErrorCommand("400")))
	f.Add(frame(flagCommand, append([]byte("\x07WELCOME"), make([]byte, 160)...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		curved := greet()
		copy(curved[mechanismAt:], "CURVE")
		for _, role := range []string{"ROUTER", "DEALER"} {
			_, err := handshakeWith(script{bytes.NewReader(join(curved, b))}, Config{Curve: secure(t, "server", "server")}, role)
			if err == nil || strings.Contains(err.Error(), "panicked") {
				t.Errorf("%s: %v", role, err)
			}
		}
	})
}

// FuzzSealed: whatever comes after READY, the result does not depend on how it arrives, and stays within the limits; nothing is received
// that was not sealed.
func FuzzSealed(f *testing.F) {
	s, _ := sealedStreams(f)
	seal := func(flags byte, body string) []byte { b, _ := s.Append(nil, flags, []byte(body)); return b }
	f.Add([]byte{}, uint16(0), byte(0))
	f.Add(join(seal(1, "a"), seal(2, "\x04PING\x00\x00x"), seal(0, "b")), uint16(3), byte(1))
	f.Add(message("a", "b"), uint16(0), byte(0))
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 1, 0}, uint16(300), byte(2))
	limits := Limits{FrameSize: 3000, MessageSize: 5000, Frames: 10, CommandSize: 100}
	f.Fuzz(func(t *testing.T, junk []byte, size uint16, flags byte) {
		read := func(in func(io.Reader) io.Reader) (got [][]string, pongs int, err error) {
			s, o := sealedStreams(t)
			// A right message, then one with the fuzzed flags and size, then junk, the last two sealed or not.
			b, _ := s.Append(nil, 0, []byte("right"))
			b, _ = s.Append(b, flags, bytes.Repeat([]byte("\x04PING\x00\x00x"), int(size)/8))
			b, _ = s.Append(b, flags, junk)
			b = append(b, junk...)
			r := newReader(stream{in(bytes.NewReader(b))}, limits, func(f [][]byte) error { got = append(got, strs(f)); return nil })
			r.sealed = &unsealing{opener: o}
			r.pong = func([]byte) { pongs++ }
			err = r.run()
			return got, pongs, err
		}
		got, pongs, err := read(func(r io.Reader) io.Reader { return r })
		again, pongsAgain, errAgain := read(iotest.OneByteReader)
		if err == nil || len(got) < 1 || got[0][0] != "right" || len(got) > 3 {
			t.Errorf("received %q, %v", got, err)
		}
		if !reflect.DeepEqual(got, again) || pongs != pongsAgain || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Errorf("at once: %d, %v; by bytes: %d, %v", len(got), err, len(again), errAgain)
		}
	})
}
