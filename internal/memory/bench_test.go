package memory

import (
	"fmt"
	"testing"
)

// BenchmarkCutter cuts messages of a header and a frame, as a socket's reader does, for an application that keeps the last few, and gives
// all of them back, or none.
func BenchmarkCutter(b *testing.B) {
	for _, recycles := range []bool{true, false} {
		for _, size := range []int{16, 100, 1 << 10, 4 << 10, 8 << 10, 64 << 10} {
			name := "used once"
			if recycles {
				name = "recycled"
			}
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				c := Cutter{Pool: NewPool(), Busy: true}
				c.Pool.recycles.Store(recycles)
				var kept [64]message
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					c.Add(c.Frame(6))
					c.Add(c.Frame(size))
					m := &kept[i%len(kept)]
					if recycles {
						Recycle(m.frames, m.origin)
					}
					m.frames, m.origin = c.Message()
					m.frames = m.frames[1:]
				}
			})
		}
	}
}

// BenchmarkGiven gives a large frame away and gets it back, again and again.
func BenchmarkGiven(b *testing.B) {
	c := Cutter{Pool: NewPool(), Busy: true}
	c.Pool.recycles.Store(true)
	b.ReportAllocs()
	for b.Loop() {
		c.Add(c.Adopt(Claim(New(64 << 10))))
		Recycle(c.Message())
	}
}
