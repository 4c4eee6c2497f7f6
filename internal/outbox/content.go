package outbox

import (
	"slices"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// HeaderSize is room for the header frame of a SHOUT, which counts in the size of a message.
const HeaderSize = 6 + 1 + msg.MaxString

// Target says whether a message is a WHISPER or, to a group, a SHOUT, and what its large frames are leased from. It is apart from the
// Content so that the list of frames can stay on the caller's stack.
type Target struct {
	Shout bool
	Group string
	Lease *memory.Lease // nil if there are none, or they are left to the garbage collector
}

// Release gives the lease back, when the message is pushed to all that it is for.
func (t Target) Release() {
	if t.Lease != nil {
		t.Lease.Release()
	}
}

// Content is what the application sends.
type Content struct {
	Frames [][]byte
	Size   int64 // octets of all of them
	Given  bool  // all frames are our own, with their capacity, for the peer that gets them first
	Shared bool  // more than one gets them
	owned  bool  // large frames are our own, as queues of sockets need
}

// Own takes copies of the large frames that are not ours, once. It returns what they are leased from, for a Target; nil if there are none
// or this was done before.
func (c *Content) Own() *memory.Lease {
	if c.owned {
		return nil
	}
	c.owned = true
	if c.Size < zmtp.LargeFrame || !slices.ContainsFunc(c.Frames, func(f []byte) bool { return len(f) >= zmtp.LargeFrame }) {
		return nil
	}
	lease := memory.NewLease(c.Frames, c.Given)
	c.Frames = lease.Frames()
	return lease
}

// Clone returns the content for another goroutine, with a list of the same frames. The caller's list does not leave its stack for it.
func (c *Content) Clone() Content {
	frames := make([][]byte, len(c.Frames)) // slices.Clone would have the caller's list on the heap
	copy(frames, c.Frames)
	return Content{Frames: frames, Size: c.Size, Given: c.Given, Shared: c.Shared, owned: c.owned}
}
