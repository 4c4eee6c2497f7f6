package memory

import "bytes"

// Poison is the byte that overwrites memory which was given back, so that a program that still uses it notices in its tests: see poisons.
// The race detector reports such a use too, with the call of Recycle.
const Poison = 0xDB

var poisonBytes = bytes.Repeat([]byte{Poison}, 4<<10)

// poison overwrites what was given back.
func poison(m []byte) {
	if !poisons {
		return
	}
	for len(m) > 0 {
		m = m[copy(m, poisonBytes):]
	}
}
