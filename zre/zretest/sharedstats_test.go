package zretest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// Nodes show their figures on each transport to nodes that ask. The figures per peer match the peer's own. A peer is answered once a second.
func TestSharedStats(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		here := lan.Host("10.0.0.1")
		shares := zretest.Start(t, here, zre.WithName("shares"), zre.WithSharedStats())
		others := []*zretest.Watched{
			zretest.Start(t, here, zre.WithName("inproc")),
			zretest.Start(t, here.Process(), zre.WithName("ipc")),
			zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("tcp")),
		}
		advance(time.Second)
		for i, o := range others {
			for range i + 1 {
				if err := shares.Whisper(t.Context(), o.UUID(), []byte("12345")); err != nil {
					t.Fatal(err)
				}
			}
			if err := o.Whisper(t.Context(), shares.UUID(), []byte("123")); err != nil {
				t.Fatal(err)
			}
		}
		advance(2 * time.Second)
		for _, o := range others {
			name := o.Name()
			began := time.Now()
			st, err := o.SharedStats(t.Context(), shares.UUID())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if st.Sent != (zre.Traffic{Whispers: 6, Bytes: 30}) || st.Received != (zre.Traffic{Whispers: 3, Bytes: 9}) || st.Peers != 3 || len(st.Busiest) != 3 {
				t.Errorf("%s: %+v", name, st)
			}
			if st.Uptime < 2*time.Second || st.Uptime > 5*time.Second {
				t.Errorf("%s: up for %v", name, st.Uptime)
			}
			if st.Busiest[0].UUID != others[2].UUID() || st.Busiest[0].SentMessages != 3 || st.Busiest[0].SentBytes != 15 || st.Busiest[0].ReceivedMessages != 1 {
				t.Errorf("%s: the busiest is %+v", name, st.Busiest[0])
			}
			if d := time.Since(began); d > 100*time.Millisecond {
				t.Errorf("%s: answered after %v", name, d)
			}
			if _, err := o.SharedStats(t.Context(), shares.UUID()); err != nil {
				t.Errorf("%s again: %v", name, err)
			}
			if d := time.Since(began); d < time.Second || d > 1100*time.Millisecond {
				t.Errorf("%s: answered again after %v, want a second", name, d)
			}
			if _, err := shares.SharedStats(t.Context(), o.UUID()); !errors.Is(err, zre.ErrStatsNotShared) {
				t.Errorf("%s does not share: %v", name, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := shares.SharedStats(ctx, uuid.New()); !errors.Is(err, zre.ErrUnknownPeer) {
			t.Errorf("of an unknown peer: %v, want ErrUnknownPeer", err)
		}
	})
}

// Of many peers, those that are busy now are shown, not those that were busy earlier.
func TestSharedStatsBusiest(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		shares := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithSharedStats())
		var peers []*zretest.Watched
		for i := range 70 {
			peers = append(peers, zretest.Start(t, lan.Host(fmt.Sprintf("10.0.0.%d", i+2))))
		}
		advance(3 * time.Second)
		say := func(to []*zretest.Watched, times int) {
			for _, p := range to {
				for range times {
					if err := shares.Whisper(t.Context(), p.UUID(), []byte("x")); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		listed := func() map[uuid.UUID]bool {
			st, err := peers[0].SharedStats(t.Context(), shares.UUID())
			if err != nil || st.Peers != 70 || len(st.Busiest) != 64 {
				t.Fatalf("%d peers, %d listed, %v", st.Peers, len(st.Busiest), err)
			}
			list := make(map[uuid.UUID]bool)
			for _, b := range st.Busiest {
				list[b.UUID] = true
			}
			return list
		}
		say(peers[:64], 10)
		first := listed()
		say(peers[60:], 1)
		advance(2 * time.Second)
		second := listed()
		for i, p := range peers {
			if first[p.UUID()] != (i < 64) {
				t.Errorf("peer %d first: %v", i, first[p.UUID()])
			}
			if i >= 60 && !second[p.UUID()] {
				t.Errorf("peer %d, which is busy now, is not listed", i)
			}
		}
	})
}

// Nodes of other implementations see no trace of it and show no figures.
func TestSharedStatsBesideForeign(t *testing.T) {
	for _, kind := range []zretest.Implementation{zretest.Zyre, zretest.Pyre, zretest.ZyreJS} {
		t.Run(string(kind), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				f := zretest.NewForeign(t, lan.Host("10.0.0.3"), kind)
				shares := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithSharedStats())
				asks := zretest.Start(t, lan.Host("10.0.0.2"))
				advance(3 * time.Second)
				for range 5 {
					if _, err := asks.SharedStats(t.Context(), f.UUID()); !errors.Is(err, zre.ErrStatsNotShared) {
						t.Errorf("of a foreign node: %v", err)
					}
					if _, err := asks.SharedStats(t.Context(), shares.UUID()); err != nil {
						t.Error(err)
					}
				}
				advance(40 * time.Second)
				if len(f.Peers()) != 2 {
					t.Errorf("%v knows %d peers, want 2", f, len(f.Peers()))
				}
				for _, e := range f.Seen() {
					if text := fmt.Sprintf("%T", e); strings.Contains(text, "Exit") || strings.Contains(text, "Whisper") {
						t.Errorf("%v saw %+v", f, e)
					}
				}
			})
		})
	}
}
