package zmtp

import "encoding/binary"

// A frame's flags and header (RFC 23, framing): one octet of flags, then the length in one octet or eight.
const (
	flagMore    = 1 // more frames of this message follow
	flagLong    = 2 // the length has eight octets
	flagCommand = 4
	flagsKnown  = flagMore | flagLong | flagCommand // the others must be zero

	shortHeader = 2
	longHeader  = 9
)

// frameHeader writes the header of a frame into b and returns it.
func frameHeader(b *[longHeader]byte, flags byte, size int) []byte {
	if size <= 255 {
		b[0], b[1] = flags, byte(size)
		return b[:shortHeader]
	}
	b[0] = flags | flagLong
	binary.BigEndian.PutUint64(b[1:], uint64(size))
	return b[:]
}

// headerSize returns the length of a frame's header, in octets, for that length of body.
func headerSize(body int) int {
	if body <= 255 {
		return shortHeader
	}
	return longHeader
}

// more returns the flags of a message's frame.
func more(i int, frames [][]byte) byte {
	if i < len(frames)-1 {
		return flagMore
	}
	return 0
}

// wireSize returns how many octets the frames take as a message on the wire.
func wireSize(frames [][]byte) int64 {
	var size int64
	for _, f := range frames {
		size += int64(headerSize(len(f)) + len(f))
	}
	return size
}
