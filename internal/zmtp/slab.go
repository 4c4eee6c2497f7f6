package zmtp

// A slab is memory from which many small frames are cut, so that a message costs a fraction of an allocation. What is cut
// off is never used again by the slab and belongs to the application; capacities end with lengths, so that an append cannot
// reach a neighbour.
type slab struct {
	data  []byte
	lists [][]byte
}

// Lengths of new slabs: busy connections have larger ones.
const (
	idleData, busyData   = 512, 8 << 10
	idleLists, busyLists = 16, 64
)

// octets returns n octets.
func (s *slab) octets(n int, busy bool) []byte {
	if n > len(s.data) {
		size := idleData
		if busy {
			size = busyData
		}
		if n > size/4 { // a slab for so few would mostly waste its rest
			return make([]byte, n)
		}
		s.data = make([]byte, size)
	}
	cut := s.data[:n:n]
	s.data = s.data[n:]
	return cut
}

// list returns a copy of frames.
func (s *slab) list(frames [][]byte, busy bool) [][]byte {
	n := len(frames)
	if n > len(s.lists) {
		size := idleLists
		if busy {
			size = busyLists
		}
		if n > size/4 {
			return append(make([][]byte, 0, n), frames...)
		}
		s.lists = make([][]byte, size)
	}
	cut := s.lists[:n:n]
	s.lists = s.lists[n:]
	copy(cut, frames)
	return cut
}
