package zmtp

// A slab is memory from which many small frames are cut, so that a message costs a fraction of an allocation. What is cut
// off is never used again by the slab and belongs to the application; capacities end with lengths, so that an append cannot
// reach a neighbour.
type slab struct {
	data  []byte
	lists [][]byte
	open  int // length of the list that is being made
}

// Lengths of new slabs: busy connections have larger ones. The runtime puts four of 10 KiB into one span; of 8 KiB each would have one
// of its own, which costs a receiver an eighth more of its time.
const (
	idleData, busyData   = 512, 10 << 10
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
			return frameMemory(n)
		}
		s.data = make([]byte, size)
	}
	cut := s.data[:n:n]
	s.data = s.data[n:]
	return cut
}

// add appends a frame to the list that list will cut off.
func (s *slab) add(frame []byte, busy bool) {
	if s.open == len(s.lists) {
		size := idleLists
		if busy {
			size = busyLists
		}
		lists := make([][]byte, max(size, 2*s.open))
		copy(lists, s.lists)
		s.lists = lists
	}
	s.lists[s.open] = frame
	s.open++
}

// list returns the frames added since it was last called.
func (s *slab) list() [][]byte {
	cut := s.lists[:s.open:s.open]
	s.lists = s.lists[s.open:]
	if s.open = 0; len(cut) > busyLists {
		s.lists = nil // the rest of such a list is more than an idle connection should hold
	}
	return cut
}

// shrink lets go of what it holds for busy times.
func (s *slab) shrink() {
	s.data = nil
	s.lists = append([][]byte(nil), s.lists[:s.open]...)
}
