package salsa

import (
	"encoding/binary"
	"math"

	"golang.org/x/sys/cpu"
)

// isFast tells whether xorEight may be used. Tests change it.
var isFast = cpu.X86.HasAVX2

// xorEight adds the stream to 512 octets, so many times, of which there is one at least. words are those that the first block begins with; their
// counter's lower half, word 8, must not overflow.
//
//go:noescape
func xorEight(dst, src *byte, times int, words *[16]uint32)

// xorTogether is XORKeyStream for as much as can be done at once. It returns how much that was.
func xorTogether(dst, src []byte, counter *[16]byte, key *[32]byte) int {
	times := len(src) / together
	if !isFast || times == 0 || uint64(binary.LittleEndian.Uint32(counter[8:]))+uint64(times)*8 > math.MaxUint32 {
		return 0
	}
	var words [16]uint32
	for i := range 4 {
		words[5*i] = binary.LittleEndian.Uint32(Sigma[4*i:])
		words[1+i] = binary.LittleEndian.Uint32(key[4*i:])
		words[6+i] = binary.LittleEndian.Uint32(counter[4*i:])
		words[11+i] = binary.LittleEndian.Uint32(key[16+4*i:])
	}
	n := times * together
	_ = dst[n-1]
	xorEight(&dst[0], &src[0], times, &words)
	return n
}
