package node

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/discovery"
)

// holeNetwork is the system's, except that tcp connections fail: at once, or after a while.
type holeNetwork struct {
	Network
	refuses bool
}

func (h holeNetwork) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	if h.refuses {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: net.ErrClosed}
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// crowd makes the node treat count peers as present.
func (r *testNode) crowd(count int) {
	r.do(func() {
		for i := range count {
			id := uuid.New()
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 5000)
			s := r.newSession(id, r.newPaths([]netip.AddrPort{at}, true))
			s.state = ready
			s.updateSnapshot()
			r.mu.Lock()
			r.sessions[id], r.present[id] = s, s
			r.mu.Unlock()
			r.index(s)
		}
	})
}

func dead(count int) (list []netip.AddrPort) {
	for i := range count {
		list = append(list, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), 5000))
	}
	return list
}

// The cost of 4,000 dead addresses for a node with 3,000 peers: how long the control loop takes to answer, and how many calls and
// allocations it makes per second.
func BenchmarkDeadCandidates(b *testing.B) {
	for _, test := range []struct {
		name    string
		refuses bool
	}{{"silent", false}, {"refusing", true}} {
		b.Run(test.name, func(b *testing.B) {
			n := start(b, onLoopback(beaconPort(), Config{Network: holeNetwork{System, test.refuses}, Limits: Limits{Peers: 10_000}, ExpiredTimeout: time.Hour}))
			n.crowd(3_000)
			source := discovery.Source{Kind: discovery.SRV, Name: "x"}
			n.do(func() { n.seeker.SetSource(source, dead(4_000)) })
			var waits []time.Duration
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			cpu := processorTime()
			began := time.Now()
			for b.Loop() {
				asked := time.Now()
				n.do(func() {})
				waits = append(waits, time.Since(asked))
				time.Sleep(5 * time.Millisecond)
			}
			took := time.Since(began)
			cores := float64(processorTime()-cpu) / float64(took)
			runtime.ReadMemStats(&after)
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(100*cores, "%core")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/took.Seconds(), "allocs/s")
			again := time.Now()
			n.do(func() { n.seeker.SetSource(source, dead(4_000)) })
			b.ReportMetric(float64(time.Since(again).Microseconds()), "same-again-µs")
		})
	}
}
