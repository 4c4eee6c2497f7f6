package zmtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/go-zre/go-zre/internal/curve"
)

// Many messages at once go through both sides' buffers in every way: crossing chunks, from the buffer and in place.
func TestCurveFlood(t *testing.T) {
	for _, size := range []int{0, 16, 100, 1 << 10, 5_000, 17_000, 100_000, 300_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, there := securePair(t, Config{}, Config{})
				body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
				n := min(3000, 20<<20/(size+1))
				go func() {
					for i := range n {
						if err := push(c.Queue(), []byte{byte(i >> 8), byte(i)}, body); err != nil {
							t.Error(err)
							return
						}
					}
				}()
				for i := range n {
					got := there.next(t)
					if len(got) != 2 || !bytes.Equal(got[0], []byte{byte(i >> 8), byte(i)}) || !bytes.Equal(got[1], body) {
						t.Fatalf("message %d arrived changed", i)
					}
				}
			})
		})
	}
}

// A message that overtakes others is sealed in its position, with the numbers that they have then.
func TestCurveAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, theirs, opener := toSlow(t)
		numbers := Numbers{At: 1, Cycle: 1 << 16}
		_ = push(c.Queue(), []byte{'a', 0, 1}, make([]byte, 200_000)) // more than the pipe takes
		synctest.Wait()
		for i := range 100 {
			_ = push(c.Queue(), []byte{'b', 0, byte(i + 2)}, make([]byte, i))
		}
		if _, overtook, err := c.Queue().PushAhead(numbers, []byte{'p', 0, 102}); err != nil || !overtook {
			t.Fatalf("overtook %v, %v", overtook, err)
		}
		var got []string
		r := newReader(theirs, Limits{}, func(frames [][]byte) error { got = append(got, string(frames[0])); return nil })
		r.sealed = &unsealing{opener: opener}
		if err := r.run(); err != errQuiet {
			t.Fatal(err)
		}
		want := []string{"a\x00\x01", "p\x00\x02"}
		for i := range 100 {
			want = append(want, string([]byte{'b', 0, byte(i + 3)}))
		}
		if !slices.Equal(got, want) {
			t.Errorf("messages: got %q, want %q", got, want)
		}
	})
}

// toSlow makes a connection to a ROUTER that reads nothing by itself.
func toSlow(t *testing.T) (*Conn, *memConn, *curve.Opener) {
	ours, theirs := memPair(64 << 10)
	done := make(chan handshakeResult)
	go func() {
		there, err := handshake(t.Context(), theirs, Config{Curve: secure(t, "server", "")}.withDefaults(), "ROUTER")
		if err != nil {
			t.Error(err)
		}
		done <- there
	}()
	c, err := Open(t.Context(), ours, Config{Curve: secure(t, "client", "server")}, NewQueue(1000, 1<<30), nil, newRecorder(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(nil); <-c.finished })
	return c, theirs, (<-done).curve.opener
}

// fewOctetsConn is a connection that takes few octets at a time, and then times out.
type fewOctetsConn struct {
	*memConn
	most int
}

func (d fewOctetsConn) Write(p []byte) (int, error) {
	if len(p) <= d.most {
		return d.memConn.Write(p)
	}
	n, err := d.memConn.Write(p[:d.most])
	if err == nil {
		err = errSlow
	}
	return n, err
}

var errSlow = fmt.Errorf("taking long: %w", os.ErrDeadlineExceeded)

// Sealed octets are written unchanged, in whatever parts; progress is reported meanwhile, and never too much.
func TestCurvePartialWrites(t *testing.T) {
	for _, most := range []int{16<<10 + 1, 20_000, 50_000} {
		synctest.Test(t, func(t *testing.T) {
			in, l := newInbox(), newMemListener()
			serve(t, NewRouter(Config{Curve: secure(t, "server", "")}, in.accept), l)
			q := NewQueue(10_000, 1<<30)
			var want [][][]byte
			for i := range 500 {
				body := [][]byte{{byte(i)}, bytes.Repeat([]byte{byte(i)}, i*i%9000)}
				if i%100 == 0 {
					body = append(body, make([]byte, 400_000))
				}
				want = append(want, body)
				_ = push(q, body...)
			}
			c, err := Open(t.Context(), fewOctetsConn{l.dial(), most}, Config{Curve: secure(t, "client", "server")}, q, nil, newRecorder(1))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(nil)
			there := wait(t, in.conns, "the connection")
			for i, body := range want {
				if got := there.next(t); !equal(got, body) {
					t.Fatalf("message %d arrived changed", i)
				}
			}
			synctest.Wait()
			if messages, octets := q.Depth(); messages != 0 || octets != 0 {
				t.Errorf("%d messages, %d bytes are left", messages, octets)
			}
		})
	}
}

