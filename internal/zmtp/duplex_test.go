package zmtp

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"testing"
)

// unixPair listens on a unix socket and gives a connection to it.
func unixPair(t *testing.T) (net.Listener, net.Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l, nc
}

// A switcher is a recorder that does something with the connection before it takes its first message.
type switcher struct {
	*recorder
	do func(*Conn)
}

func (s *switcher) Receive(frames [][]byte) error {
	if s.do != nil {
		s.do(s.conn)
		s.do = nil
	}
	return s.recorder.Receive(frames)
}

func expectMessages(t *testing.T, r *recorder, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := strs(r.next(t)); len(got) != 1 || got[0] != w {
			t.Fatalf("got %q, want %q", got, w)
		}
	}
}

// Both ends hold back their messages, and continue with their own queues when the other has sent something.
func TestAdopt(t *testing.T) {
	mine, theirs := NewQueue(10, 1000), NewQueue(10, 1000)
	for _, err := range []error{mine.Push([]byte("mine")), theirs.Push([]byte("theirs"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l, nc := unixPair(t)
	accepted := make(chan *switcher, 1)
	adopt := func(q *Queue, first ...[]byte) func(*Conn) {
		return func(c *Conn) {
			for range 100 { // what is in the connection's own queue comes first, though it may not be written yet
				_ = c.Queue().Push([]byte("before"))
			}
			if err := c.Adopt(q, first, nil); err != nil {
				t.Error(err)
			}
			if c.Queue() != q {
				t.Error("the queue is another one")
			}
			if err := c.Adopt(q, nil, nil); err == nil {
				t.Error("it adopts a queue twice")
			}
		}
	}
	serve(t, NewRouter(Config{}, func(c *Conn) (Receiver, error) {
		s := &switcher{newRecorder(1000), adopt(theirs, []byte("welcome"))}
		s.conn = c
		accepted <- s
		return s, nil
	}), l)
	here := &switcher{newRecorder(1000), adopt(mine)}
	c, err := Open(t.Context(), nc, Config{}, mine, func(c *Conn) ([][]byte, error) {
		here.conn = c
		c.OwnQueue()
		return [][]byte{[]byte("hello")}, nil
	}, here)
	if err != nil {
		t.Fatal(err)
	}
	there := wait(t, accepted, "a connection")
	expectMessages(t, there.recorder, "hello")
	for range 100 {
		expectMessages(t, here.recorder, "before")
	}
	expectMessages(t, here.recorder, "welcome", "theirs")
	for range 100 {
		expectMessages(t, there.recorder, "before")
	}
	expectMessages(t, there.recorder, "mine")
	if err := theirs.Push([]byte("more")); err != nil {
		t.Fatal(err)
	}
	expectMessages(t, here.recorder, "more")

	theirs.Close(errTest)
	if err := there.end(t); err != errTest {
		t.Errorf("there it ends with %v", err)
	}
	if err := here.end(t); err != io.EOF {
		t.Errorf("here it ends with %v", err)
	}
	if err := c.Adopt(NewQueue(1, 1), nil, nil); err == nil {
		t.Error("a closed connection adopts a queue")
	}
}

// What a peer sent before it hung up is read, though a write to it has failed meanwhile.
func TestKeepReading(t *testing.T) {
	const messages = 1000
	l, nc := unixPair(t)
	in := newInbox()
	serve(t, NewRouter(Config{}, in.accept), l)
	broken := make(chan error, 1)
	here := newRecorder(0)
	q := NewQueue(10, 1000)
	if _, err := Open(t.Context(), nc, Config{}, q, func(c *Conn) ([][]byte, error) {
		c.KeepReading(func(err error) { broken <- err })
		return nil, nil
	}, here); err != nil {
		t.Fatal(err)
	}
	there := wait(t, in.conns, "a connection")
	for i := range messages {
		if err := there.conn.Queue().Push([]byte(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := there.conn.Queue().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	there.conn.Close(nil)
	there.end(t)
	for err := q.Push([]byte("x")); err == nil; err = q.Push([]byte("x")) {
		<-q.Drained()
	}
	if err := wait(t, broken, "the word that a write failed"); err == nil {
		t.Error("onWriteError got no error")
	}
	for i := range messages {
		expectMessages(t, here, strconv.Itoa(i))
	}
	if err := here.end(t); err == nil {
		t.Error("the connection ended without an error")
	}
}
