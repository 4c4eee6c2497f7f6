package zmtp

import (
	"context"
	"fmt"
	"net"
	"testing"
)

type counter struct {
	want int
	got  int
	done chan struct{}
}

func (c *counter) Receive(frames [][]byte) error {
	if c.got++; c.got == c.want {
		close(c.done)
	}
	return nil
}
func (c *counter) Closed(error) {}

type nobody struct{}

func (nobody) Receive([][]byte) error { return nil }
func (nobody) Closed(error)           {}

// BenchmarkThroughput sends messages from a DEALER to a ROUTER over loopback TCP; allocations are those of both sides.
func BenchmarkThroughput(b *testing.B) {
	for _, shape := range [][]int{{6, 16}, {6, 100}, {1 << 10}, {6, 1 << 10}, {64 << 10}} {
		b.Run(fmt.Sprint(shape), func(b *testing.B) {
			c := &counter{done: make(chan struct{})}
			r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return c, nil })
			defer r.Close()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			go r.Serve(l)
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			q := NewQueue(10000, 4<<20)
			var frames [][]byte
			var size int64
			for _, n := range shape {
				frames = append(frames, make([]byte, n))
				size += int64(n)
			}
			ctx := context.Background()
			d, err := Open(ctx, nc, Config{}, q, nil, nobody{})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close(nil)
			c.want = b.N
			b.SetBytes(size)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				for q.Push(frames...) == ErrFull {
					<-q.Room()
				}
			}
			<-c.done
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
