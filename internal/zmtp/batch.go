package zmtp

import (
	"sync"

	"github.com/go-zre/go-zre/internal/memory"
)

// LargeFrame is the length, in octets, from which a frame is kept by reference in a Queue instead of being copied.
const LargeFrame = memory.Large

const chunkSize = 16 << 10

// A chunk is memory for the octets of many small frames. All queues share one pool of them, so that an empty queue holds
// none, and the garbage collector takes them back after a burst.
type chunk [chunkSize]byte

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// A batch is a run of messages as they go on the wire. The last segment always has memory that small frames share, so that
// what comes next may go into its rest.
type batch struct {
	segments []segment
	inproc   *pages // where a receiver in this process gets its frames; nil for a socket, which leaves them to be reused
}

// A segment is a piece of that run: octets of small frames, or one large frame by itself. Messages may cross from one
// segment into the next. Frames may too, on their way to a socket.
type segment struct {
	data     []byte
	chunk    *chunk        // what to reuse once data is written; nil if data is a large frame, or a later segment shares the chunk
	lease    *memory.Lease // holds data, if that is a large frame of one
	messages int           // messages that end here
}

// message appends a message of one or more frames, which has that size on the wire; the large ones may be of a lease.
func (b *batch) message(frames [][]byte, size int64, lease *memory.Lease) {
	if b.inproc != nil && size <= int64(b.inproc.small()) {
		b.place(frames, int(size))
	} else {
		for i, f := range frames {
			b.frame(more(i, frames), f, lease)
		}
	}
	b.segments[len(b.segments)-1].messages++
}

func (b *batch) frame(flags byte, body []byte, lease *memory.Lease) {
	var header [longHeader]byte
	switch {
	case b.inproc != nil && len(header)+len(body) <= b.inproc.small():
		page := b.page(len(header) + len(body))
		page.data = appendFrame(page.data, flags, body)
	case b.inproc != nil:
		page := b.page(len(header))
		page.data = append(page.data, frameHeader(&header, flags, len(body))...)
		b.reference(memory.Clone(body), nil)
	default:
		b.copy(frameHeader(&header, flags, len(body)))
		if len(body) >= LargeFrame {
			b.reference(body, lease)
		} else {
			b.copy(body)
		}
	}
}

// copy appends octets to the last chunk, and to new ones as it fills.
func (b *batch) copy(octets []byte) {
	for len(octets) > 0 {
		last := len(b.segments) - 1
		if last < 0 || b.segments[last].room() == 0 {
			c := chunks.Get().(*chunk)
			b.segments = append(b.segments, segment{data: c[:0], chunk: c})
			last++
		}
		s := &b.segments[last]
		n := min(len(octets), s.room())
		s.data = append(s.data, octets[:n]...)
		octets = octets[n:]
	}
}

// reference appends a large frame without copying it; the rest of the chunk before it goes on behind it.
func (b *batch) reference(frame []byte, lease *memory.Lease) {
	if lease != nil {
		lease.Hold()
	}
	before := &b.segments[len(b.segments)-1] // there is one: the frame's header
	rest := segment{data: before.data[len(before.data):], chunk: before.chunk}
	before.chunk = nil
	b.segments = append(b.segments, segment{data: frame, lease: lease}, rest)
}

func (s *segment) room() int { return cap(s.data) - len(s.data) }

// recycle gives the memory of written segments back and forgets their frames.
func recycle(segments []segment) {
	for i := range segments {
		if l := segments[i].lease; l != nil {
			l.Release()
		}
		if c := segments[i].chunk; c != nil {
			chunks.Put(c)
		}
	}
	clear(segments)
}

// take returns all segments; spare becomes the batch's own for the next ones.
func (b *batch) take(spare []segment) []segment {
	all := b.segments
	if b.inproc != nil {
		b.inproc.keep(&all[len(all)-1])
	}
	b.segments = spare[:0]
	return all
}
