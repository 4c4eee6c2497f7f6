package zre_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// These measure the cost of calls, with everything in one process. `make bench` measures the library between processes, and beside other
// implementations.

const benchGroup = "G"

func benchNode(b *testing.B, port int, transport string, options ...zre.Option) *zre.Node {
	b.Helper()
	node, err := zre.NewNode(onLoopback(port, append(options, zre.WithTransports("tcp", transport))...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { node.Close() })
	if err := node.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	return node
}

// The two ways to read events until the node closes.
func readAll(node *zre.Node) iter.Seq[zre.Event] { return node.AllEvents(context.Background()) }

func byChannel(node *zre.Node) iter.Seq[zre.Event] {
	return func(yield func(zre.Event) bool) {
		for event := range node.Events() {
			if !yield(event) {
				return
			}
		}
	}
}

// members starts nodes in a group, which read their events by All, and another node that knows them all. arrived waits until each has
// received that many messages.
func members(b *testing.B, count int, transport string) (speaker *zre.Node, ids []uuid.UUID, arrived func(messages int)) {
	b.Helper()
	return membersTaking(b, count, transport, readAll, false)
}

func membersTaking(b *testing.B, count int, transport string, taking func(*zre.Node) iter.Seq[zre.Event], recycles bool, options ...zre.Option) (
	speaker *zre.Node, ids []uuid.UUID, arrived func(messages int)) {
	b.Helper()
	port, want := port(), make([]chan int, count)
	done := make(chan struct{}, count)
	for i := range count {
		node := benchNode(b, port, transport, options...)
		if err := node.Join(benchGroup); err != nil {
			b.Fatal(err)
		}
		ids, want[i] = append(ids, node.UUID()), make(chan int, 1)
		go func() {
			got, last := 0, false
			for event := range taking(node) {
				switch e := event.(type) {
				case zre.Whisper:
					got, last = got+1, len(e.Frames) > 1
					if recycles {
						e.Recycle()
					}
				case zre.Shout:
					got, last = got+1, len(e.Frames) > 1
				}
				if last {
					if due := <-want[i]; got != due {
						b.Errorf("%d messages arrived, want %d", got, due)
					}
					done <- struct{}{}
					got, last = 0, false
				}
			}
		}()
	}
	speaker = benchNode(b, port, transport, options...)
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	for event := range speaker.AllEvents(ctx) {
		if _, ok := event.(zre.Join); ok && len(speaker.PeersIn(benchGroup)) == count {
			return speaker, ids, func(messages int) {
				for i := range want {
					want[i] <- messages
				}
				for range want {
					<-done
				}
			}
		}
	}
	b.Fatalf("%d of %d members found", len(speaker.PeersIn(benchGroup)), count)
	return nil, nil, nil
}

// each runs send b.N times. The last message has one more frame.
func each(b *testing.B, size int, send func(frames ...[]byte) error, arrived func(messages int)) {
	b.Helper()
	frame := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		var err error
		if i < b.N-1 {
			err = send(frame)
		} else {
			err = send(frame, nil)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	arrived(b.N)
}

func BenchmarkWhisper(b *testing.B) {
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		for _, size := range []int{16, 1 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", transport, size), func(b *testing.B) {
				speaker, ids, arrived := members(b, 1, transport)
				each(b, size, func(frames ...[]byte) error { return speaker.Whisper(b.Context(), ids[0], frames...) }, arrived)
			})
		}
	}
}

// BenchmarkWhisperLogged is BenchmarkWhisper with a logger that accepts all records; whispers make none.
func BenchmarkWhisperLogged(b *testing.B) {
	log := slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		b.Run(transport+"/16", func(b *testing.B) {
			speaker, ids, arrived := membersTaking(b, 1, transport, readAll, false, zre.WithSlog(log))
			each(b, 16, func(frames ...[]byte) error { return speaker.Whisper(b.Context(), ids[0], frames...) }, arrived)
		})
	}
}

func BenchmarkShout(b *testing.B) {
	for _, transport := range []string{"tcp", "inproc"} {
		for _, size := range []int{16, 1 << 10} {
			b.Run(fmt.Sprintf("%s/%d/8 members", transport, size), func(b *testing.B) {
				speaker, _, arrived := members(b, 8, transport)
				each(b, size, func(frames ...[]byte) error { return speaker.Shout(b.Context(), benchGroup, frames...) }, arrived)
			})
		}
	}
}

// BenchmarkReceive sends small messages within the process, where receiving is a large part of the cost.
func BenchmarkReceive(b *testing.B) {
	for _, way := range []struct {
		name   string
		taking func(*zre.Node) iter.Seq[zre.Event]
	}{
		{"All", readAll},
		{"Events", byChannel},
	} {
		b.Run(way.name, func(b *testing.B) {
			speaker, ids, arrived := membersTaking(b, 1, "inproc", way.taking, false)
			each(b, 16, func(frames ...[]byte) error { return speaker.Whisper(b.Context(), ids[0], frames...) }, arrived)
		})
	}
}

// BenchmarkRecycle has a receiver that recycles messages.
func BenchmarkRecycle(b *testing.B) {
	for _, transport := range []string{"tcp", "inproc"} {
		for _, size := range []int{16, 1 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", transport, size), func(b *testing.B) {
				speaker, ids, arrived := membersTaking(b, 1, transport, readAll, true)
				each(b, size, func(frames ...[]byte) error { return speaker.Whisper(b.Context(), ids[0], frames...) }, arrived)
			})
		}
	}
}

// BenchmarkGiven passes frames on without copies, within the process and to a socket.
func BenchmarkGiven(b *testing.B) {
	for _, transport := range []string{"tcp", "inproc"} {
		b.Run(transport, func(b *testing.B) {
			speaker, ids, arrived := membersTaking(b, 1, transport, readAll, true)
			const size = 64 << 10
			each(b, size, func(frames ...[]byte) error {
				frames[0] = zre.NewFrame(size)
				return speaker.WhisperNoCopy(b.Context(), ids[0], frames...)
			}, arrived)
		})
	}
}

// BenchmarkStats calls Stats on a node that has peers.
func BenchmarkStats(b *testing.B) {
	for _, peers := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d peers", peers), func(b *testing.B) {
			speaker, _, _ := members(b, peers, "inproc")
			b.ReportAllocs()
			for b.Loop() {
				speaker.Stats()
			}
		})
	}
}
