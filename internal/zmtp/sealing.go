package zmtp

import (
	"sync"
	"sync/atomic"

	"github.com/go-zre/go-zre/internal/curve"
)

// How much is sealed at a time. The queue counts plain octets, so sealed octets come on top of its bounds: one buffer, mostly a small one,
// for each connection that is being written to. A frame that is too long for the buffer is sealed piece by piece, which takes more time
// (see curve.Stream) but no more memory.
const (
	sealOctets      = 60 << 10
	sealedBuffer    = 128 << 10 // sealOctets, and a message of 64 KiB that begins there
	maxLargeBuffers = 64        // of that size, over all connections; others use small ones
)

var (
	sealedBuffers     = sync.Pool{New: func() any { return new([sealedBuffer]byte) }}
	largeBuffersInUse atomic.Int32
)

// sealing is a writer's CURVE state. What is sealed is written unchanged, however much of it each write takes: a MESSAGE is not sealed
// twice.
type sealing struct {
	sealer  *curve.Sealer // nil for plain
	small   *chunk        // the buffer, one of the two
	large   *[sealedBuffer]byte
	sealed  []byte        // in the buffer
	offset  int           // octets of it that are written
	stream  *curve.Stream // the rest of a frame; mostly nil
	scratch []byte        // for a body that spans two segments

	overhead int // how many octets more than the plain ones are being written
	written  int // how many of them are written, sealed
	counted  int // how many of them are written, plain
}

// writeSealed is write with CURVE.
func (w *writer) writeSealed(segments []segment) (n int, err error) {
	s := w.sealing
	if s.offset == len(s.sealed) {
		if err := s.seal(segments, w.limit); err != nil {
			return 0, err
		}
	}
	next := s.sealed[s.offset:]
	next = next[:min(len(next), w.limit)]
	w.iovec = append(w.iovec[:0], next)
	written, err := w.send(len(next))
	clear(w.iovec)
	return w.count(segments, s.wrote(written), written > 0 || err == nil), err
}

// wrote returns how many plain octets are out with that many sealed ones: never more than really are, and all at the end.
func (s *sealing) wrote(sealed int) (plain int) {
	s.offset += sealed
	s.written += sealed
	plain = max(s.written-s.overhead, 0) - s.counted
	s.counted += plain
	return plain
}

// seal seals the next frames, or the next piece of one. Everything that was sealed before is written.
func (s *sealing) seal(segments []segment, limit int) error {
	goal := min(sealOctets, limit)
	s.offset = 0
	if s.stream != nil {
		s.piece(s.sealed[:0], goal)
		return nil
	}
	s.written, s.counted, s.overhead = 0, 0, 0
	s.sealed = s.buffer(segments, goal)
	for c := (cursor{segments: segments}); len(s.sealed) < goal && c.skipEmpty(); {
		flags, size := c.header()
		sealedSize := curve.SealedSize(int(size))
		if sealedSize > cap(s.sealed)-len(s.sealed) && len(s.sealed) > 0 {
			break // it comes next
		}
		if err := s.frame(flags, c.body(int(size), &s.scratch), goal); err != nil {
			return err
		}
		s.overhead += sealedSize - headerSize(int(size)) - int(size)
		if s.stream != nil {
			break
		}
	}
	return nil
}

// frame seals a frame, or begins to, if it is too long for the buffer, which is empty then.
func (s *sealing) frame(flags byte, body []byte, goal int) (err error) {
	var inner byte
	if flags&flagMore != 0 {
		inner |= curve.More
	}
	if flags&flagCommand != 0 {
		inner |= curve.Command
	}
	if curve.SealedSize(len(body)) <= cap(s.sealed)-len(s.sealed) {
		s.sealed, err = s.sealer.Append(s.sealed, inner, body)
		return err
	}
	head, stream, err := s.sealer.Begin(s.sealed, inner, body)
	if err == nil {
		s.stream = stream
		s.piece(head, goal)
	}
	return err
}

// piece seals the next piece of a long frame, behind what dst has.
func (s *sealing) piece(dst []byte, goal int) {
	s.sealed = s.stream.Append(dst, min(goal, cap(dst)-len(dst)))
	if s.stream.Left() == 0 {
		s.stream = nil
	}
}

// buffer returns the buffer that fits what is to be sealed, empty.
func (s *sealing) buffer(segments []segment, goal int) []byte {
	if s.large == nil && goal > chunkSize && exceed(segments, chunkSize/2) {
		if largeBuffersInUse.Add(1) <= maxLargeBuffers {
			s.release()
			s.large = sealedBuffers.Get().(*[sealedBuffer]byte)
		} else {
			largeBuffersInUse.Add(-1)
		}
	}
	if s.large != nil {
		return s.large[:0]
	}
	if s.small == nil {
		s.small = chunks.Get().(*chunk)
	}
	return s.small[:0]
}

// release gives the buffer back, when everything sealed is written, or nothing more will be.
func (s *sealing) release() {
	if s.small != nil {
		chunks.Put(s.small)
	}
	if s.large != nil {
		sealedBuffers.Put(s.large)
		largeBuffersInUse.Add(-1)
	}
	s.small, s.large, s.sealed, s.offset, s.scratch = nil, nil, nil, 0, nil
}

// exceed tells whether the segments hold more than that many octets.
func exceed(segments []segment, octets int) bool {
	for i := range segments {
		if octets -= len(segments[i].data); octets < 0 {
			return true
		}
	}
	return false
}

// skipEmpty moves to the next octet, and tells whether there is one.
func (c *cursor) skipEmpty() bool {
	for len(c.segments) > 0 && c.at >= len(c.segments[0].data) {
		c.segments, c.at = c.segments[1:], 0
	}
	return len(c.segments) > 0
}

// body moves past a frame's body and returns it: in place, or in scratch if it spans several segments.
func (c *cursor) body(size int, scratch *[]byte) []byte {
	if size == 0 {
		return nil
	}
	c.skipEmpty()
	if data := c.segments[0].data[c.at:]; size <= len(data) {
		c.at += size
		return data[:size]
	}
	body := (*scratch)[:0]
	for len(body) < size && c.skipEmpty() {
		data := c.segments[0].data[c.at:]
		data = data[:min(len(data), size-len(body))]
		body = append(body, data...)
		c.at += len(data)
	}
	*scratch = body
	return body
}
