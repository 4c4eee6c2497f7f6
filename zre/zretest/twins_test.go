package zretest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// Two nodes on two hosts have one UUID. A third node keeps the one that it met first until that exits, and reports the conflict once. Then
// it meets the other one.
func TestTwoNodesWithOneUUID(t *testing.T) {
	runs := 30
	if underRace {
		runs = 6
	}
	for _, test := range []struct {
		name string
		end  func(host *zretest.Host, twin *zretest.Watched) error
		exit string
	}{
		{"the first closes", func(_ *zretest.Host, twin *zretest.Watched) error { return twin.Close() }, "Exit(first: left)"},
		{"the first crashes", func(host *zretest.Host, _ *zretest.Watched) error { host.Kill(); return nil }, "Exit(first: crashed)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			zretest.Run(t, runs, func(t *testing.T, lan *zretest.LAN) {
				r := lan.Rand()
				lan.SetLink(zretest.Link{Latency: time.Duration(r.Int64N(int64(20 * time.Millisecond)))})
				id := uuid.New()
				third := zretest.Start(t, lan.Host("10.0.0.3"), logged(t, zre.WithName("third"))...)
				advance(time.Duration(r.Int64N(int64(3 * time.Second))))
				home := lan.Host("10.0.0.1")
				first := zretest.Start(t, home, logged(t, zre.WithName("first"), zre.WithUUID(id))...)
				advance(time.Second + time.Duration(r.Int64N(int64(10*time.Second))))
				second := zretest.Start(t, lan.Host("10.0.0.2"), logged(t, zre.WithName("second"), zre.WithUUID(id))...)
				advance(quiet)
				if got := presenceEvents(third.Seen()); !slices.Equal(got, []string{"Enter(first)"}) {
					t.Errorf("in %v the third saw %d enters and exits: %v", quiet, len(got), got[:min(len(got), 8)])
				}
				if err := third.Whisper(t.Context(), id, []byte("x")); err != nil {
					t.Error(err)
				}
				advance(time.Second)
				if mine, others := textsOf(first.Seen(), third.UUID()), textsOf(second.Seen(), third.UUID()); len(mine) != 1 || len(others) != 0 {
					t.Errorf("the first got %d whispers, the second %d", len(mine), len(others))
				}
				if got := conflicts(third); len(got) != 1 || got[0].Solved || got[0].About != id.String() {
					t.Errorf("the third reported %d conflicts: %v", len(got), got)
				}

				before := len(third.Seen())
				if err := test.end(home, first); err != nil {
					t.Error(err)
				}
				advance(10 * time.Second)
				if got := presenceEvents(third.Seen()[before:]); !slices.Equal(got, []string{test.exit, "Enter(second)"}) {
					t.Errorf("when the first has ended: %v", got)
				}
				if got := conflicts(third); len(got) != 2 || !got[1].Solved {
					t.Errorf("the third reported %d conflicts: %v", len(got), got)
				}
				if p, ok := third.Peer(id); !ok || !strings.HasPrefix(p.Endpoint, "tcp://10.0.0.2:") {
					t.Errorf("the third sees %+v", p)
				}
			})
		})
	}
}

// conflicts lists the UUID conflicts that a node reported.
func conflicts(w *zretest.Watched) (list []zre.Problem) {
	for _, e := range w.Seen() {
		if p, ok := e.(zre.Problem); ok && p.Kind == zre.ProblemConflict {
			list = append(list, p)
		}
	}
	return list
}
