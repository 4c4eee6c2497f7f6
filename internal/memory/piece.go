package memory

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"unsafe"
)

// Frames from Large to largest bytes have memory of their own, a piece, from one of these shelves, by class. There are four classes to each
// doubling of the length.
const (
	// Large is the length, in bytes, from which a frame has memory of its own that is reused.
	Large           = 1 << logLarge
	logLarge        = 14
	logLargest      = 20
	largest         = 1 << logLargest
	classesToDouble = 4
)

var large = func() *[classesToDouble*(logLargest-logLarge) + 1]shelf[[]byte] {
	all := new([classesToDouble*(logLargest-logLarge) + 1]shelf[[]byte])
	for i := range all {
		all[i].pieceSize = Large << (i / classesToDouble) / classesToDouble * int64(classesToDouble+i%classesToDouble)
	}
	return all
}()

// classOf returns the smallest class that n bytes fit into, and its size.
func classOf(n int) (class, size int) {
	step := 1 << (bits.Len(uint(n-1)) - 1) / classesToDouble // of the octave that n is in, as (octave, twice that]
	size = (n + step - 1) / step * step
	octave := bits.Len(uint(size)) - 1 - logLarge
	return octave*classesToDouble + (size>>(octave+logLarge-2) - classesToDouble), size
}

// isPooled tells whether memory for a frame of n bytes may be reused.
func isPooled(n int) bool { return n >= Large && n <= largest }

// A piece ends with a mark, in the last bytes of its capacity: its own address, which tells it from all other memory, and its owner. Memory
// without the mark, or with the mark of another piece, is never put on a shelf. A frame whose capacity was cut off, or used up by an
// append, has lost its mark: the garbage collector takes the piece.
const (
	markBytes = 16
	ownerAt   = 8 // within the mark; before it is the address
)

// secret turns an address into a mark, so that no message contains one by chance or by intent.
var secret = rand.Uint64()

// An owner says who may give a piece back, and in the lower half with which message the application got it, 0 for none: an older message's
// claim to the same piece does not count.
type owner uint64

const (
	onShelf     owner = iota << 32 // it is on a shelf
	library                        // it is in use: a lease has it, or a message that is not delivered yet
	application                    // NewFrame returned it, or it was received
)

// ownedWith returns the owner value of an application that got the piece with a message.
func ownedWith(message uint32) owner { return application | owner(message) }

func (o owner) isApplication() bool { return o&^(1<<32-1) == application }

func addressOf(m []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(m)))) }

// newPiece returns n bytes of a piece that belongs to an owner; n must be a pooled length.
func newPiece(n int, o owner) []byte {
	class, size := classOf(n)
	m, ok := large[class].get()
	if !ok {
		m = make([]byte, size+markBytes)
		binary.NativeEndian.PutUint64(m[size:], secret^addressOf(m))
	}
	ownerIn(m).Store(uint64(o))
	return m[:n]
}

// ownerIn returns the address of a piece's owner; m has the piece's whole capacity.
func ownerIn(m []byte) *atomic.Uint64 {
	m = m[:cap(m)]
	return (*atomic.Uint64)(unsafe.Pointer(&m[len(m)-markBytes+ownerAt]))
}

// ownerOf returns the address of the owner of the piece that a frame begins; nil if the frame is not the beginning of a piece.
func ownerOf(frame []byte) *atomic.Uint64 {
	if n := cap(frame) - markBytes; !isPooled(n) || markedAddress(frame) != addressOf(frame) {
		return nil
	}
	return ownerIn(frame)
}

// markedAddress returns the address in the mark at the end of a frame's capacity; an arbitrary value if there is no mark.
func markedAddress(frame []byte) uint64 {
	end := frame[:cap(frame)]
	return secret ^ binary.NativeEndian.Uint64(end[len(end)-markBytes:])
}

// isInsidePiece tells whether a large frame is a part of a piece, but not its beginning.
func isInsidePiece(frame []byte) bool {
	before := addressOf(frame) - markedAddress(frame) // wraps around if the address is none
	return before > 0 && before <= largest && isPooled(int(before)+cap(frame)-markBytes)
}

// giveBack puts a frame's piece on its shelf, if the frame has one and it belongs to that owner. It tells whether it did.
func giveBack(frame []byte, from owner) bool {
	o := ownerOf(frame)
	if o == nil || !o.CompareAndSwap(uint64(from), uint64(onShelf)) {
		return false
	}
	size := cap(frame) - markBytes
	poison(frame[:size])
	class, _ := classOf(size)
	large[class].put(frame[:cap(frame)])
	return true
}

// New returns memory for a frame of n bytes, with arbitrary content, for the application.
func New(n int) []byte {
	if !isPooled(n) {
		return make([]byte, n)
	}
	return newPiece(n, application)
}

// Claim takes a large frame that the application gives away. The result may be kept: it is the same memory, or a copy if the application
// has given that away or back already, or holds another part of it. The capacity of memory that is not from New is cut to the frame.
func Claim(frame []byte) []byte {
	switch o := ownerOf(frame); {
	case o != nil:
		if was := owner(o.Load()); was.isApplication() && o.CompareAndSwap(uint64(was), uint64(library)) {
			return frame
		}
		return pooled(frame, library)
	case isInsidePiece(frame):
		return pooled(frame, library)
	}
	return frame[:len(frame):len(frame)]
}

// pooled returns a copy of a frame, in memory that may have been used before.
func pooled(frame []byte, o owner) []byte {
	if !isPooled(len(frame)) {
		return bytes.Clone(frame) // which does not clear the memory first
	}
	return append(newPiece(len(frame), o)[:0], frame...)
}
