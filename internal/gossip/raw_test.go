package gossip

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// raw is a DEALER that sends and receives whatever a test likes.
type raw struct {
	t        testing.TB
	conn     *zmtp.Conn
	messages chan [][]byte
	closed   chan error
	stop     func()
	stopped  chan struct{}
}

func dialRaw(t testing.TB, address string) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return openRaw(t, nc, 10000)
}

// openRaw makes a raw that has room for that many messages until it reads no more.
func openRaw(t testing.TB, nc net.Conn, room int) *raw {
	t.Helper()
	r := &raw{t: t, messages: make(chan [][]byte, room), closed: make(chan error, 1), stopped: make(chan struct{})}
	r.stop = sync.OnceFunc(func() { close(r.stopped) })
	var err error
	r.conn, err = zmtp.Open(context.Background(), nc, zmtp.Config{}, zmtp.NewQueue(10000, 1<<24), nil, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

func (r *raw) Receive(frames [][]byte) error {
	select {
	case r.messages <- frames:
	case <-r.stopped:
	}
	return nil
}

func (r *raw) Closed(err error) { r.closed <- err; close(r.closed) }

func (r *raw) close() {
	r.stop()
	r.conn.Close(nil)
	<-r.closed
}

func (r *raw) send(frames ...[]byte) {
	r.t.Helper()
	if err := r.conn.Queue().Push(frames...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) sendAll(messages ...Message) {
	r.t.Helper()
	for _, m := range messages {
		r.send(m.AppendTo(nil))
	}
}

func (r *raw) next() Message {
	r.t.Helper()
	select {
	case frames := <-r.messages:
		m, err := decode(frames)
		if err != nil {
			r.t.Fatal(err)
		}
		return m
	case <-time.After(patience):
		r.t.Fatal("no message came")
		panic("unreachable")
	}
}

func (r *raw) want(want Message) {
	r.t.Helper()
	if got := r.next(); got != want {
		r.t.Fatalf("got %+v, want %+v", got, want)
	}
}
