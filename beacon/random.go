package beacon

import (
	"math/rand/v2"
	"time"
)

// RandomSource is what a Network may also implement, to make random decisions: a simulated network does, so that its runs repeat. Without it the
// process's random numbers are used.
type RandomSource interface {
	// Int64N returns a number from 0 up to, not including, n, which is positive. Any goroutine may call it.
	Int64N(n int64) int64
}

// RandomDuration returns a duration from 0 up to, not including, d, or 0 if d is not positive.
func RandomDuration(network Network, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	if random, ok := network.(RandomSource); ok {
		return time.Duration(random.Int64N(int64(d)))
	}
	return rand.N(d)
}
