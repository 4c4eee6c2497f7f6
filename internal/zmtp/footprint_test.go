package zmtp

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

// TestGoroutinesOfConnections counts the goroutines of connections: a reader for each side of a socket, none for a link within the process,
// and more only while there is something to write or to hand over.
func TestGoroutinesOfConnections(t *testing.T) {
	const pairs = 10
	for name, test := range map[string]struct {
		connect func(t *testing.T, r *Router, l *memListener) *Conn
		each    int // of a pair
	}{
		"socket": {func(t *testing.T, _ *Router, l *memListener) *Conn { c, _ := dialMem(t, l, Config{}); return c }, 2},
		"inproc": {func(t *testing.T, r *Router, _ *memListener) *Conn { c, _ := linkTo(t, r, Config{}); return c }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, in := newMemListener(), newInbox()
				r := NewRouter(Config{}, in.accept)
				serve(t, r, l)
				before := len(goroutines())
				var conns []*Conn
				for range pairs {
					conns = append(conns, test.connect(t, r, l))
				}
				count := func(when string) {
					t.Helper()
					synctest.Wait()
					if n := len(goroutines()) - before; n != test.each*pairs {
						t.Errorf("%s: %d goroutines, want %d:\n%s", when, n, test.each*pairs, strings.Join(goroutines(), "\n\n"))
					}
				}
				count("new")
				for _, c := range conns {
					_ = c.Queue().Push([]byte("a message"))
				}
				count("after a message each")
				elapse(2 * busyTime) // then the readers continue on other goroutines
				count("quiet again")
			})
		})
	}
}

// TestQuietReader checks that the reader of a silent connection holds next to nothing, and that it leaves its goroutine.
func TestQuietReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := memPair(1 << 20)
		r := newReader(ours, Limits{}, func([][]byte) error { return nil })
		for _, octets := range [][]byte{message("little"), bytes.Repeat(message("much", strings.Repeat("x", 1000)), 500)} {
			theirs.Write(octets)
			if err := r.run(); err != errQuiet {
				t.Fatalf("ended with %v", err)
			}
			if octets, places := r.cutter.Held(); len(r.buf) != idleBuffer || octets != 0 || places != 0 {
				t.Errorf("a buffer of %d, %d bytes, and lists of %d are left", len(r.buf), octets, places)
			}
		}
		theirs.Close()
		if err := r.run(); err != io.EOF {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestLargeMessageIsHardlyCopied counts the octets that a message of 20 MiB costs the receiver: the memory that the application gets, and
// an eighth. The sender's queue takes it by reference.
func TestLargeMessageIsHardlyCopied(t *testing.T) {
	const size = 20 << 20
	body := make([]byte, size)
	q := NewQueue(10, 1<<30)
	if spent := allocated(func() { _ = q.Push(body) }); spent > 64<<10 {
		t.Errorf("the queue took %d bytes", spent)
	}
	octets := drain(t, q)
	messages := 0
	r := newReader(stream{bytes.NewReader(octets)}, Limits{}, func([][]byte) error { messages++; return nil })
	spent := allocated(func() {
		if err := r.run(); err != io.EOF || messages != 1 {
			t.Errorf("%d messages, %v", messages, err)
		}
	})
	t.Logf("the receiver took %.3f times the size", float64(spent)/size)
	if spent > size*115/100 {
		t.Errorf("the receiver took %.3f times the size, at most 1.15 is right", float64(spent)/size)
	}
}
