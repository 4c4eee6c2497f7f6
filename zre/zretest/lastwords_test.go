package zretest_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// Messages that a node sent before Close arrive, followed by its Exit, even on a slow network.
func TestMessagesBeforeClose(t *testing.T) {
	zretest.Run(t, 100, func(t *testing.T, lan *zretest.LAN) {
		r := lan.Rand()
		lan.SetLink(slowLink(r))
		_, nodes := startMeeting(t, lan, 2+r.IntN(3), zre.WithLinger(time.Minute))
		leaver := nodes[r.IntN(len(nodes))]
		count := uint64(r.IntN(500))
		payload := make([]byte, r.IntN(2_000))
		for n := range count {
			for _, peer := range nodes {
				if peer == leaver {
					continue
				}
				if err := leaver.Whisper(t.Context(), peer.UUID(), zretest.Number(n), payload); err != nil {
					t.Error(err)
				}
			}
		}
		if err := leaver.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, n := range nodes {
			if n == leaver {
				continue
			}
			events := slices.DeleteFunc(n.Seen(), func(e zre.Event) bool { return e.From().UUID != leaver.UUID() })
			words := uint64(0)
			for _, e := range events {
				if _, ok := e.(zre.Whisper); ok {
					words++
				}
			}
			exit, ok := events[len(events)-1].(zre.Exit)
			if words != count || !ok || exit.Reason != zre.ReasonLeft {
				t.Errorf("%s heard %d of %d whispers, and last %T (%v)", n.Name(), words, count, events[len(events)-1], exit.Reason)
			}
		}
	})
}

// slowLink is slow and loses nothing.
func slowLink(r *rand.Rand) zretest.Link {
	return zretest.Link{
		Latency:   time.Duration(r.Int64N(int64(100 * time.Millisecond))),
		Jitter:    time.Duration(r.Int64N(int64(20 * time.Millisecond))),
		Bandwidth: 100_000 + r.IntN(10_000_000),
	}
}
