package zretest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A PING takes one round trip, on each transport. A PING to a host that is cut off takes until the context ends.
func TestPing(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		here, there := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
		a := zretest.Start(t, here, zre.WithName("a"))
		for name, host := range map[string]*zretest.Host{"inproc": here, "ipc": here.Process(), "tcp": there} {
			zretest.Start(t, host, zre.WithName(name))
		}
		advance(time.Second)
		var far *zre.Peer
		for _, p := range a.Peers() {
			want := map[string]time.Duration{"tcp": 2 * time.Millisecond, "ipc": 2 * 20 * time.Microsecond}[p.Transport]
			if p.Transport == "tcp" {
				far = p
			}
			for range 3 {
				if got, err := a.Ping(t.Context(), p.UUID); err != nil || got != want {
					t.Errorf("%s answers after %v, %v; want %v", p.Name, got, err, want)
				}
			}
		}
		there.Freeze()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := a.Ping(ctx, far.UUID); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// A peer whose application reads nothing reads no PING once its event queue is full, and answers when the application continues.
func TestPingOfBusyApplication(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"))
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"), zre.WithLimits(zre.Limits{Events: 10}))
		zretest.Next[zre.Enter](a)
		zretest.Next[zre.Enter](b)
		b.Pause()
		for i := range uint64(100) {
			if err := a.Whisper(t.Context(), b.UUID(), zretest.Number(i)); err != nil {
				t.Fatal(err)
			}
		}
		advance(time.Second)
		answer := make(chan time.Duration)
		go func() {
			took, err := a.Ping(t.Context(), b.UUID())
			if err != nil {
				t.Error(err)
			}
			answer <- took
		}()
		advance(3 * time.Second)
		b.Resume()
		if took := <-answer; took < 3*time.Second {
			t.Errorf("the answer took %v", took)
		}
	})
}
