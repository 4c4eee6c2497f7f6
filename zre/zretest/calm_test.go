package zretest_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// countBeacons counts the beacons that a host hears: those on the wire.
func countBeacons(t *testing.T, h *zretest.Host) *atomic.Int64 {
	t.Helper()
	count := new(atomic.Int64)
	a, err := beacon.Open(beacon.Config{Network: h, UUID: uuid.New(), Handler: func(beacon.Sighting) { count.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return count
}

// Fifty nodes with both address families, once they have met, send at most 60 beacons a second in total. They still learn of a newcomer, a
// new state and a farewell at once, and none seems silent.
func TestBeaconRate(t *testing.T) {
	const count, most = 50, 60
	for _, c := range []struct {
		name    string
		options []zretest.Option
	}{{"IPv4 and IPv6", []zretest.Option{zretest.IPv6()}}, {"IPv4", nil}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lan := zretest.NewLAN(t, c.options...)
				wire := countBeacons(t, lan.Host("10.0.0.200"))
				var nodes []*zretest.Watched
				for i := range count {
					nodes = append(nodes, zretest.Start(t, lan.Host(fmt.Sprintf("10.0.0.%d", i+1))))
				}
				advance(30 * time.Second)
				sum, worst := int64(0), int64(0)
				const span = 60
				for range span {
					wire.Store(0)
					advance(time.Second)
					sum, worst = sum+wire.Load(), max(worst, wire.Load())
				}
				t.Logf("%.1f beacons a second, %d in the worst", float64(sum)/span, worst)
				if sum > most*span {
					t.Errorf("%d beacons in %d s, want %d a second at most", sum, span, most)
				}

				latest := func(what string, since time.Time) {
					t.Helper()
					if took := time.Since(since); took > 100*time.Millisecond {
						t.Errorf("%s is known after %v", what, took)
					}
				}
				began := time.Now()
				if err := nodes[0].SetState(zre.StateProcessing); err != nil {
					t.Fatal(err)
				}
				for _, n := range nodes[1:] {
					n.Wait("the new state", func(e zre.Event) bool { c, ok := e.(zre.StateChange); return ok && c.State == zre.StateProcessing })
				}
				latest("a state", began)
				advance(30 * time.Second)
				began = time.Now()
				newcomer := zretest.Start(t, lan.Host("10.0.0.100"))
				for _, n := range nodes {
					n.Wait("the newcomer", func(e zre.Event) bool { _, ok := e.(zre.Enter); return ok && e.From().UUID == newcomer.UUID() })
				}
				latest("a newcomer", began)
				advance(30 * time.Second)
				began = time.Now()
				newcomer.Close()
				for _, n := range nodes {
					n.Wait("the farewell", func(e zre.Event) bool { _, ok := e.(zre.Exit); return ok && e.From().UUID == newcomer.UUID() })
				}
				latest("a farewell", began)
				for _, n := range nodes {
					for _, e := range n.Seen() {
						switch e.(type) {
						case zre.Evasive, zre.Silent, zre.Problem:
							t.Errorf("%s: %T", n.Name(), e)
						}
					}
				}
			})
		})
	}
}
