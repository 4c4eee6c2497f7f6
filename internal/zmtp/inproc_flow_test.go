package zmtp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLinkStops has a Receiver close its connection while much is on its way.
func TestLinkStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := &closer{ended: make(chan error, 1)}
		r := NewRouter(Config{}, func(c *Conn) (Receiver, error) { theirs.conn = c; return theirs, nil })
		defer r.Close()
		q := NewInprocQueue(1000, 1<<20)
		for q.Push(nil) == nil {
		}
		if _, err := r.Link(Config{}, q, nil, nullReceiver{}); err != nil {
			t.Fatal(err)
		}
		if err := <-theirs.ended; err != errTest || theirs.got > countMessages {
			t.Errorf("closed with %v after %d messages", err, theirs.got)
		}
	})
}

type closer struct {
	conn  *Conn
	got   int
	ended chan error
}

func (c *closer) Receive([][]byte) error { c.got++; c.conn.Close(errTest); return nil }
func (c *closer) Closed(err error)       { c.ended <- err }

// TestLinkBackpressure checks that a Receive that waits fills the queue, to its bounds and not beyond, and that nothing is lost.
func TestLinkBackpressure(t *testing.T) {
	for name, test := range map[string]struct {
		messages int
		octets   int64
		fit      int
	}{"messages": {100, 1 << 30, 100}, "bytes": {1 << 30, 100_900 + 100*frameCost, 100}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				theirs := newRecorder(0)
				r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return theirs, nil })
				defer r.Close()
				q := NewInprocQueue(test.messages, test.octets)
				c, err := r.Link(Config{}, q, nil, nullReceiver{})
				if err != nil {
					t.Fatal(err)
				}
				sent := 0
				for q.Push(make([]byte, 1000)) == nil {
					sent++
					synctest.Wait()
				}
				if sent != test.fit {
					t.Errorf("%d messages went in, want %d", sent, test.fit)
				}
				if err := q.PushControl(nil); err != nil {
					t.Errorf("no room for a control message: %v", err)
				}
				for range sent + 1 {
					theirs.next(t)
				}
				<-q.Room()
				synctest.Wait()
				if n, octets := q.Depth(); n != 0 || octets != 0 {
					t.Errorf("depth when all was received: got %d messages, %d bytes, want none", n, octets)
				}
				c.Close(nil)
				theirs.end(t)
			})
		})
	}
}

// TestLinkRoomInBatch checks that a long batch makes room step by step, not only at its end.
func TestLinkRoomInBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := newRecorder(0)
		r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return theirs, nil })
		defer r.Close()
		defer close(theirs.release)
		q := NewInprocQueue(1000, 1<<30)
		for q.Push(nil) == nil {
		}
		room := q.Room()
		if _, err := r.Link(Config{}, q, nil, nullReceiver{}); err != nil {
			t.Fatal(err)
		}
		for range 600 {
			theirs.next(t)
		}
		synctest.Wait()
		select {
		case <-room:
		default:
			t.Error("no room after 600 of 1,000")
		}
		if n, _ := q.Depth(); n < 400 || n > 400+countMessages {
			t.Errorf("depth is %d when 400 wait", n)
		}
	})
}

// TestLinkFlush checks what Flush promises: everything pushed before is delivered, even if this side closes then and the other is slow.
func TestLinkFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := newRecorder(0)
		r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return theirs, nil })
		defer r.Close()
		q := NewInprocQueue(1000, 1<<20)
		_ = q.Push([]byte{0})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a link: %v", err)
		}
		flushed := make(chan error)
		go func() { flushed <- q.Flush(t.Context()) }()
		synctest.Wait()
		c, err := r.Link(Config{}, q, nil, nullReceiver{})
		if err != nil {
			t.Fatal(err)
		}
		if err := <-flushed; err != nil {
			t.Error(err)
		}
		synctest.Wait() // the first message is with the receiver now
		for i := range 99 {
			_ = q.Push([]byte{byte(i + 1)})
		}
		if err := q.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		c.Close(errTest)
		<-c.finished // which does not wait for the other side
		if err := q.Push(nil); !errors.Is(err, errTest) {
			t.Errorf("Push after Close: %v", err)
		}
		if n, octets := q.Depth(); n != 0 || octets != 0 {
			t.Errorf("depth is %d, %d after Close", n, octets)
		}
		for i := range 100 {
			if got := theirs.next(t); got[0][0] != byte(i) {
				t.Fatalf("message %d is %d", i, got[0][0])
			}
		}
		if err := theirs.end(t); err != io.EOF {
			t.Errorf("the ROUTER saw %v", err)
		}
	})
}

