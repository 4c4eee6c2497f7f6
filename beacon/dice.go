package beacon

import (
	"math/rand/v2"
	"time"
)

// Dice is what a Network may also implement, to make random decisions: a simulated network does, so that its runs repeat. Without it the
// process's random numbers are used.
type Dice interface {
	// Int64N returns a number from 0 up to, not including, n, which is positive. Any goroutine may call it.
	Int64N(n int64) int64
}

// Roll returns a duration from 0 up to, not including, d, or 0 if d is not positive.
func Roll(network Network, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	if dice, ok := network.(Dice); ok {
		return time.Duration(dice.Int64N(int64(d)))
	}
	return rand.N(d)
}
