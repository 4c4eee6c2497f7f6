package outbox

import "testing"

func TestCycleFollows(t *testing.T) {
	for _, test := range []struct {
		name      string
		last, got uint16
		length    uint32 // known before
		want      bool
		learned   uint32
	}{
		{"next", 1, 2, 0, true, 0},
		{"gap", 1, 3, 0, false, 0},
		{"repeat", 2, 2, 0, false, 0},
		{"an earlier number", 2, 1, 0, false, 0},
		{"full cycle where the cycles differ", 65534, 65535, 0, true, fullCycle},
		{"short cycle where the cycles differ", 65534, 0, 0, true, shortCycle},
		{"neither", 65534, 1, 0, false, 0},
		{"full cycle wraps", 65535, 0, fullCycle, true, fullCycle},
		{"full cycle known, zero too early", 65534, 0, fullCycle, false, fullCycle},
		{"short cycle known, no 65535", 65534, 65535, shortCycle, false, shortCycle},
		{"after the wrap", 0, 1, shortCycle, true, shortCycle},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c cycle
			c.learned.Store(test.length)
			if got := c.follows(test.last, test.got); got != test.want {
				t.Errorf("follows(%d, %d) = %v, want %v", test.last, test.got, got, test.want)
			}
			if got := c.learned.Load(); got != test.learned {
				t.Errorf("length = %d, want %d", got, test.learned)
			}
		})
	}
}

// Numbers that one side makes with next are accepted by the other side, over several cycles.
func TestCycleNextFollows(t *testing.T) {
	for _, length := range []uint32{0, fullCycle, shortCycle} {
		var sender, receiver cycle
		sender.learned.Store(length)
		n := uint16(1)
		for i := range 200_000 {
			m := sender.next(n)
			if !receiver.follows(n, m) {
				t.Fatalf("length %d, message %d: %d after %d refused", length, i, m, n)
			}
			n = m
		}
	}
}
