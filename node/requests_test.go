package node

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Only the first reply of the peer that was asked counts. All others are dropped and counted, and are not whispers.
func TestStrayReplies(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{TCP, Inproc} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			port := beaconPort()
			config := func() Config { return onLoopback(port, Config{Transports: []string{TCP, transport}}) }
			a, b, c := start(t, config()), start(t, config()), start(t, config())
			for _, x := range []*testNode{b, c} {
				a.waitKind(Enter, x.UUID())
				x.waitKind(Enter, a.UUID())
			}
			call, err := a.StartRequest(t.Context(), b.UUID(), []byte("?"))
			if err != nil {
				t.Fatal(err)
			}
			request := b.waitKind(Request, a.UUID())
			var ticket Ticket
			if content := ticket.RequestOf(&request); len(content) != 1 || string(content[0]) != "?" {
				t.Errorf("the request has content %q, want ?", content)
			}
			reply := func(from *testNode, text string) {
				if err := from.Reply(t.Context(), a.UUID(), &ticket, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			stray := func(count uint64) {
				t.Helper()
				for began := time.Now(); a.Stats().Requests.Stray != count; {
					if time.Since(began) > patience {
						t.Fatalf("%d stray replies, want %d", a.Stats().Requests.Stray, count)
					}
					if err := a.Flush(t.Context(), b.UUID()); err != nil {
						t.Fatal(err)
					}
				}
			}
			reply(c, "of another peer")
			stray(1)
			reply(b, "first")
			reply(b, "second")
			stray(2)
			if frames, _, err := call.Result(); err != nil || string(frames[0]) != "first" {
				t.Errorf("the call returned %q, %v; want first", frames, err)
			}
			b.Fail(a.UUID(), &ticket, "third")
			b.Refuse(a.UUID(), &ticket)
			stray(4)
			ctx, cancel := context.WithCancel(t.Context())
			if call, err = a.StartRequest(ctx, b.UUID()); err != nil {
				t.Fatal(err)
			}
			cancel()
			if _, _, err := call.Result(); !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled call returned %v", err)
			}
			for _, text := range append(a.eventsOf(b.UUID()), a.eventsOf(c.UUID())...) {
				if text == "WHISPER:2f" || text == "?" {
					t.Errorf("the application got a stray reply as an event: %s", text)
				}
			}
			a.requests.mu.Lock()
			defer a.requests.mu.Unlock()
			if len(a.requests.waiting) != 0 || a.sessions[b.UUID()].calls != nil {
				t.Error("requests still wait after they have ended")
			}
		})
	}
}
