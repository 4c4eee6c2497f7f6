package zmtp

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/internal/memory"
)

// A message must keep coming; how fast matters only while others wait for room.
func TestStall(t *testing.T) {
	const timeout = 30 * time.Second
	long := message("head", strings.Repeat("x", 2<<20))
	for _, test := range []struct {
		name  string
		short bool                                   // others wait for room
		send  func(nc *memConn, in <-chan *recorder) // what follows the handshake
		ends  time.Duration                          // at most this long after that; 0 for never
	}{
		{"nothing", false, func(*memConn, <-chan *recorder) {}, 0},
		{"whole messages, now and then", false, func(nc *memConn, _ <-chan *recorder) {
			for range 5 {
				nc.Write(message("small"))
				elapse(2 * timeout)
			}
		}, 0},
		{"half of a header", false, func(nc *memConn, _ <-chan *recorder) { nc.Write(long[:1]) }, timeout + busyTime + graceTime},
		{"a frame, and not the next", false, func(nc *memConn, _ <-chan *recorder) { nc.Write(message("head", "body")[:6]) }, timeout + busyTime + graceTime},
		{"half of a frame", false, func(nc *memConn, _ <-chan *recorder) { nc.Write(long[:1<<20]) }, timeout + busyTime + graceTime},
		{"half of a command", false, func(nc *memConn, _ <-chan *recorder) { nc.Write(command("PING", "\x00\x00context")[:5]) }, timeout + busyTime + graceTime},
		{"half of a frame behind whole messages", false, func(nc *memConn, _ <-chan *recorder) {
			nc.Write(join(message("small"), message("small"), long[:1<<20]))
		}, timeout + busyTime + graceTime},
		{"a byte now and then", false, func(nc *memConn, _ <-chan *recorder) {
			nc.Write(long[:1<<20])
			for range 20 {
				elapse(timeout * 9 / 10)
				nc.Write([]byte("x"))
			}
		}, 0},
		{"a byte now and then, and others wait", true, func(nc *memConn, _ <-chan *recorder) {
			for range 20 {
				elapse(timeout / 10)
				nc.Write([]byte("x"))
			}
		}, timeout + busyTime + graceTime},
		{"slow, and others wait", true, func(nc *memConn, _ <-chan *recorder) {
			for at := 1 << 20; at < len(long); at += 40 << 10 {
				elapse(time.Second)
				nc.Write(long[at:min(at+40<<10, len(long))])
			}
		}, 0},
		{"the receiver waits", false, func(nc *memConn, in <-chan *recorder) {
			for range 3 {
				nc.Write(message("small")) // there is room for one
			}
			nc.Write(long[:32<<10])
			elapse(3 * timeout)
			recv := <-in
			for range 3 {
				<-recv.messages
			}
			elapse(timeout / 2)
			nc.Write(long[32<<10:])
			<-recv.messages
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, in := newMemListener(), make(chan *recorder, 1)
				budget := NewReceiveBudget(8 << 20)
				r := NewRouter(Config{StallTimeout: timeout, ReceiveBudget: budget}, func(c *Conn) (Receiver, error) {
					recv := newRecorder(1)
					if !strings.HasPrefix(test.name, "the receiver") {
						recv = newRecorder(100)
					}
					recv.conn = c
					in <- recv
					return recv, nil
				})
				serve(t, r, l)
				nc := l.dial()
				defer nc.Close()
				nc.Write(hello("DEALER", "x"))
				synctest.Wait()
				if test.short {
					nc.Write(long[:1<<20]) // it has all its memory
					synctest.Wait()
					for range 2 { // the first exceeds the limit, the second waits
						go (&share{pool: &budget.peers}).await(100<<20, t.Context().Done())
						synctest.Wait()
					}
				}
				recv := <-in
				in <- recv
				begin := time.Now()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					test.send(nc, in)
				}()
				defer func() { <-sent }()
				if test.ends == 0 {
					<-sent
					synctest.Wait()
					if err := recv.conn.Err(); err != nil {
						t.Errorf("the connection was closed with %v, want it open", err)
					}
					return
				}
				<-recv.conn.Done()
				if err := recv.conn.Err(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) > test.ends {
					t.Errorf("closed with %v after %v", err, time.Since(begin))
				}
			})
		})
	}
}

// A process that was stopped finds its deadline passed before it reads what came meanwhile. That is no reason to end the connection.
func TestStoppedProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := message("head", strings.Repeat("x", 1<<20))
		src := &stoppedSource{parts: [][]byte{long[:100], nil, nil, long[100:]}}
		delivered := 0
		r := &reader{src: src, limits: &Limits{FrameSize: 2 << 20, MessageSize: 2 << 20, Frames: 10}, pace: pace{timeout: time.Minute},
			deliver: func([][]byte, memory.Origin) error { delivered++; return nil }}
		err := r.run()
		for err == errQuiet {
			err = r.run()
		}
		if err != io.EOF || delivered != 1 {
			t.Errorf("%d messages came, then %v", delivered, err)
		}
	})
}

// stoppedSource returns its parts, and for an empty one the error of a passed deadline.
type stoppedSource struct {
	parts    [][]byte
	deadline time.Time
}

func (s *stoppedSource) Read(p []byte) (int, error) {
	if len(s.parts) == 0 {
		return 0, io.EOF
	}
	if len(s.parts[0]) == 0 {
		s.parts = s.parts[1:]
		time.Sleep(time.Until(s.deadline)) // fake time
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, s.parts[0])
	if s.parts[0] = s.parts[0][n:]; len(s.parts[0]) == 0 {
		s.parts = s.parts[1:]
	}
	return n, nil
}

func (s *stoppedSource) SetReadDeadline(at time.Time) error { s.deadline = at; return nil }
