package zretest_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// An Observer sees the events that the application reads, by channel or iterator, in the same order, and leaves all to the application.
// Frames that the application recycles stay intact in the Observer.
func TestObserver(t *testing.T) {
	for _, byChannel := range []bool{true, false} {
		inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
			seen, twice := zretest.NewObserver(t, "app"), zretest.NewObserver(t, "app again")
			app, err := zre.NewNode(zre.WithNetwork(lan.Host("10.0.0.1")), seen.Option(), twice.Option())
			must(t, err)
			must(t, app.Join("G"))
			ctx, cancel := context.WithCancel(t.Context())
			var taken []zre.Event
			var taking sync.WaitGroup
			taking.Go(func() {
				take := func(event zre.Event) {
					taken = append(taken, event)
					if e, ok := event.(zre.Whisper); ok {
						e.Recycle()
					}
				}
				if byChannel {
					for event := range app.Events() {
						take(event)
					}
					return
				}
				for event := range app.AllEvents(ctx) {
					take(event)
				}
			})
			must(t, app.Start(t.Context()))
			b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"))
			must(t, b.Join("G"))
			zretest.Next[zre.Enter](b)
			if e := zretest.Next[zre.Enter](seen); e.Peer.Name != "b" {
				t.Errorf("%+v", e)
			}
			for i := range uint64(1000) {
				must(t, b.Whisper(t.Context(), app.UUID(), zretest.Number(i), make([]byte, 100)))
			}
			must(t, b.Shout(t.Context(), "G", []byte("last")))
			last := seen.Wait("the shout", func(e zre.Event) bool { s, ok := e.(zre.Shout); return ok && string(s.Frames[0]) == "last" })
			synctest.Wait()
			if whispers(seen.Seen(), b.UUID()) != 1000 || last.From().UUID != b.UUID() {
				t.Errorf("%d whispers were seen", whispers(seen.Seen(), b.UUID()))
			}
			for i, e := range slices.DeleteFunc(seen.Seen(), func(e zre.Event) bool { _, ok := e.(zre.Whisper); return !ok }) {
				if n, ok := zretest.ParseNumber(e.(zre.Whisper).Frames[0]); !ok || n != uint64(i) {
					t.Fatalf("whisper %d has number %d", i, n)
				}
			}
			cancel()
			must(t, app.Close())
			taking.Wait()
			if len(taken) != len(seen.Seen()) || len(taken) != len(twice.Seen()) {
				t.Errorf("%d events were taken, %d and %d seen", len(taken), len(seen.Seen()), len(twice.Seen()))
			}
			for i, e := range seen.Seen() {
				if e.From() != taken[i].From() {
					t.Fatalf("event %d is another one", i)
				}
			}
		})
	}
}

// An invalid order of events fails the test of an Observer, too.
func TestObserverChecks(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		failures := &failing{TB: t}
		seen := zretest.NewObserver(failures, "app")
		app := startUnread(t, lan.Host("10.0.0.1"), seen.Option())
		b := startUnread(t, lan.Host("10.0.0.2"))
		_, err := b.WaitFor(t.Context(), 1)
		must(t, err)
		for _, i := range []uint64{1, 2, 4} {
			must(t, b.Whisper(t.Context(), app.UUID(), zretest.Number(i)))
		}
		for event := range app.AllEvents(contextFor(t, time.Minute)) {
			if e, ok := event.(zre.Whisper); ok {
				if n, _ := zretest.ParseNumber(e.Frames[0]); n == 4 {
					break
				}
			}
		}
		if failures.count != 1 {
			t.Errorf("%d failures, want 1", failures.count)
		}
	})
}

// failing counts the failures of a test.
type failing struct {
	testing.TB
	count int
}

func (f *failing) Errorf(string, ...any) { f.count++ }
