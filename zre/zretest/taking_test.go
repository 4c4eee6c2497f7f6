package zretest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// messages is how many wait in the tests below: more than the channel of Events holds.
const messages = 200

// withMessages runs a test in fake time with a node that has waiting messages from a peer.
func withMessages(t *testing.T, test func(t *testing.T, node *zre.Node)) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		node, err := zre.NewNode(zre.WithNetwork(lan.Host("10.0.0.1/24")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close() })
		if err := node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		sender := zretest.Start(t, lan.Host("10.0.0.2/24"))
		zretest.Next[zre.Enter](sender)
		for i := range messages {
			if err := sender.Whisper(t.Context(), node.UUID(), zretest.Number(uint64(i))); err != nil {
				t.Fatal(err)
			}
		}
		advance(time.Second)
		test(t, node)
	})
}

// After Close returns no event comes, even if many waited.
func TestNoEventAfterClose(t *testing.T) {
	for _, test := range []struct {
		name  string
		after func(t *testing.T, node *zre.Node) int // closes, and counts the events after that
	}{
		{"All, closed in the loop", func(t *testing.T, node *zre.Node) (after int) {
			closed := false
			for range node.AllEvents(t.Context()) {
				if closed {
					after++
					continue
				}
				node.Close()
				closed = true
			}
			return after
		}},
		{"All, closed elsewhere", func(t *testing.T, node *zre.Node) (after int) {
			closed := make(chan struct{})
			for range node.AllEvents(t.Context()) {
				select {
				case <-closed:
					after++
				default:
					go func() {
						node.Close()
						close(closed)
					}()
					<-closed
				}
			}
			return after
		}},
		{"All, closed between two loops", func(t *testing.T, node *zre.Node) (after int) {
			for range node.AllEvents(t.Context()) {
				break
			}
			node.Close()
			for range node.AllEvents(t.Context()) {
				after++
			}
			return after
		}},
		{"Events, none received", func(_ *testing.T, node *zre.Node) (after int) {
			events := node.Events()
			synctest.Wait() // until the channel is full
			node.Close()
			for range events {
				after++
			}
			return after
		}},
		{"Events, closed in the loop", func(_ *testing.T, node *zre.Node) (after int) {
			closed := false
			for range node.Events() {
				if closed {
					after++
					continue
				}
				synctest.Wait()
				node.Close()
				closed = true
			}
			return after
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			withMessages(t, func(t *testing.T, node *zre.Node) {
				if after := test.after(t, node); after > 0 {
					t.Errorf("%d events came after Close had returned", after)
				}
			})
		})
	}
}

// Two concurrent readers of events would share them at random. The second one panics, with a message that says what to do.
func TestTwoEventLoops(t *testing.T) {
	const again, afterEvents, beside = "run one at a time", "after Node.Events was called", "while a loop over Node.AllEvents"
	loop := func(ctx context.Context, node *zre.Node) {
		for range node.AllEvents(ctx) {
		}
	}
	for _, test := range []struct {
		name string
		want string // in the panic
		use  func(t *testing.T, node *zre.Node)
	}{
		{"All in two goroutines", again, func(t *testing.T, node *zre.Node) {
			go loop(t.Context(), node)
			synctest.Wait()
			loop(t.Context(), node)
		}},
		{"All within All", again, func(t *testing.T, node *zre.Node) {
			for range node.AllEvents(t.Context()) {
				loop(t.Context(), node)
			}
		}},
		{"All beside Events", afterEvents, func(t *testing.T, node *zre.Node) {
			node.Events()
			loop(t.Context(), node)
		}},
		{"Events beside All", beside, func(t *testing.T, node *zre.Node) {
			go loop(t.Context(), node)
			synctest.Wait()
			node.Events()
		}},
		{"Events within All", beside, func(t *testing.T, node *zre.Node) {
			for range node.AllEvents(t.Context()) {
				node.Events()
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			withMessages(t, func(t *testing.T, node *zre.Node) {
				defer node.Close()
				defer func() {
					text, _ := recover().(string)
					if !strings.HasPrefix(text, "zre: ") || !strings.Contains(text, test.want) {
						t.Errorf("the second loop panics with %q, want %q", text, test.want)
					}
				}()
				test.use(t, node)
			})
		})
	}
}

// Several readers can follow one another, and each continues where the last one stopped.
func TestEventLoopsInTurn(t *testing.T) {
	withMessages(t, func(t *testing.T, node *zre.Node) {
		number := uint64(0)
		take := func(event zre.Event) {
			if e, ok := event.(zre.Whisper); ok {
				if got, ok := zretest.ParseNumber(e.Frames[0]); !ok || got != number {
					t.Errorf("message %d came, want %d", got, number)
				}
				number++
			}
		}
		for range 10 {
			for event := range node.AllEvents(t.Context()) {
				take(event)
				break
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for event := range node.AllEvents(t.Context()) {
				take(event)
				break
			}
		}()
		<-done
		func() {
			defer func() { recover() }()
			for event := range node.AllEvents(t.Context()) {
				take(event)
				panic("in the body")
			}
		}()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for event := range node.AllEvents(ctx) {
			take(event)
			cancel()
		}
		events := node.Events()
		if node.Events() != events {
			t.Error("Events returned two channels")
		}
		for number < messages {
			take(<-events)
		}
		if err := node.Close(); err != nil {
			t.Error(err)
		}
		for range node.AllEvents(t.Context()) { // once no more events can come, this is no misuse
			t.Error("a closed node returned an event")
		}
	})
}
