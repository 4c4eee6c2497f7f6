package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// screen is what a program has printed since it was last looked at.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) look() string {
	synctest.Wait() // until all that is due now has happened
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.text.Reset()
	return strings.TrimSpace(s.text.String())
}

// Two programs are cut off from each other, and both are changed. When they meet again they agree. It takes minutes, which pass in
// milliseconds.
func TestPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t)
		ctx, end := context.WithCancel(t.Context())
		var programs sync.WaitGroup
		start := func(name string, host *zretest.Host) (chan<- string, *screen) {
			lines, out := make(chan string), new(screen)
			programs.Go(func() {
				if err := share(ctx, lines, out, zre.WithNetwork(host), zre.WithName(name)); err != nil {
					t.Error(err)
				}
			})
			return lines, out
		}
		defer programs.Wait()
		defer end()
		expect := func(when string, out *screen, want string) {
			t.Helper()
			if got := out.look(); got != want {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
		}

		kitchen, cellar := lan.Host("10.0.0.1"), lan.Host("10.0.0.2")
		alice, seenByAlice := start("alice", kitchen)
		bob, seenByBob := start("bob", cellar)
		time.Sleep(2 * time.Second)
		alice <- "5"
		time.Sleep(time.Second)
		expect("together", seenByBob, `"alice" set "5"`)

		lan.Partition(cellar)
		alice <- "6"
		bob <- "7"
		time.Sleep(20 * time.Second)
		expect("in a cut that may be short", seenByAlice, "")
		time.Sleep(20 * time.Second) // the expired timeout is 30 s
		expect("in a long cut", seenByAlice, `"bob" is gone: expired`)
		expect("in a long cut", seenByBob, `"alice" is gone: expired`)

		lan.Heal()
		time.Sleep(time.Minute)
		expect("healed", seenByAlice, `"bob" set "7"`) // both had version 2: the greater value wins
		expect("healed", seenByBob, "")
	})
}
