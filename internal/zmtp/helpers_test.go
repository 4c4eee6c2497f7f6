package zmtp

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/go-zre/go-zre/internal/testbed"
)

var errTest = errors.New("a reason of the test")

// recorder is a Receiver that keeps what it gets.
type recorder struct {
	messages chan [][]byte // Receive blocks when it is full, until release is closed
	release  chan struct{}
	closed   chan error // one error, then closed

	mu    sync.Mutex
	ended bool
	conn  *Conn
}

func newRecorder(room int) *recorder {
	return &recorder{
		messages: make(chan [][]byte, room), release: make(chan struct{}), closed: make(chan error, 1),
	}
}

func (r *recorder) Receive(frames [][]byte) error {
	r.mu.Lock()
	if r.ended {
		panic("Receive after Closed")
	}
	r.mu.Unlock()
	select {
	case r.messages <- frames:
	case <-r.release:
		return errTest
	}
	return nil
}

func (r *recorder) Closed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		panic("Closed twice")
	}
	r.ended = true
	r.closed <- err
	close(r.closed)
}

// next returns the next message, or fails the test after 10 seconds.
func (r *recorder) next(t testing.TB) [][]byte {
	t.Helper()
	return wait(t, r.messages, "a message")
}

func (r *recorder) end(t testing.TB) error {
	t.Helper()
	return wait(t, r.closed, "Closed")
}

// wait takes from a channel, or fails the test after 10 seconds.
func wait[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

// elapse lets fake time pass. It is only for synctest bubbles.
func elapse(d time.Duration) { <-time.After(d) }

// inbox is a Router's accept function that hands out a recorder for each connection.
type inbox struct{ conns chan *recorder }

func newInbox() *inbox { return &inbox{conns: make(chan *recorder, 100)} }

func (i *inbox) accept(c *Conn) (Receiver, error) {
	r := newRecorder(1000)
	r.conn = c
	i.conns <- r
	return r, nil
}

// serve runs a Router on a listener until the test ends.
func serve(t testing.TB, r *Router, l net.Listener) {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	t.Cleanup(func() {
		_ = r.Close()
		if err := wait(t, served, "the end of Serve"); !errors.Is(err, ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// dialMem opens a DEALER to a listener in memory and closes it when the test ends.
func dialMem(t testing.TB, l *memListener, cfg Config) (*Conn, *recorder) {
	t.Helper()
	recv := newRecorder(1000)
	c, err := Open(t.Context(), l.dial(), cfg, NewQueue(1000, 1<<20), nil, recv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(nil); <-c.finished })
	return c, recv
}

func octets(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// greet is a greeting of libzmq.
func greet() []byte {
	b := make([]byte, greetingSize)
	b[0], b[8], b[9], b[10], b[11] = 0xff, 1, 0x7f, 3, 1
	copy(b[mechanismAt:], "NULL")
	return b
}

func command(name, body string) []byte {
	var h [longHeader]byte
	b := frameHeader(&h, flagCommand, 1+len(name)+len(body))
	return append(append(append(b, byte(len(name))), name...), body...)
}

func message(frames ...string) []byte {
	var b []byte
	for i, f := range frames {
		var h [longHeader]byte
		flags := byte(flagMore)
		if i == len(frames)-1 {
			flags = 0
		}
		b = append(append(b, frameHeader(&h, flags, len(f))...), f...)
	}
	return b
}

func prop(name, value string) string { return string(metadata{{name, value}}.encode()) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// hello is everything that a peer of that socket type sends until the end of the handshake.
func hello(socketType, identity string) []byte {
	return join(greet(), command("READY", prop("Socket-Type", socketType)+prop("Identity", identity)))
}

func strs(frames [][]byte) []string {
	s := make([]string, len(frames))
	for i, f := range frames {
		s[i] = string(f)
	}
	return s
}

// allocated returns how many octets f allocates, of all goroutines.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// session is a recorded stream between a DEALER and a ROUTER of libzmq.
type session struct {
	Name     string     `json:"name"`
	Identity string     `json:"identity"`
	Sent     [][]string `json:"sent_by_client"`
	Received [][]string `json:"received_by_router"`
	Client   string     `json:"bytes_client_to_server"`
	Server   string     `json:"bytes_server_to_client"`
}

// sessions returns the recorded sessions with the NULL mechanism.
func sessions(t testing.TB) []session {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testbed.Root(), "testdata", "vectors", "zmtp_streams.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all, null []session
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if strings.HasPrefix(s.Name, "null") {
			null = append(null, s)
		}
	}
	if len(null) < 4 {
		t.Fatalf("%d recorded sessions, 4 are known", len(null))
	}
	return null
}

// readAll collects what arrives at one end until the other is closed.
func readAll(nc io.Reader) <-chan []byte {
	c := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(nc)
		c <- b
	}()
	return c
}

// handshakeWith makes the handshake in a bubble's fake time.
func handshakeWith(nc net.Conn, cfg Config, role string) (metadata, error) {
	result, err := handshake(context.Background(), nc, cfg.withDefaults(), zmq4.SocketType(role))
	return result.peer, err
}

// goroutines returns the stacks of goroutines that run code of this package.
func goroutines() []string {
	b := make([]byte, 1<<20)
	b = b[:runtime.Stack(b, true)]
	var ours []string
	for _, stack := range strings.Split(string(b), "\n\n") {
		if strings.Contains(stack, "internal/zmtp.") {
			ours = append(ours, stack)
		}
	}
	return ours
}
