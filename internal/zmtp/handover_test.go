package zmtp

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// waiter is a Receiver that waits in Receive, as for an application that reads nothing.
type waiter struct {
	log     func(string)
	conn    *Conn
	waiting chan struct{}
	stuck   chan struct{} // if not nil, Receive heeds this instead of Done
}

func (w *waiter) Receive([][]byte) error {
	close(w.waiting)
	if w.stuck != nil {
		<-w.stuck
	} else {
		<-w.conn.Done()
	}
	return errTest
}

func (w *waiter) Closed(err error) { w.log(fmt.Sprintf("closed %s: %v", w.conn.Property("X-Nr"), err)) }

// eventLog records events in order.
type eventLog struct {
	mu    sync.Mutex
	lines []string
}

func (d *eventLog) log(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *eventLog) check(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("happened:\n%s\nwant:\n%s", strings.Join(d.lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestHandover(t *testing.T) {
	numbered := func(nr string) Config {
		return Config{Identity: []byte("me"), Properties: map[string]string{"X-Nr": nr}}
	}
	t.Run("Receive heeds Done", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var d eventLog
			l, waiters := newMemListener(), make(chan *waiter, 10)
			r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
				d.log("accepted " + c.Property("X-Nr"))
				w := &waiter{log: d.log, conn: c, waiting: make(chan struct{})}
				waiters <- w
				return w, nil
			})
			serve(t, r, l)
			begin := time.Now()
			for _, nr := range []string{"1", "2", "3"} {
				c, recv := dialMem(t, l, numbered(nr))
				w := <-waiters
				_ = c.Queue().Push([]byte("x"))
				<-w.waiting
				t.Cleanup(func() {
					if err := recv.end(t); err != io.EOF {
						t.Errorf("%s ended with %v", nr, err)
					}
				})
			}
			if time.Since(begin) != 0 {
				t.Error("handover took time")
			}
			synctest.Wait()
			d.check(t, "accepted 1", "closed 1: "+ErrReplaced.Error(), "accepted 2", "closed 2: "+ErrReplaced.Error(), "accepted 3")
			r.Close()
		})
	})
	t.Run("Receive is stuck", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var d eventLog
			l, stuck := newMemListener(), make(chan struct{})
			waiters := make(chan *waiter, 10)
			r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
				d.log("accepted " + c.Property("X-Nr"))
				w := &waiter{log: d.log, conn: c, waiting: make(chan struct{}), stuck: stuck}
				waiters <- w
				return w, nil
			})
			serve(t, r, l)
			c1, _ := dialMem(t, l, numbered("1"))
			w := <-waiters
			_ = c1.Queue().Push([]byte("x"))
			<-w.waiting
			begin := time.Now()
			_, second := dialMem(t, l, numbered("2"))
			synctest.Wait()
			_, third := dialMem(t, l, numbered("3"))
			other := numbered("other")
			other.Identity = []byte("other")
			_, _ = dialMem(t, l, other)
			<-waiters
			if time.Since(begin) != 0 {
				t.Error("another peer had to wait")
			}
			second.end(t) // replaced by the third while it waited
			if time.Since(begin) != 0 {
				t.Error("a replaced connection had to wait")
			}
			third.end(t) // refused
			if took := time.Since(begin); took != 5*time.Second {
				t.Errorf("the third was refused after %v", took)
			}
			_, _ = dialMem(t, l, numbered("4"))
			elapse(time.Second)
			close(stuck)
			<-waiters
			synctest.Wait()
			d.check(t, "accepted 1", "accepted other", "closed 1: "+ErrReplaced.Error(), "accepted 4")
			r.Close()
		})
	})
	t.Run("during accept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, enter, leave := newMemListener(), make(chan *recorder), make(chan struct{})
			r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
				recv := newRecorder(1)
				enter <- recv
				<-leave
				return recv, nil
			})
			serve(t, r, l)
			_, _ = dialMem(t, l, numbered("1"))
			first := <-enter
			_, _ = dialMem(t, l, numbered("2"))
			synctest.Wait()
			leave <- struct{}{}
			if err := first.end(t); err != ErrReplaced {
				t.Errorf("the older connection ended with %v, want ErrReplaced", err)
			}
			<-enter
			close(leave)
		})
	})
	t.Run("no identity", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, in := newMemListener(), newInbox()
			serve(t, NewRouter(Config{}, in.accept), l)
			_, _ = dialMem(t, l, Config{})
			first := <-in.conns
			_, _ = dialMem(t, l, Config{})
			<-in.conns
			synctest.Wait()
			if first.conn.Err() != nil {
				t.Error("peers without identity replace each other")
			}
		})
	})
}

// TestRouterCloseDuringHandover closes while one connection waits for another to end.
func TestRouterCloseDuringHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d eventLog
		l, stuck := newMemListener(), make(chan struct{})
		waiting := make(chan struct{})
		r := NewRouter(Config{}, func(c *Conn) (Receiver, error) {
			return &waiter{log: d.log, conn: c, waiting: waiting, stuck: stuck}, nil
		})
		serve(t, r, l)
		c, _ := dialMem(t, l, Config{Identity: []byte("x")})
		_ = c.Queue().Push(nil)
		<-waiting
		_, _ = dialMem(t, l, Config{Identity: []byte("x")})
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- r.Close() }()
		synctest.Wait()
		close(stuck)
		<-closed
		d.check(t, "closed : "+ErrReplaced.Error())
	})
}
