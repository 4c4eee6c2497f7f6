package zretest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// While a node is paused no event is read: the queues of both nodes hold as many messages as their limits say, not one more.
func TestPauseReadsNothing(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		const room = 300
		host := lan.Host("10.0.0.1")
		a := zretest.Start(t, host, zre.WithName("a"), zre.WithLimits(zre.Limits{QueueMessages: room}))
		b := zretest.Start(t, host, zre.WithName("b"), zre.WithLimits(zre.Limits{Events: room}))
		zretest.Next[zre.Enter](a)
		zretest.Next[zre.Enter](b)
		sent := 0
		for round := range 2 {
			advance(time.Second)
			b.Pause()
			b.Pause() // changes nothing
			before := len(b.Seen())
			fits, err := 0, error(nil)
			for ctx := contextFor(t, time.Second); ; fits++ {
				if err = a.Whisper(ctx, b.UUID(), []byte("x")); err != nil {
					break
				}
			}
			sent += fits
			if !errors.Is(err, zre.ErrPeerBusy) {
				t.Fatal(err)
			}
			if fits != 2*room {
				t.Errorf("round %d: %d messages found room, want %d", round, fits, 2*room)
			}
			if seen := len(b.Seen()); seen != before {
				t.Errorf("round %d: %d events were taken", round, seen-before)
			}
			b.Resume()
			b.Resume() // likewise
			advance(time.Second)
			if got := whispers(b.Seen(), a.UUID()); got != sent {
				t.Errorf("round %d: it got %d of %d messages", round, got, sent)
			}
		}
	})
}
