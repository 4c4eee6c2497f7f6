package zretest_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// countedLookups is a network that records name look-ups.
type countedLookups struct {
	*zretest.Host
	mu sync.Mutex
	at []time.Time
}

func (p *countedLookups) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	p.mu.Lock()
	p.at = append(p.at, time.Now())
	p.mu.Unlock()
	return p.Host.LookupNetIP(ctx, network, host)
}

// count returns the number of look-ups. It fails the test if two were within a second.
func (p *countedLookups) count(t *testing.T) int {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.at[1:] {
		if gap := p.at[i+1].Sub(p.at[i]); gap < time.Second {
			t.Errorf("looked up again after %v", gap)
		}
	}
	return len(p.at)
}

// If a name resolves to another address, it is followed once the peer met there is gone, for whatever reason, or the address has no node.
func TestNameResolvesElsewhere(t *testing.T) {
	for _, c := range []struct {
		name string
		gone func(host *zretest.Host, node *zretest.Watched) // nil: there was no node
		most time.Duration
	}{
		{"left", func(_ *zretest.Host, node *zretest.Watched) { node.Close() }, 1500 * time.Millisecond},
		{"killed", func(host *zretest.Host, _ *zretest.Watched) { host.Kill() }, 1500 * time.Millisecond},
		{"crashed", func(host *zretest.Host, _ *zretest.Watched) { host.Crash() }, 40 * time.Second}, // noticed after the expired timeout
		{"never there", nil, 7 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				lan.SetRouting(true)
				lan.SetHostName("service", "10.0.1.1")
				book := &countedLookups{Host: lan.Host("10.0.9.1")}
				a := zretest.Start(t, book, zre.WithPeers("tcp://service:5671"))
				host := lan.Host("10.0.1.1")
				var first *zretest.Watched
				if c.gone != nil {
					first = zretest.Start(t, host, zre.WithName("first"), zre.WithListen("tcp://*:5671"))
					zretest.Next[zre.Enter](a)
				}
				advance(5*time.Minute + 500*time.Millisecond)
				before := book.count(t)
				if most := 5 * 60; before > most || c.gone != nil && before > 15 {
					t.Errorf("looked up %d times in 5 minutes", before)
				}
				zretest.Start(t, lan.Host("10.0.2.1"), zre.WithName("second"), zre.WithListen("tcp://*:5671"))
				lan.SetHostName("service", "10.0.2.1")
				changed := time.Now()
				if c.gone != nil {
					c.gone(host, first)
				}
				if e := zretest.Next[zre.Enter](a); e.Peer.Name != "second" || time.Since(changed) > c.most {
					t.Errorf("%s entered after %v, want it after %v at most", e.Peer.Name, time.Since(changed), c.most)
				}
				book.count(t)
			})
		})
	}
}

// If a name is wrong for a while after the peer is gone, as in caches, it is looked up until it is right.
func TestNameResolvesElsewhereLater(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		lan.SetRouting(true)
		lan.SetHostName("service", "10.0.1.1")
		book := &countedLookups{Host: lan.Host("10.0.9.1")}
		a := zretest.Start(t, book, zre.WithPeers("tcp://service:5671"))
		first := zretest.Start(t, lan.Host("10.0.1.1"), zre.WithListen("tcp://*:5671"))
		zretest.Next[zre.Enter](a)
		advance(10 * time.Second)
		first.Close()
		advance(20 * time.Second)
		zretest.Start(t, lan.Host("10.0.2.1"), zre.WithName("second"), zre.WithListen("tcp://*:5671"))
		lan.SetHostName("service", "10.0.2.1")
		changed := time.Now()
		if zretest.Next[zre.Enter](a); time.Since(changed) > 7*time.Second {
			t.Errorf("entered after %v", time.Since(changed))
		}
		book.count(t)
	})
}
