package zmtp

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
)

type counter struct {
	want int
	got  atomic.Int64
	done chan struct{}
}

func (c *counter) Receive([][]byte) error {
	if c.got.Add(1) == int64(c.want) {
		close(c.done)
	}
	return nil
}
func (c *counter) Closed(error) {}

type nullReceiver struct{}

func (nullReceiver) Receive([][]byte) error { return nil }
func (nullReceiver) Closed(error)           {}

// BenchmarkThroughput sends messages from a DEALER to a ROUTER over loopback TCP and within the process; allocations are those of both
// sides.
func BenchmarkThroughput(b *testing.B) {
	for _, shape := range [][]int{{6, 16}, {6, 100}, {1 << 10}, {6, 1 << 10}, {64 << 10}} {
		for _, transport := range []string{"tcp", "inproc"} {
			b.Run(fmt.Sprint(transport, shape), func(b *testing.B) {
				c := &counter{done: make(chan struct{})}
				r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return c, nil })
				defer r.Close()
				d := connect(b, r, transport)
				var frames [][]byte
				var size int64
				for _, n := range shape {
					frames = append(frames, make([]byte, n))
					size += int64(n)
				}
				c.want = b.N
				b.SetBytes(size)
				b.ReportAllocs()
				b.ResetTimer()
				q := d.Queue()
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
}

// connect makes a connection for a benchmark.
func connect(b *testing.B, r *Router, transport string) *Conn {
	var d *Conn
	var err error
	if transport == "inproc" {
		d, err = r.Link(Config{}, NewInprocQueue(10000, 4<<20), nil, nullReceiver{})
	} else {
		l := listen(b)
		go r.Serve(l)
		var nc net.Conn
		if nc, err = net.Dial("tcp", l.Addr().String()); err == nil {
			d, err = Open(context.Background(), nc, Config{}, NewQueue(10000, 4<<20), nil, nullReceiver{})
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close(nil) })
	return d
}

// BenchmarkRoundTrip measures the round trip of one small message at a time.
func BenchmarkRoundTrip(b *testing.B) {
	r := NewRouter(Config{}, func(c *Conn) (Receiver, error) { return echo{c}, nil })
	defer r.Close()
	l := listen(b)
	go r.Serve(l)
	c, back := dialTCP(b, l, Config{})
	for b.Loop() {
		if err := c.Queue().Push([]byte("header"), []byte("body")); err != nil {
			b.Fatal(err)
		}
		<-back.messages
	}
}

type echo struct{ conn *Conn }

func (e echo) Receive(frames [][]byte) error { return e.conn.Queue().Push(frames...) }
func (e echo) Closed(error)                  {}
