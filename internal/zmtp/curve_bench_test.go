package zmtp

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"
)

// curves are the mechanisms to compare, of a Router and of a DEALER.
func curves(t testing.TB) map[string][2]Config {
	return map[string][2]Config{
		"NULL":  {},
		"CURVE": {{Curve: secure(t, "server", "")}, {Curve: secure(t, "client", "server")}},
	}
}

// BenchmarkMechanism sends messages like whispers over loopback TCP, with NULL and with CURVE.
func BenchmarkMechanism(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10, 1 << 20} {
		for name, cfg := range curves(b) {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				c := &counter{want: b.N, done: make(chan struct{})}
				r := NewRouter(cfg[0], func(*Conn) (Receiver, error) { return c, nil })
				defer r.Close()
				l := listen(b)
				go r.Serve(l)
				nc, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				d, err := Open(context.Background(), nc, cfg[1], NewQueue(10_000, 4<<20), nil, nullReceiver{})
				if err != nil {
					b.Fatal(err)
				}
				defer d.Close(nil)
				frames := [][]byte{make([]byte, 6), make([]byte, size)}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					_ = push(d.Queue(), frames...)
				}
				<-c.done
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			})
		}
	}
}

// BenchmarkCurveHandshake is BenchmarkDialHandshake with CURVE: both sides.
func BenchmarkCurveHandshake(b *testing.B) {
	cfg := curves(b)["CURVE"]
	cfg[0].Limits.CurvePerAddress = 1 << 30
	l := listen(b)
	r := NewRouter(cfg[0], func(*Conn) (Receiver, error) { return nullReceiver{}, nil })
	defer r.Close()
	go r.Serve(l)
	for b.Loop() {
		nc, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
		if err != nil {
			b.Fatal(err)
		}
		c, err := Open(b.Context(), nc, cfg[1], NewQueue(10, 1000), nil, nullReceiver{})
		if err != nil {
			b.Fatal(err)
		}
		c.Close(nil)
		<-c.finished
	}
}
