package outbox

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

var errTest = errors.New("a reason of the test")

// roomy is a Config with room for all that a test sends.
var roomy = Config{QueueMessages: 10_000, QueueBytes: 1 << 20, Inproc: true}

// A reader is the other end of an Outbox: it takes what the outbox sends, through the queue, once it may read.
type reader struct {
	got  chan string // for example "WHISPER 65534 text"
	read chan struct{}
	conn *zmtp.Conn // ours
}

func (r *reader) Receive(frames [][]byte) error {
	<-r.read
	var m msg.Message
	if err := m.Decode(frames, msg.Limits{}); err != nil {
		return err
	}
	s := fmt.Sprintf("%v %d", m.ID, m.Sequence)
	if len(m.Group) > 0 {
		s += " " + string(m.Group)
	}
	for _, frame := range m.Content {
		s += " " + string(frame)
	}
	r.got <- s
	return nil
}

func (r *reader) Closed(error) {}

// stopped drains the outbox's queue with a reader that does not read yet. It is for synctest bubbles.
func stopped(t *testing.T, o *Outbox) *reader {
	t.Helper()
	r := &reader{got: make(chan string, 10_000), read: make(chan struct{})}
	router := zmtp.NewRouter(zmtp.Config{}, func(*zmtp.Conn) (zmtp.Receiver, error) { return r, nil })
	conn, err := router.Link(zmtp.Config{}, o.Queue(), nil, r)
	if err != nil {
		t.Fatal(err)
	}
	r.conn = conn
	t.Cleanup(func() {
		o.Close(errTest)
		synctest.Wait() // what waits is delivered, to a reader that reads by now
		if err := router.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// start lets it read.
func (r *reader) start() *reader {
	close(r.read)
	return r
}

// expect takes what has come so far.
func (r *reader) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	var got []string
	for len(r.got) > 0 {
		got = append(got, <-r.got)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the peer got %q, want %q", got, want)
	}
}

// opened makes an outbox with a reader that reads. It counts how often the peer is dropped.
func opened(t *testing.T, cfg Config) (o *Outbox, r *reader, drops *atomic.Int32) {
	t.Helper()
	drops = new(atomic.Int32)
	cfg.Drop = func() { drops.Add(1) }
	o = New(cfg)
	return o, stopped(t, o).start(), drops
}

// whisper sends texts, one message each.
func whisper(t *testing.T, o *Outbox, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := send(o, text); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
}

func send(o *Outbox, text string) error {
	return o.Send(Target{}, &Content{Frames: [][]byte{[]byte(text)}, Size: int64(len(text))})
}

// isClosed tells whether a channel is closed, without waiting.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
