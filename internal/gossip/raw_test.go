package gossip

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// rawClient is a DEALER that sends and receives whatever a test likes.
type rawClient struct {
	t        testing.TB
	conn     *zmtp.Conn
	messages chan [][]byte
	closed   chan error
	stop     func()
	stopped  chan struct{}
}

func dialRaw(t testing.TB, address string) *rawClient {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return openRaw(t, nc, 10000)
}

// openRaw makes a rawClient that has room for that many messages until it reads no more.
func openRaw(t testing.TB, nc net.Conn, room int) *rawClient {
	t.Helper()
	r := &rawClient{t: t, messages: make(chan [][]byte, room), closed: make(chan error, 1), stopped: make(chan struct{})}
	r.stop = sync.OnceFunc(func() { close(r.stopped) })
	var err error
	r.conn, err = zmtp.Open(context.Background(), nc, zmtp.Config{}, zmtp.NewQueue(10000, 1<<24), nil, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

func (r *rawClient) Receive(frames [][]byte) error {
	select {
	case r.messages <- frames:
	case <-r.stopped:
	}
	return nil
}

func (r *rawClient) Closed(err error) { r.closed <- err; close(r.closed) }

func (r *rawClient) close() {
	r.stop()
	r.conn.Close(nil)
	<-r.closed
}

func (r *rawClient) send(frames ...[]byte) {
	r.t.Helper()
	if err := r.conn.Queue().Push(frames...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rawClient) sendAll(messages ...Message) {
	r.t.Helper()
	for _, m := range messages {
		r.send(m.AppendTo(nil))
	}
}

func (r *rawClient) next() Message {
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

func (r *rawClient) want(want Message) {
	r.t.Helper()
	if got := r.next(); got != want {
		r.t.Fatalf("got %+v, want %+v", got, want)
	}
}
