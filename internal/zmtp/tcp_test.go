package zmtp

import (
	"bytes"
	"net"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestTCP sends messages of all lengths both ways over real connections, concurrently.
func TestTCP(t *testing.T) {
	const peers, rounds = 4, 60
	in := newInbox()
	l := listen(t)
	serve(t, NewRouter(Config{}, in.accept), l)
	done := make(chan struct{})
	for p := range peers {
		go func() {
			defer func() { done <- struct{}{} }()
			c, mine := dialTCP(t, l, Config{Identity: []byte{1, byte(p)}})
			for i := range rounds {
				sent := [][]byte{{byte(i)}, bytes.Repeat([]byte{byte(i)}, 1<<(i%21)), nil}
				if err := push(c.Queue(), sent...); err != nil {
					t.Error(err)
				}
				back := mine.next(t)
				if len(back) != 3 || !bytes.Equal(back[0], sent[0]) || !bytes.Equal(back[1], sent[1]) || len(back[2]) > 0 {
					t.Errorf("round %d of peer %d came back changed", i, p)
				}
			}
		}()
	}
	for range peers {
		theirs := wait(t, in.conns, "a connection")
		go func() {
			for {
				select {
				case frames := <-theirs.messages:
					_ = push(theirs.conn.Queue(), frames...)
				case <-theirs.conn.Done():
					return
				}
			}
		}()
	}
	for range peers {
		wait(t, done, "a peer's end")
	}
}

// TestOrderUnderLoad sends many messages through a small queue.
func TestOrderUnderLoad(t *testing.T) {
	const messages = 100_000
	l := listen(t)
	got := &sequence{want: messages, done: make(chan struct{})}
	serve(t, NewRouter(Config{}, func(*Conn) (Receiver, error) { return got, nil }), l)
	c, _ := dialTCP(t, l, Config{})
	large := make([]byte, LargeFrame)
	for i := range messages {
		frames := [][]byte{{byte(i >> 16), byte(i >> 8), byte(i)}, []byte("body")}
		if i%500 == 0 {
			frames = append(frames, large)
		}
		if err := push(c.Queue(), frames...); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, got.done, "the last message")
	if got.bad != 0 {
		t.Errorf("%d messages out of order", got.bad)
	}
}

type sequence struct {
	nullReceiver
	want, next, bad int
	done            chan struct{}
}

func (s *sequence) Receive(frames [][]byte) error {
	if n := int(frames[0][0])<<16 | int(frames[0][1])<<8 | int(frames[0][2]); n != s.next {
		s.bad++
	}
	if s.next++; s.next == s.want {
		close(s.done)
	}
	return nil
}

// push waits for room.
func push(q *Queue, frames ...[]byte) error {
	err := q.Push(frames...)
	for err == ErrFull {
		<-q.Room()
		err = q.Push(frames...)
	}
	return err
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dialTCP(t testing.TB, l net.Listener, cfg Config) (*Conn, *recorder) {
	t.Helper()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	recv := newRecorder(1000)
	c, err := Open(t.Context(), nc, cfg, NewQueue(1000, 1<<20), nil, recv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(nil); <-c.finished })
	return c, recv
}

// TestNoGoroutineLeft counts goroutines before and after some traffic over TCP.
func TestNoGoroutineLeft(t *testing.T) {
	before := goroutines()
	in := newInbox()
	l := listen(t)
	r := NewRouter(Config{}, in.accept)
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	var conns []*Conn
	for i := range 10 {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // says nothing
			defer nc.Close()
			continue
		}
		c, err := Open(t.Context(), nc, Config{Identity: []byte{byte(i % 4)}}, NewQueue(10, 1000), nil, nullReceiver{})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Queue().Push([]byte("x"))
		conns = append(conns, c)
	}
	wait(t, in.conns, "a connection")
	_ = r.Close()
	<-served
	for _, c := range conns {
		c.Close(nil)
		<-c.finished
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		after := goroutines()
		if reflect.DeepEqual(after, before) || len(after) <= len(before) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, after:\n%s", len(before), strings.Join(after, "\n\n"))
		}
	}
}

// TestIdleMemory measures what an idle connection holds, heap and stacks: a new one, and one after a burst of traffic.
func TestIdleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector needs memory of its own")
	}
	const pairs = 200
	l := listen(t)
	got := &counter{want: 2000 * pairs, done: make(chan struct{})}
	serve(t, NewRouter(Config{}, func(*Conn) (Receiver, error) { return got, nil }), l)
	before := inUse()
	var conns []*Conn
	for range pairs {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := Open(t.Context(), nc, Config{}, NewQueue(1000, 1<<20), nil, nullReceiver{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(nil); <-c.finished })
		conns = append(conns, c)
	}
	fresh := (inUse() - before) / (2 * pairs)
	for _, c := range conns {
		for range 2000 {
			if err := push(c.Queue(), []byte("header"), make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
	}
	wait(t, got.done, "the last message")
	var idle uint64
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); { // the large buffers have a second
		if idle = (inUse() - before) / (2 * pairs); idle < 6<<10 {
			break
		}
	}
	t.Logf("bytes for a connection: fresh %d, idle after a burst %d", fresh, idle)
	if fresh > 6<<10 || idle > 6<<10 {
		t.Errorf("bytes for a connection: fresh %d, idle after a burst %d; at most 6 KiB are right", fresh, idle)
	}
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
