package zre_test

import (
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// BenchmarkRequest compares a request and its reply with two whispers, one in each direction: medians of alternating runs. The other side
// answers in its event loop.
func BenchmarkRequest(b *testing.B) {
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		b.Run(transport, func(b *testing.B) {
			port := port()
			asker, other := benchNode(b, port, transport), benchNode(b, port, transport)
			go func() {
				for event := range readAll(other) {
					switch e := event.(type) {
					case zre.Whisper:
						_ = other.Whisper(b.Context(), e.Peer.UUID, e.Frames...)
					case zre.Request:
						_ = e.Reply(b.Context(), e.Frames...)
					}
				}
			}()
			next, stop := iter.Pull(asker.AllEvents(b.Context()))
			defer stop()
			for {
				if event, _ := next(); event != nil {
					if _, ok := event.(zre.Enter); ok {
						break
					}
				}
			}
			frame := make([]byte, 16)
			whispers := func() { whisperAndWait(b, asker, other.UUID(), frame, next) }
			request := func() {
				if _, err := asker.Request(b.Context(), other.UUID(), frame); err != nil {
					b.Fatal(err)
				}
			}
			const turn = 100
			var took [2][]time.Duration
			for range b.N/turn + 1 {
				for way, once := range []func(){whispers, request} {
					began := time.Now()
					for range turn {
						once()
					}
					took[way] = append(took[way], time.Since(began)/turn)
				}
			}
			var medians [2]float64
			for way, all := range took {
				slices.Sort(all)
				medians[way] = float64(all[len(all)/2])
			}
			b.ReportMetric(medians[0], "ns/whispers")
			b.ReportMetric(medians[1], "ns/request")
			b.ReportMetric(medians[1]/medians[0], "ratio")
		})
	}
}

func whisperAndWait(b *testing.B, node *zre.Node, peer uuid.UUID, frame []byte, next func() (zre.Event, bool)) {
	if err := node.Whisper(b.Context(), peer, frame); err != nil {
		b.Fatal(err)
	}
	for {
		event, ok := next()
		if _, is := event.(zre.Whisper); is || !ok {
			return
		}
	}
}