// A long frame is sealed as it is written: a peer that reads nothing has little held for it, and progress shows as it reads.
func TestCurveProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, theirs, _ := toSlow(t)
		const size, part = 32 << 20, 1 << 20
		body := make([]byte, size)
		if n := allocated(func() { _ = push(c.Queue(), body); synctest.Wait() }); n > 512<<10 {
			t.Errorf("%d bytes were allocated", n)
		}
		if n := largeBuffersInUse.Load(); n != 1 {
			t.Errorf("%d buffers are out, want 1", n)
		}
		_, _ = io.CopyN(io.Discard, theirs, part)
		synctest.Wait()
		if _, octets := c.Queue().Depth(); octets > size-part+1000 || octets < size-part-2*sealedBuffer {
			t.Errorf("%d bytes are left of %d, of which %d were read", octets, size, part)
		}
		c.Close(nil)
		<-c.finished
		if n := largeBuffersInUse.Load(); n != 0 {
			t.Errorf("%d buffers are out at the end", n)
		}
	})
}

// What a Screener does not want is authenticated and not kept.
func TestCurveScreener(t *testing.T) {
	test := func(t *testing.T, alter bool) (got [][][]byte, err error) {
		ours, theirs := sealedStreams(t)
		head := make([]byte, 20_000)
		var stream []byte
		add := func(flags byte, body []byte) {
			stream, err = ours.Append(stream, flags, body)
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			add(curve.More, head)
			add(curve.More, []byte("small"))
			add(curve.Command, []byte("\x04PING\x00\x00"))
			add(curve.More, make([]byte, 300_000))
			add(0, make([]byte, 70_000))
		}
		add(0, []byte("next"))
		if alter {
			stream[len(stream)-100_000] ^= 1
		}
		r := newReader(sourceOf(stream), Limits{}, func(frames [][]byte) error { got = append(got, frames); return nil })
		pongs := 0
		r.pong = func([]byte) { pongs++ }
		r.sealed = &unsealing{opener: theirs}
		r.screen = screen{head: 10, wants: func([]byte) bool { return false }}
		if grown := allocated(func() { err = r.run() }); grown > 600<<10 {
			t.Errorf("%d bytes were allocated for what nobody wants", grown)
		}
		if want := 2; pongs != want {
			t.Errorf("%d PONGs, want %d", pongs, want)
		}
		return got, err
	}
	got, err := test(t, false)
	if err != io.EOF || len(got) != 3 {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	for i, want := range []string{"[11 0 0 0]", "[11 0 0 0]", "[4]"} {
		if lengths := fmt.Sprint(lengths(got[i])); lengths != want {
			t.Errorf("message %d has frames of %s bytes, want %s", i, lengths, want)
		}
	}
	if got, err = test(t, true); len(got) != 1 || !isViolation(err) {
		t.Errorf("dropped bytes were altered: %d messages, %v", len(got), err)
	}
}

func sourceOf(b []byte) source { return stream{bytes.NewReader(b)} }

func lengths(frames [][]byte) (all []int) {
	for _, f := range frames {
		all = append(all, len(f))
	}
	return all
}

func isViolation(err error) bool { _, ok := errors.AsType[*ProtocolError](err); return ok }

// sealedStreams returns the sealer of one side of a connection and the opener of the other.
func sealedStreams(t testing.TB) (*curve.Sealer, *curve.Opener) {
	t.Helper()
	client, err := curve.NewClient(keys(t, "client"), keys(t, "server").Public(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	server := curve.NewServer(keys(t, "server"), 1000)
	must := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if err := client.Welcome(must(server.Hello(must(client.Hello())))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Initiate(must(client.Initiate(nil))); err != nil {
		t.Fatal(err)
	}
	ready, _, opener, err := server.Ready(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, sealer, _, err := client.Ready(ready)
	if err != nil {
		t.Fatal(err)
	}
	return sealer, opener
}

// The writers of a connection that adopts a queue seal one after the other.
func TestCurveAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, recv, there := securePair(t, Config{}, Config{})
		synctest.Wait() // Adopt may be called once the connection receives
		q := NewQueue(100, 1<<20)
		_ = push(q, []byte("waited"))
		_ = push(there.conn.Queue(), []byte("own"))
		if err := there.conn.Adopt(q, [][]byte{[]byte("first")}, nil); err != nil {
			t.Fatal(err)
		}
		_ = push(q, []byte("last"))
		for _, want := range []string{"own", "first", "waited", "last"} {
			if got := strs(recv.next(t)); !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if c.Err() != nil {
			t.Error(c.Err())
		}
	})
}
