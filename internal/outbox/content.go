package outbox

import (
	"slices"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// HeaderSize is room for the header frame of a SHOUT, which counts in the size of a message.
const HeaderSize = 6 + 1 + msg.MaxString

// Target says whether a message is a WHISPER or, to a group, a SHOUT, and what its large frames are to be leased from. It is apart from the
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

// Content is what the application sends: its frames, and who has the memory of the large ones. Small ones are always the caller's, and
// copied.
type Content struct {
	Frames [][]byte
	Size   int64 // octets of all of them
	holder holder
}

// A holder has the memory of a content's large frames.
//
//	theCaller ──own──► theLease ◄──own── theMessage ──taken──► theReceiver
//	                       ▲
//	                       └──own── severalTargets
type holder uint8

const (
	// theCaller may use them again when Send returns: what is to stay is a copy.
	theCaller holder = iota

	// theMessage: they are ours, and for one target, which may have them as they are.
	theMessage

	// severalTargets: they are ours, and for more than one target. Sockets write from them all; a node of this process gets a copy.
	severalTargets

	// theLease has them, until the last socket has written them. A node of this process gets a copy.
	theLease

	// theReceiver has them: it is a node of this process, and the message is delivered.
	theReceiver
)

// Give makes the frames ours, which the caller gives away; for so many targets. In the list those that cannot be ours are replaced by
// copies.
func (c *Content) Give(targets int) {
	for i, frame := range c.Frames {
		if len(frame) >= memory.Large {
			c.Frames[i] = memory.Claim(frame)
		}
	}
	if c.holder = theMessage; targets > 1 {
		c.holder = severalTargets
	}
}

// NewLease returns a lease for the large frames, for a Target; nil if there are none. Nothing is copied yet.
func (c *Content) NewLease() *memory.Lease {
	if c.hasLarge() {
		return memory.NewLease()
	}
	return nil
}

func (c *Content) hasLarge() bool {
	return c.Size >= zmtp.LargeFrame && slices.ContainsFunc(c.Frames, func(f []byte) bool { return len(f) >= zmtp.LargeFrame })
}

// mustCopy tells whether large frames are to be copied before a queue may keep them.
func (c *Content) mustCopy() bool { return c.holder == theCaller && c.hasLarge() }

// own has a lease hold the large frames, once. Those that are not ours are copied, so it may take long. Without a lease nothing tells when they are
// written: then the garbage collector takes them.
func (c *Content) own(lease *memory.Lease) {
	if c.holder == theLease {
		return
	}
	if c.hasLarge() {
		if lease == nil {
			lease = memory.NewLease()
		}
		c.Frames = lease.Take(c.Frames, c.holder != theCaller)
	}
	c.holder = theLease
}

// isLong tells whether a copy takes so long that it is made only where there is room, and not under a lock.
func (c *Content) isLong() bool { return c.Size >= longCopy && c.holder != theMessage }

// longCopy is the size from which a message is copied before it is handed over. That needs a list of its own, so below it is not worth it.
const longCopy = 1 << 20

// copyFor returns a content with copies of the large frames, for one node of this process.
func (c *Content) copyFor(pool *memory.Pool) Content {
	mine := Content{Frames: make([][]byte, len(c.Frames)), Size: c.Size, holder: theMessage}
	for i, frame := range c.Frames {
		if len(frame) >= memory.Large {
			frame = pool.Copy(frame)
		}
		mine.Frames[i] = frame
	}
	return mine
}

// Clone returns the content for another goroutine, with a list of the same frames. The caller's list does not leave its stack for it.
func (c *Content) Clone() Content {
	frames := make([][]byte, len(c.Frames)) // slices.Clone would have the caller's list on the heap
	copy(frames, c.Frames)
	return Content{Frames: frames, Size: c.Size, holder: c.holder}
}
