package memory

import "sync/atomic"

// A Slab is memory from which the frames of many messages, and the lists of frames, are cut. It is reused when each of these messages was
// given back; if one is not, the garbage collector takes it.
type Slab struct {
	// state has the number of the slab's life in its upper half: a life ends when everything is given back, and no message of it can reach
	// a later one. The lower half is how many messages are not given back. As long as more may come, their number is not known: then it is
	// unknownHolds, less those that are given back.
	state atomic.Uint64
	bytes []byte
	lists [][]byte
	pool  *Pool // set in the Slab that stands for memory that is used once; nil otherwise
}

const unknownHolds = 1 << 31

// A kept frame keeps all the memory that it was cut from. So messages of short frames get smaller memory: that costs them no time, because
// many fit in it all the same.
const (
	slabBytes, slabLists           = 16 << 10, 256
	shortSlabBytes, shortSlabLists = 4 << 10, 256
	shortFrame, fewFrames          = 128, 8 // what is short: bytes of a frame, frames of a message

	// Memory that is used once. Four of 10 KiB fit in one span of the runtime, while each of 8 KiB has a span of its own; that saves an
	// eighth of the time of a receiver of 1 KiB messages. Of 2 KiB there are four in a span.
	onceBytes, onceLists = 10 << 10, 64
	shortOnceBytes       = 2 << 10
	idleBytes, idleLists = 512, 16

	maxCutFrame = 8 << 10 // of the frames that are cut from a slab
)

var (
	slabs      = &shelf[*Slab]{pieceSize: slabBytes + slabLists*24}
	shortSlabs = &shelf[*Slab]{pieceSize: shortSlabBytes + shortSlabLists*24}
)

// getSlab returns a slab from which nothing is cut yet.
func getSlab(long bool) *Slab {
	shelf, octets, lists := shortSlabs, shortSlabBytes, shortSlabLists
	if long {
		shelf, octets, lists = slabs, slabBytes, slabLists
	}
	if s, ok := shelf.get(); ok {
		return s
	}
	s := &Slab{bytes: make([]byte, octets), lists: make([][]byte, lists)}
	s.state.Store(unknownHolds)
	return s
}

func (s *Slab) life() uint32 { return uint32(s.state.Load() >> 32) }

func (s *Slab) lives(life uint32) bool { return s.life() == life }

// holds returns how many messages are not given back, or unknownHolds less those that are.
func (s *Slab) holds() uint32 { return uint32(s.state.Load()) }

// release removes n holds. With the last hold the slab's life ends, and another one may begin.
func (s *Slab) release(n uint32) {
	state := s.state.Add(-uint64(n))
	switch left := uint32(state); {
	case left > unknownHolds:
		panic("zre: a message was recycled twice, by two goroutines at once")
	case left == 0:
		s.state.Store((state>>32+1)<<32 | unknownHolds)
		if len(s.bytes) == shortSlabBytes {
			shortSlabs.put(s)
		} else {
			slabs.put(s)
		}
	}
}
