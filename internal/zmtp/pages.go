package zmtp

import "time"

// Lengths of pages.
const idleData, busyData = 512, 10 << 10

// Pages are the memory that an inproc queue puts small frames into. Like what is cut from a slab, a frame belongs to the
// application once it is delivered. A page is small again when the last one was enough for a while.
type pages struct {
	rest []byte    // of the page of the segments that were taken
	page int       // length of the last one
	made time.Time // when
}

// next returns a page, empty.
func (p *pages) next(n int) []byte {
	if cap(p.rest) >= n {
		page := p.rest
		p.rest = nil
		return page
	}
	now := time.Now()
	p.page = idleData
	if now.Sub(p.made) < busyTime {
		p.page = busyData
	}
	p.made = now
	return make([]byte, 0, max(n, p.page)) // what was small for the last page may not be for this one
}

// keep saves what is left of a segment's page.
func (p *pages) keep(s *segment) { p.rest = s.data[len(s.data):] }

// small is the length, with its header, of the longest frame that goes into a page: a longer one would mostly waste it.
func (p *pages) small() int { return max(p.page, idleData) / 4 }

// page returns the last segment, with room for n octets: a frame is to be in one piece.
func (b *batch) page(n int) *segment {
	last := len(b.segments) - 1
	if last < 0 || b.segments[last].room() < n {
		b.segments = append(b.segments, segment{data: b.inproc.next(n)})
		last++
	}
	return &b.segments[last]
}

// place appends a small message.
func (b *batch) place(frames [][]byte, size int) {
	page := b.page(size)
	data := page.data
	for i, f := range frames {
		data = appendFrame(data, more(i, frames), f)
	}
	page.data = data
}