// TestLinkFrames sends frames of all kinds of lengths, changes what it pushed, and has the receiver change and extend what it got.
func TestLinkFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		in := newInbox()
		r := NewRouter(Config{}, in.accept)
		defer r.Close()
		c, _ := linkTo(t, r, Config{})
		theirs := <-in.conns
		var got, want [][][]byte
		buf := make([]byte, 1<<16)
		for i := range 2000 {
			frames := make([][]byte, 1+rnd.IntN(4))
			sent := make([][]byte, len(frames))
			rest := buf
			for j := range frames {
				n := rnd.IntN(min(1<<rnd.IntN(17), len(rest)))
				frames[j], rest = rest[:n], rest[n:]
				for k := range frames[j] {
					frames[j][k] = byte(i + j)
				}
				sent[j] = bytes.Clone(frames[j])
			}
			if err := push(c.Queue(), frames...); err != nil {
				t.Fatal(err)
			}
			want = append(want, sent)
			clear(buf)
			if rnd.IntN(20) == 0 {
				for len(got) < len(want) {
					got = append(got, theirs.next(t))
				}
				elapse(time.Duration(rnd.IntN(100)) * time.Millisecond)
			}
		}
		for len(got) < len(want) {
			got = append(got, theirs.next(t))
		}
		for i := range want {
			if !slices.EqualFunc(got[i], want[i], bytes.Equal) {
				t.Fatalf("message %d of %d frames is wrong", i, len(want[i]))
			}
			for _, frame := range got[i] {
				clear(frame)
				_ = append(frame, 255, 255, 255)
			}
			_ = append(got[i], []byte("no neighbour's"))
		}
	})
}

// TestLargeFramesAreNotShared pushes one large frame to several receivers, one of which changes it.
func TestLargeFramesAreNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox()
		r := NewRouter(Config{}, in.accept)
		defer r.Close()
		frame := bytes.Repeat([]byte{'a'}, LargeFrame)
		socket := NewQueue(1, 1)
		_ = socket.Push(frame)
		for range 2 {
			c, _ := linkTo(t, r, Config{})
			_ = c.Queue().Push([]byte("header"), frame)
		}
		one, other := (<-in.conns).next(t)[1], (<-in.conns).next(t)[1]
		clear(one)
		if other[0] != 'a' || frame[0] != 'a' || &one[0] == &frame[0] {
			t.Error("receivers share a frame")
		}
		if !bytes.Equal(drain(t, socket), message(string(frame))) {
			t.Error("the socket's queue has something else")
		}
	})
}

// TestLinkOrder has several goroutines push both ways through small queues, and checks the order for each.
func TestLinkOrder(t *testing.T) {
	const pushers, each = 4, 5000
	newSequences := func() *sequences { return &sequences{want: pushers * each, done: make(chan struct{})} }
	mine, theirs := newSequences(), newSequences()
	conns := make(chan *Conn, 1)
	r := NewRouter(Config{}, func(c *Conn) (Receiver, error) { conns <- c; return theirs, nil })
	defer r.Close()
	c, err := r.Link(Config{}, NewInprocQueue(50, 1<<20), nil, mine)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, q := range []*Queue{c.Queue(), wait(t, conns, "a connection").Queue()} {
		for p := range pushers {
			all.Go(func() {
				large := make([]byte, LargeFrame)
				for i := range each {
					frames := [][]byte{{byte(p)}, {byte(i >> 8), byte(i)}, make([]byte, i%3000)}
					if i%500 == 0 {
						frames = append(frames, large)
					}
					if err := push(q, frames...); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	all.Wait()
	wait(t, mine.done, "the last message")
	wait(t, theirs.done, "the last message")
	if mine.bad+theirs.bad > 0 {
		t.Errorf("%d messages out of order", mine.bad+theirs.bad)
	}
}

// sequences checks the order of several senders' messages, each with its own numbers.
type sequences struct {
	nullReceiver
	next           [256]int
	got, want, bad int
	done           chan struct{}
}

func (s *sequences) Receive(frames [][]byte) error {
	from, n := frames[0][0], int(frames[1][0])<<8|int(frames[1][1])
	if n != s.next[from] || len(frames[2]) != n%3000 || len(frames) != 3 && n%500 != 0 {
		s.bad++
	}
	s.next[from]++
	if s.got++; s.got == s.want {
		close(s.done)
	}
	return nil
}

// TestLinkNoDeadlock has both Receivers push to the other side, and in the end close it, from within Receive.
func TestLinkNoDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, theirs := &player{ended: make(chan error, 1)}, &player{ended: make(chan error, 1)}
		r := NewRouter(Config{}, func(c *Conn) (Receiver, error) { theirs.conn = c; return theirs, nil })
		first := func(c *Conn) ([][]byte, error) { mine.conn = c; return nil, nil }
		if _, err := r.Link(Config{}, NewInprocQueue(2, 100), first, mine); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mine.other, theirs.other = theirs.conn, mine.conn
		_ = mine.conn.Queue().Push([]byte{0})
		<-mine.ended
		<-theirs.ended
		if mine.got+theirs.got < 100 {
			t.Errorf("only %d and %d messages", mine.got, theirs.got)
		}
		r.Close()
	})
}

// player returns each message, and more while there is room; after 100 it closes both ends.
type player struct {
	conn, other *Conn
	got         int
	ended       chan error
}

func (p *player) Receive(frames [][]byte) error {
	if p.got++; p.got == 100 {
		p.other.Close(errTest)
		p.conn.Queue().Close(errTest)
	}
	for p.conn.Queue().Push(frames...) == nil {
	}
	return nil
}

func (p *player) Closed(err error) { p.ended <- err }
