package zmtp

import (
	"errors"
	"net"
	"os"
	"time"
)

// The most that goes into one system call. Room in the queue is announced after each.
const (
	writeSegments = 128
	writeOctets   = 1 << 20
	keepSegments  = 4 // a longer list of segments is not kept: an idle connection must be small

	// A slow peer gets few octets at a time, so that waiters for room see its progress: a call with more of them is cut short when it takes
	// too long.
	fewOctets = 16 << 10
	slowWrite = 50 * time.Millisecond
)

// A writer drains a queue into a connection. With CURVE it seals between take and write, when nothing can overtake any more.
type writer struct {
	nc      net.Conn
	queue   *Queue
	iovec   [][]byte // backing of bufs
	bufs    net.Buffers
	spare   []segment // for the queue
	limit   int       // octets per call; 0 at first
	sealing *sealing  // nil for plain
}

// run writes until nothing waits: then it returns nil, and must be called again when something does. If the queue is closed or the
// connection fails it returns why.
func (w *writer) run() error {
	if w.limit == 0 {
		w.limit = writeOctets
	}
	for {
		spare, iovec := w.spare, w.iovec
		if cap(spare) > keepSegments {
			w.spare, w.iovec = nil, nil // for the next run, which may have begun when take returns nothing
		}
		all, err := w.queue.take(spare)
		if err != nil || all == nil {
			return err
		}
		w.iovec = iovec
		if err := w.writeAll(all); err != nil {
			return err
		}
		w.spare = all
	}
}

// writeAll writes what was taken. It keeps no buffer: another run may begin as soon as there is nothing more to take.
func (w *writer) writeAll(segments []segment) (err error) {
	write := w.write
	if w.sealing != nil {
		write = w.writeSealed
		defer w.sealing.release()
	}
	for n := 0; len(segments) > 0; segments = segments[n:] {
		if n, err = write(segments); err != nil {
			discardSegments(segments)
			return err
		}
	}
	return nil
}

// write writes from the first segments with one call, and returns how many of them are complete.
func (w *writer) write(segments []segment) (n int, err error) {
	octets := 0
	w.iovec = w.iovec[:0]
	for i := 0; i < len(segments) && i < writeSegments && octets < w.limit; i++ {
		if data := segments[i].data; len(data) > 0 {
			data = data[:min(len(data), w.limit-octets)]
			w.iovec = append(w.iovec, data)
			octets += len(data)
		}
	}
	written, err := w.send(octets)
	clear(w.iovec)
	return w.count(segments, written, written > 0 || err == nil), err
}

// count removes that many plain octets from the segments, returns how many of them are complete, and reports progress to the queue, if
// there was some.
func (w *writer) count(segments []segment, octets int, progress bool) (n int) {
	n, messages, own := advance(segments, octets)
	chunks := recycle(segments[:n])
	if progress {
		w.queue.noteWrittenParts(messages, int64(octets), own, chunks)
	}
	return n
}

// send writes what iovec holds, or some of it if that takes long.
func (w *writer) send(octets int) (written int, err error) {
	if octets == 0 {
		return 0, nil
	}
	var began time.Time
	if octets >= fewOctets {
		began = time.Now()
	}
	hasDeadline := octets > fewOctets
	if hasDeadline {
		if err := w.nc.SetWriteDeadline(began.Add(slowWrite)); err != nil {
			return 0, err
		}
	}
	if len(w.iovec) == 1 {
		written, err = w.nc.Write(w.iovec[0])
	} else {
		var n int64
		w.bufs = w.iovec // WriteTo consumes its slice
		n, err = w.bufs.WriteTo(w.nc)
		written = int(n)
	}
	switch {
	case hasDeadline && errors.Is(err, os.ErrDeadlineExceeded):
		w.limit = fewOctets
		return written, w.nc.SetWriteDeadline(time.Time{})
	case err != nil:
		return written, err
	case hasDeadline:
		err = w.nc.SetWriteDeadline(time.Time{})
	}
	if octets >= fewOctets && time.Since(began) < slowWrite {
		w.limit = min(2*w.limit, writeOctets)
	}
	return written, err
}

// advance removes what was written from the segments. It returns how many of them are complete, how many messages are out, and the
// protocol's own part of that.
func advance(segments []segment, written int) (n, messages int, own amount) {
	for n < len(segments) && written >= len(segments[n].data) {
		s := &segments[n]
		if messages += s.messages; s.own {
			own.add(s.messages, int64(len(s.data)))
		}
		written -= len(s.data)
		n++
	}
	if written > 0 {
		s := &segments[n]
		ended := advanceWithin(segments[n:], written)
		if messages += ended; s.own {
			own.add(ended, int64(written))
		}
	}
	return n, messages, own
}

// advanceWithin removes what was written from the first segment, a part of it, and returns how many messages end there.
func advanceWithin(segments []segment, written int) (messages int) {
	s := &segments[0]
	if s.first > 0 && s.first <= written {
		messages++ // the end of one that began before
	}
	for s.first >= 0 && s.first <= written {
		c := cursor{segments, s.first}
		c.passMessage()
		if len(c.segments) < len(segments) || c.at == len(s.data) {
			s.first = -1 // it is the last that begins here
		} else if s.first = c.at; c.at <= written {
			messages++
		}
	}
	s.data = s.data[written:]
	if s.messages -= messages; s.first >= 0 {
		s.first -= written
	}
	return messages
}
