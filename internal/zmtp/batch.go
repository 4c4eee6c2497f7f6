package zmtp

import (
	"slices"
	"sync"

	"github.com/go-zre/go-zre/internal/memory"
)

// LargeFrame is the length, in octets, from which a Queue keeps a frame by reference instead of copying it.
const LargeFrame = memory.Large

const chunkSize = 16 << 10

// takeOctets is how much a writer takes at a time, up to the end of a message: nothing can overtake what it has taken. Large frames go many
// times faster, and count as a fraction.
const (
	takeOctets   = 64 << 10
	largeDivisor = 8
)

// A chunk is memory for the octets of many small frames. All queues share one pool of chunks, so that an empty queue holds none, and the
// garbage collector takes them back after a burst.
type chunk [chunkSize]byte

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// A batch is a run of messages as they go on the wire. The last segment always has memory that small frames share; the next frames may go
// into its rest.
type batch struct {
	segments  []segment
	head      int     // the segments before it are taken; a message or command begins there
	ahead     segment // messages that have overtaken all these
	overtaken uint32  // how many have overtaken so far
	chunks    int     // that are held, including those taken and not yet recycled
}

// A segment is a piece of that run: octets of small frames, or one large frame by itself. Messages and frames may cross from one segment
// into the next.
type segment struct {
	data            []byte
	chunk           *chunk        // what to reuse once data is written; nil if data is a large frame, or a later segment shares the chunk
	lease           *memory.Lease // holds data, if that is a large frame of a lease
	messages        int           // messages that end here
	own             bool          // all octets belong to the protocol's own messages: see PushControl
	first           int           // offset of the first message or command that begins here; negative if none does
	overtakenBefore uint32        // how many messages had overtaken when those that begin here came
}

// message appends a message of one or more frames; the large ones may belong to a lease. own says that the message is the protocol's own.
func (b *batch) message(frames [][]byte, lease *memory.Lease, own bool) {
	b.begin(own)
	for i, f := range frames {
		b.frame(more(i, frames), f, lease)
	}
	last := len(b.segments) - 1
	if len(b.segments[last].data) == 0 { // behind a large frame
		last--
	}
	b.segments[last].messages++
}

// begin says that a message or a command comes next. All that begin in one segment were overtaken by the same messages, and either all or
// none are the protocol's own.
func (b *batch) begin(own bool) {
	s := b.chunk()
	if s.first >= 0 && s.overtakenBefore != b.overtaken || s.own != own && len(s.data) > 0 {
		b.add(s.cut())
		s = &b.segments[len(b.segments)-1]
	}
	s.own = own
	if s.first < 0 {
		s.first, s.overtakenBefore = len(s.data), b.overtaken
	}
}

func (b *batch) frame(flags byte, body []byte, lease *memory.Lease) {
	var header [longHeader]byte
	b.copy(frameHeader(&header, flags, len(body)))
	if len(body) >= LargeFrame {
		b.reference(body, lease)
	} else {
		b.copy(body)
	}
}

// copy appends octets to the last chunk, and to new ones as it fills.
func (b *batch) copy(octets []byte) {
	for len(octets) > 0 {
		s := b.chunk()
		n := min(len(octets), s.room())
		s.data = append(s.data, octets[:n]...)
		octets = octets[n:]
	}
}

// add appends to the list, which does not grow while most of it is taken.
func (b *batch) add(segments ...segment) {
	if len(b.segments)+len(segments) > cap(b.segments) && b.head > len(b.segments)/2 {
		n := copy(b.segments, b.segments[b.head:])
		clear(b.segments[n:])
		b.segments, b.head = b.segments[:n], 0
	}
	b.segments = append(b.segments, segments...)
}

// chunk returns the last segment, with room for small frames.
func (b *batch) chunk() *segment {
	last := len(b.segments) - 1
	if last < 0 || b.segments[last].room() == 0 {
		c := chunks.Get().(*chunk)
		b.chunks++
		b.add(segment{data: c[:0], chunk: c, first: -1, own: last >= 0 && b.segments[last].own})
		last = len(b.segments) - 1
	}
	return &b.segments[last]
}

// reference appends a large frame without copying it; the rest of the chunk before it continues behind it.
func (b *batch) reference(frame []byte, lease *memory.Lease) {
	if lease != nil {
		lease.Hold()
	}
	before := &b.segments[len(b.segments)-1] // there is one: the frame's header
	rest := before.cut()
	b.add(segment{data: frame, lease: lease, first: -1, own: rest.own}, rest)
}

// cut moves the rest of a segment's memory to another segment.
func (s *segment) cut() segment {
	rest := segment{data: s.data[len(s.data):], chunk: s.chunk, first: -1, own: s.own}
	s.chunk = nil
	return rest
}

func (s *segment) room() int { return cap(s.data) - len(s.data) }

// discardSegments releases the leases of what is not written. Other memory is left to the garbage collector.
func discardSegments(segments []segment) {
	for i := range segments {
		if l := segments[i].lease; l != nil {
			l.Leave()
			l.Release()
			segments[i].lease = nil
		}
	}
}

// recycle gives the memory of written segments back and clears them. It returns how many chunks there were.
func recycle(segments []segment) (count int) {
	for i := range segments {
		if l := segments[i].lease; l != nil {
			l.Release()
		}
		if c := segments[i].chunk; c != nil {
			chunks.Put(c)
			count++
		}
	}
	clear(segments)
	return count
}

// take returns the first messages, about takeOctets of them, behind those that have overtaken them. spare becomes either the batch's list
// for the next messages, or the result.
func (b *batch) take(spare []segment) []segment {
	n := b.takeEnd()
	all := b.segments[b.head:n]
	if len(all) == len(b.segments) {
		b.segments = spare[:0]
	} else {
		all = append(spare[:0], all...)
		clear(b.segments[b.head:n])
		b.head = n
		if n == len(b.segments) {
			b.segments, b.head = b.segments[:0], 0
		} else if s := &b.segments[n]; s.first > 0 { // the end of a message that is taken
			end := *s
			end.data, end.chunk, end.messages, end.first = s.data[:s.first:s.first], nil, 1, -1
			all = append(all, end)
			s.data, s.messages, s.first = s.data[s.first:], s.messages-1, 0
		}
	}
	if b.ahead.messages > 0 {
		all = slices.Insert(all, 0, b.ahead)
		b.ahead = segment{}
	}
	return all
}

// takeEnd returns where about takeOctets end: a segment in which a message begins, or the end of all.
func (b *batch) takeEnd() int {
	octets := 0
	for i := b.head; i < len(b.segments); i++ {
		if octets >= takeOctets && b.segments[i].first >= 0 {
			return i
		}
		if n := len(b.segments[i].data); n <= chunkSize {
			octets += n
		} else {
			octets += n / largeDivisor
		}
	}
	return len(b.segments)
}
