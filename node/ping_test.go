package node

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkPing measures how long the answer to a PING takes by tcp, with nothing else on the way and behind a flood of whispers
// that never ends. The PING has its place in the queue, as its number says.
func BenchmarkPing(b *testing.B) {
	for _, size := range []int{0, 16, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("flood-of-%d", size), func(b *testing.B) {
			port := beaconPort()
			from := start(b, onLoopback(port, Config{Transports: []string{TCP}}))
			other, err := New(onLoopback(port, Config{Transports: []string{TCP}}))
			if err != nil {
				b.Fatal(err)
			}
			to := startDeaf(b, other)
			to.skip = func(e Event) bool { return e.Kind == Whisper }
			to.listen()
			to.waitKind(Enter, from.UUID())
			from.waitKind(Enter, to.UUID())
			ctx, cancel := context.WithCancel(b.Context())
			sent := make(chan int)
			go func() {
				i := 0
				for ; size > 0 && from.Whisper(ctx, to.UUID(), make([]byte, size)) == nil; i++ {
				}
				sent <- i
			}()
			from.Node.mu.RLock()
			p := from.present[to.UUID()]
			from.Node.mu.RUnlock()
			var took []time.Duration
			began := time.Now()
			for b.Loop() {
				time.Sleep(2 * time.Millisecond)
				p.answered.Store(false)
				asked := time.Now()
				p.ping()
				for !p.answered.Load() {
					time.Sleep(20 * time.Microsecond)
				}
				took = append(took, time.Since(asked))
			}
			elapsed := time.Since(began)
			cancel()
			slices.Sort(took)
			b.ReportMetric(float64(<-sent)/elapsed.Seconds(), "msg/s")
			b.ReportMetric(took[len(took)/2].Seconds()*1000, "ms-p50")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "ms-p99")
			b.ReportMetric(0, "ns/op")
		})
	}
}
