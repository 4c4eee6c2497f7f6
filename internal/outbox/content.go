package outbox

import (
	"slices"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// HeaderSize is the room for the header frame of a SHOUT, which counts towards the size of a message.
const HeaderSize = 6 + 1 + msg.MaxString

// Target says whether a message is a WHISPER or a SHOUT to a group, and which lease its large frames come from. It is separate from Content
// so that the list of frames can stay on the caller's stack.
type Target struct {
	Shout bool
	Group string
	Lease *memory.Lease // nil if there are no large frames, or they are left to the garbage collector
}

// Release gives the lease back. Call it when the message is pushed to all its targets.
func (t Target) Release() {
	if t.Lease != nil {
		t.Lease.Release()
	}
}

// Content is what the application sends: its frames, and the holder of the large ones' memory. Small frames always belong to the caller and
// are copied.
type Content struct {
	Frames [][]byte
	Size   int64 // bytes of all frames
	holder holder
}

// A holder owns the memory of a content's large frames.
//
//	theCaller ──own──► theLease ◄──own── theMessage ──taken──► theReceiver
//	                       ▲
//	                       └──own── severalTargets
type holder uint8

const (
	// theCaller may reuse the frames when Send returns: what must stay is copied.
	theCaller holder = iota

	// theMessage: the frames are ours, and for one target, which may keep them as they are.
	theMessage

	// severalTargets: the frames are ours, and for more than one target. Sockets all write from them; a node of this process gets a copy.
	severalTargets

	// theLease holds the frames until the last socket has written them. A node of this process gets a copy.
	theLease

	// theReceiver holds the frames: it is a node of this process, and the message is delivered.
	theReceiver
)

// Give takes over frames that the caller gives away, for that number of targets. It replaces frames that we cannot take over by copies, in
// the list itself.
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

// NewLease returns a lease for the large frames, to be put in a Target; nil if there are none. It copies nothing yet.
func (c *Content) NewLease() *memory.Lease {
	if c.hasLarge() {
		return memory.NewLease()
	}
	return nil
}

func (c *Content) hasLarge() bool {
	return c.Size >= zmtp.LargeFrame && slices.ContainsFunc(c.Frames, func(f []byte) bool { return len(f) >= zmtp.LargeFrame })
}

// mustCopy tells whether large frames must be copied before a queue may keep them.
func (c *Content) mustCopy() bool { return c.holder == theCaller && c.hasLarge() }

// moveToLease moves the large frames to a lease, once. It copies frames that are not ours, so it may take long. Without a lease nothing tells when
// the frames are written, so the garbage collector takes them.
func (c *Content) moveToLease(lease *memory.Lease) {
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

// takesLongToCopy tells whether a copy takes so long that it is made only if there is room, and not under a lock.
func (c *Content) takesLongToCopy() bool { return c.Size >= longCopy && c.holder != theMessage }

// longCopy is the size from which a message is copied before it is handed over. Such a copy needs its own list, which does not pay below
// this size.
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

// Clone returns the content for another goroutine, with its own list of the same frames. The caller's list stays on its stack.
func (c *Content) Clone() Content {
	frames := make([][]byte, len(c.Frames)) // slices.Clone would have the caller's list on the heap
	copy(frames, c.Frames)
	return Content{Frames: frames, Size: c.Size, holder: c.holder}
}
