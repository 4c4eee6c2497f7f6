package zmtp

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A mixture is pushed to a queue at random: messages of the application begin with 'a', the protocol's own with 'p'.
type mixture struct {
	*Queue
	rnd      *rand.Rand
	messages int // of the application's
	octets   int64
}

func (m *mixture) push(t *testing.T) {
	t.Helper()
	frames := [][]byte{[]byte("abc01")}
	switch m.rnd.IntN(12) {
	case 0:
		frames[0][0] = 'p'
		if _, _, err := m.PushAhead(Numbers{At: 3, Cycle: 65536}, frames[0]); err != nil {
			t.Fatal(err)
		}
		return
	case 1:
		frames[0] = append(bytes.Repeat([]byte{'p'}, 1+m.rnd.IntN(300)), "01"...)
		if err := m.PushControl(frames...); err != nil {
			t.Fatal(err)
		}
		return
	case 2:
		if err := m.pushCommand([]byte("\x04PING\x00\x00")); err != nil {
			t.Fatal(err)
		}
		return
	}
	for range m.rnd.IntN(3) {
		frames = append(frames, make([]byte, m.rnd.IntN(1+1<<m.rnd.IntN(17))))
	}
	push := m.Push
	if m.rnd.IntN(9) == 0 {
		push = func(frames ...[]byte) error { return m.PushCounted(nil, frames...) }
	}
	if err := push(frames...); err != nil {
		t.Fatal(err)
	}
	m.messages++
	m.octets += wireSize(frames)
}

// arrived counts the application's whole messages among octets, and their octets. Octets of a truncated message count in rest.
func arrived(octets []byte) (messages int, sum, rest int64) {
	for len(octets) > 0 {
		c, application := cursor{segments: []segment{{data: octets}}}, false
		for more, first := true, true; more; first = false {
			if left := len(octets) - c.at; left < 2 || octets[c.at]&flagLong != 0 && left < longHeader {
				return messages, sum, int64(len(octets))
			}
			flags, size := c.header()
			if uint64(len(octets)-c.at) < size {
				if first && size > 0 && c.at < len(octets) && octets[c.at] != 'a' {
					return messages, sum, 0
				}
				return messages, sum, int64(len(octets))
			}
			if first {
				application = flags&flagCommand == 0 && octets[c.at] == 'a'
			}
			c.skip(size)
			more = flags&flagMore != 0
		}
		if application {
			messages++
			sum += int64(c.at)
		}
		octets = octets[c.at:]
	}
	return messages, sum, 0
}

// TestLost closes queues at a random moment: with a writer in the middle of a message, in the middle of a chunk of small ones, or before
// there is a writer. Every message that did not get through whole is lost, and the protocol's own do not count.
func TestLost(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 9))
			m := &mixture{Queue: NewQueue(1<<20, 1<<40), rnd: rnd}
			if rnd.IntN(4) == 0 {
				m.Queue = NewInprocQueue(1<<20, 1<<40)
			}
			for range rnd.IntN(400) {
				m.push(t)
			}
			ours, theirs := memPair(1 + rnd.IntN(100_000))
			if err := m.attach(&Conn{queue: m.Queue, link: socket{ours}}, [][]byte{[]byte("p HELLO")}); err != nil {
				t.Fatal(err)
			}
			ended := write(m.Queue, ours)
			var got []byte
			for range rnd.IntN(400) {
				if rnd.IntN(2) == 0 {
					m.push(t)
				}
				if synctest.Wait(); rnd.IntN(3) == 0 {
					if some := make([]byte, rnd.IntN(len(ours.out.data)+1)); len(some) > 0 {
						n, _ := theirs.Read(some)
						got = append(got, some[:n]...)
					}
				}
				if rnd.IntN(20) == 0 {
					time.Sleep(time.Second) // fake time
				}
			}
			synctest.Wait()
			m.closeQueue(errTest, false)
			ours.Close()
			<-ended
			got = append(got, wait(t, readAll(theirs), "the rest")...)
			whole, octets, rest := arrived(got)
			messages, lost := m.Lost()
			if messages != m.messages-whole {
				t.Errorf("seed %d: of %d messages %d arrived, and %d are lost", seed, m.messages, whole, messages)
			}
			if want := m.octets - octets; lost != want && lost != want-rest {
				t.Errorf("seed %d: of %d bytes %d arrived, and %d of another message, and %d are lost", seed, m.octets, octets, rest, lost)
			}
		})
	}
}

// TestLostWithoutConnection closes a queue that no connection drains.
func TestLostWithoutConnection(t *testing.T) {
	for name, q := range map[string]*Queue{"tcp": NewQueue(10, 1000), "inproc": NewInprocQueue(10, 1000)} {
		for _, push := range []func(...[]byte) error{q.Push, q.PushControl, func(frames ...[]byte) error { return q.PushCounted(nil, frames...) }} {
			if err := push([]byte("four")); err != nil {
				t.Fatal(err)
			}
		}
		if messages, octets := q.Lost(); messages != 0 || octets != 0 {
			t.Errorf("%s: %d messages of %d bytes are lost before the end", name, messages, octets)
		}
		q.Close(nil)
		if messages, octets := q.Lost(); messages != 2 || octets != 12 {
			t.Errorf("%s: %d messages of %d bytes are lost, want 2 of 12", name, messages, octets)
		}
	}
}

// TestLostInproc ends a link within the process: what waits then is lost if the receiver ends it, and otherwise arrives.
func TestLostInproc(t *testing.T) {
	for _, test := range []struct {
		name string
		ends func(ours *Conn, theirs *recorder)
		lost int
	}{
		{"by us", func(c *Conn, _ *recorder) { c.Close(nil) }, 0},
		{"by the receiver", func(_ *Conn, r *recorder) { close(r.release) }, 98}, // two were taken
		{"by us, then by the receiver", func(c *Conn, r *recorder) { c.Close(nil); synctest.Wait(); close(r.release) }, 98},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				theirs := newRecorder(2)
				r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return theirs, nil })
				defer r.Close()
				q := NewInprocQueue(1000, 1<<20)
				for i := range 150 {
					push := q.Push
					if i%3 == 2 {
						push = q.PushControl
					}
					if err := push(nil); err != nil {
						t.Fatal(err)
					}
				}
				c, err := r.Link(Config{}, q, nil, nullReceiver{})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				test.ends(c, theirs)
				synctest.Wait()
				if messages, octets := q.Lost(); messages != test.lost || octets != 2*int64(test.lost) {
					t.Errorf("%d messages of %d bytes are lost, want %d of 2 each", messages, octets, test.lost)
				}
				for len(theirs.messages) > 0 {
					<-theirs.messages
					synctest.Wait()
				}
			})
		})
	}
}

// TestWaitSent waits for the application's messages, and not for the protocol's own.
func TestWaitSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(10, 1000)
		for range 3 {
			if err := q.PushControl([]byte("own")); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.WaitSent(t.Context()); err != nil {
			t.Errorf("with the protocol's own alone: %v", err)
		}
		if err := q.Push([]byte("message")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTest)
		defer cancel()
		if err := q.WaitSent(ctx); !errors.Is(err, errTest) {
			t.Errorf("with a message that waits: %v", err)
		}
		sent := make(chan error, 1)
		go func() { sent <- q.WaitSent(t.Context()) }()
		synctest.Wait()
		drain(t, q)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		q.Close(errTest)
		if err := q.WaitSent(t.Context()); !errors.Is(err, ErrQueueClosed) || !errors.Is(err, errTest) {
			t.Errorf("after the end: %v", err)
		}
	})
}
