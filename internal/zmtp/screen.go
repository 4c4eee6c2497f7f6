package zmtp

import (
	"math"

	"github.com/go-zre/go-zre/internal/memory"
)

// A Screener is a Receiver that can tell from the head of a message, its first frame, whether it needs the rest. What it does not need is
// read and dropped as it arrives, so that no memory is held for it. Limits count it all the same. Messages of 8 KiB or less, with 256
// frames or fewer, are received without asking, and so are those of a link within the process, which are in memory already.
type Screener interface {
	Receiver

	// HeadSize is the length, in octets, of the longest meaningful head. Of a longer one Receive gets one octet more than that, and the
	// rest is dropped. It must not change.
	HeadSize() int

	// Wants tells whether the frames behind a head are wanted. If not, Receive gets the message all the same, with an empty frame for each
	// dropped one. It is called within the message, on the same goroutine as Receive and under the same rules. The Receiver owns the head,
	// and Receive gets it again.
	Wants(head []byte) bool
}

// screen is what a reader knows about its Screener.
type screen struct {
	head  int                    // HeadSize
	wants func(head []byte) bool // nil without a Screener

	asked bool // for this message
	drop  bool // the answer
}

// keep returns how many octets to keep of the next frame, which has size octets, of a long message.
func (s *screen) keep(size int, message *memory.Cutter) int {
	switch {
	case s.wants == nil:
		return size
	case message.Open() == 0:
		return min(size, s.head+1)
	case !s.asked:
		s.asked, s.drop = true, !s.wants(message.First())
	}
	if s.drop {
		return 0
	}
	return size
}

// screener returns what a connection's reader asks. The Receiver may change, but it stays a Screener or stays none.
func (c *Conn) screener() screen {
	s, ok := c.receiver.(Screener)
	if !ok {
		return screen{}
	}
	return screen{
		head:  min(s.HeadSize(), math.MaxInt-1),
		wants: func(head []byte) bool { return c.receiver.(Screener).Wants(head) },
	}
}
