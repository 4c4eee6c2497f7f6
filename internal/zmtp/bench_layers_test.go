package zmtp

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// BenchmarkQueue pushes messages and drains them as a writer does, a thousand at a time.
func BenchmarkQueue(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			q := NewQueue(10_000, 1<<30)
			frames := [][]byte{make([]byte, 6), make([]byte, size)}
			var spare []segment
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := q.Push(frames...); err != nil {
					b.Fatal(err)
				}
				if i%1000 < 999 {
					continue
				}
				spare = drainTo(b, q, spare, func([]byte) {})
			}
		})
	}
}

// loop is a stream that repeats itself.
type loop struct {
	octets []byte
	at     int
}

func (l *loop) Read(p []byte) (n int, err error) {
	for n < len(p) {
		m := copy(p[n:], l.octets[l.at:])
		n += m
		l.at = (l.at + m) % len(l.octets)
	}
	return n, nil
}

func (l *loop) SetReadDeadline(time.Time) error { return nil }

// BenchmarkReader splits a stream into messages, without a socket.
func BenchmarkReader(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			stream := message("header", strings.Repeat("x", size))
			left := b.N
			deliver := func([][]byte) error {
				if left--; left == 0 {
					return io.EOF
				}
				return nil
			}
			r := newReader(&loop{octets: stream}, Limits{}, deliver)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			if err := r.run(); err != io.EOF {
				b.Fatal(err)
			}
		})
	}
}
