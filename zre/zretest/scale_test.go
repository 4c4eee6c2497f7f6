package zretest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A hundred nodes for five minutes: all meet within seconds, no peer is lost, and it takes less than a minute.
func TestHundredNodes(t *testing.T) {
	count := 100
	if underRace {
		count = 30
	}
	start := time.Now()
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		var nodes []*zretest.Watched
		for i := range count {
			nodes = append(nodes, zretest.Start(t, lan.Host(fmt.Sprintf("10.0.0.%d", i+1))))
		}
		check := func() {
			t.Helper()
			for _, n := range nodes {
				if peers := len(n.Peers()); peers != count-1 {
					t.Errorf("%s sees %d peers", n.Name(), peers)
				}
			}
		}
		advance(2 * time.Second)
		check()
		advance(298 * time.Second)
		check()
		for _, n := range nodes {
			for _, event := range n.Seen() {
				switch event.(type) {
				case zre.Enter, zre.StateChange:
				default:
					t.Errorf("%s: %T", n.Name(), event)
				}
			}
		}
	})
	if d := time.Since(start); d > time.Minute {
		t.Errorf("the test took %v", d)
	}
}
