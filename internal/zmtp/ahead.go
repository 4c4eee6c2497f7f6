package zmtp

import "encoding/binary"

// Numbers says how a protocol numbers its messages: each number is one more than the last, in two octets of the first frame, big-endian.
// That frame is shorter than LargeFrame.
type Numbers struct {
	At    int    // offset of the two octets
	Cycle uint32 // how many numbers there are, at most 65536: 0 follows the last
}

// PushAhead is PushControl for a message that overtakes what waits. On the wire it looks as if it had been pushed earlier: it gets the
// number of the message that it goes in front of, and each message behind it gets a number one higher. So frame carries the number that it
// would have as the last message, and the next message that is pushed carries the one after that.
//
// Nothing overtakes what the writer has taken, nor the first message of Open. If the numbers cannot be determined (a queue of an inproc
// link, a command in front), it is PushControl. Overtaking costs the same however much waits: the other messages get their numbers when the
// writer takes them.
//
// It returns the position of the first message that it overtook, as PushControlAt counts it; if it overtook none, its own.
func (q *Queue) PushAhead(numbers Numbers, frame []byte) (position int64, overtook bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := wireSize([][]byte{frame}) + q.frameCosts(1)
	if err := q.admit(size, controlMessages, controlOctets, nil); err != nil {
		return 0, false, err
	}
	q.own.add(1, size)
	if q.firstTaken && q.batch.overtake(numbers, frame) {
		q.numbers = numbers
		q.written-- // a Flush that waits already does not wait for it
		return q.takenCount + 1, true, nil
	}
	q.add([][]byte{frame}, nil, control)
	q.pushed++
	return q.pushed, false, nil
}

// overtake puts a message in front of all messages, but behind those that overtook before, if it can.
func (b *batch) overtake(numbers Numbers, frame []byte) bool {
	if len(b.segments) == 0 || len(frame) < numbers.At+2 {
		return false
	}
	front := &b.segments[b.head]
	c := cursor{segments: b.segments[b.head:]}
	flags, size := c.header()
	if flags&flagCommand != 0 || size < uint64(numbers.At+2) {
		return false
	}
	c.skip(uint64(numbers.At))
	number := numbers.after(c.number(), b.overtaken-front.overtakenBefore)
	b.overtaken++
	var header [longHeader]byte
	b.ahead.data = append(append(b.ahead.data, frameHeader(&header, 0, len(frame))...), frame...)
	b.ahead.messages++
	b.ahead.first, b.ahead.own = -1, true
	own := b.ahead.data[len(b.ahead.data)-len(frame)+numbers.At:]
	binary.BigEndian.PutUint16(own, number)
	return true
}

// renumber gives messages that were taken the numbers that follow from those that overtook them.
func renumber(segments []segment, overtaken uint32, numbers Numbers) {
	for i := range segments {
		s := &segments[i]
		if s.first < 0 || s.overtakenBefore == overtaken {
			continue
		}
		c := cursor{segments[i:], s.first}
		for len(c.segments) == len(segments)-i && c.at < len(s.data) {
			c.renumberMessage(numbers, overtaken-s.overtakenBefore)
		}
	}
}

// after returns the number that many places after number.
func (n Numbers) after(number uint16, more uint32) uint16 {
	return uint16((uint64(number) + uint64(more)) % uint64(n.Cycle))
}

// A cursor is a position in a run of segments: an offset in the first of them.
type cursor struct {
	segments []segment
	at       int
}

// passMessage moves past the message or command that begins here.
func (c *cursor) passMessage() {
	for more := true; more; {
		flags, size := c.header()
		c.skip(size)
		more = flags&flagMore != 0
	}
}

// renumberMessage renumbers the message, or moves past the command, that begins here.
func (c *cursor) renumberMessage(numbers Numbers, more uint32) {
	flags, size := c.header()
	if flags&flagCommand == 0 && size >= uint64(numbers.At+2) {
		c.skip(uint64(numbers.At))
		number := *c
		high, low := number.octet(), number.octet()
		n := numbers.after(uint16(*high)<<8|uint16(*low), more)
		*high, *low = byte(n>>8), byte(n)
		size -= uint64(numbers.At)
	}
	for c.skip(size); flags&flagMore != 0; c.skip(size) {
		flags, size = c.header()
	}
}

func (c *cursor) number() uint16 { return uint16(*c.octet())<<8 | uint16(*c.octet()) }

// header reads the header of a frame.
func (c *cursor) header() (flags byte, size uint64) {
	flags = *c.octet()
	if flags&flagLong == 0 {
		return flags, uint64(*c.octet())
	}
	for range 8 {
		size = size<<8 | uint64(*c.octet())
	}
	return flags, size
}

// octet moves past one octet and returns it.
func (c *cursor) octet() *byte {
	for c.at >= len(c.segments[0].data) {
		c.segments, c.at = c.segments[1:], 0
	}
	c.at++
	return &c.segments[0].data[c.at-1]
}

// skip moves past n octets.
func (c *cursor) skip(n uint64) {
	for rest := uint64(len(c.segments[0].data) - c.at); n > rest; rest = uint64(len(c.segments[0].data)) {
		n -= rest
		c.segments, c.at = c.segments[1:], 0
	}
	c.at += int(n)
}
