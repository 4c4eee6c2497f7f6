package zmtp

import (
	"errors"
	"net"
	"os"
	"time"
)

// What goes into one system call at most. Room in the queue is announced after each.
const (
	writeSegments = 128
	writeOctets   = 1 << 20
	keepSegments  = 4 // a longer list of segments is not kept: an idle connection is to be small

	// A peer that is slow gets few octets at a time, so that who waits for room sees its progress: a call with more of them is
	// cut short when it takes too long.
	fewOctets = 16 << 10
	slowWrite = 50 * time.Millisecond
)

// A writer drains a queue into a connection. With CURVE it would seal here, between take and write: walk the frames of
// what it took, and write a MESSAGE for each.
type writer struct {
	nc    net.Conn
	queue *Queue
	iovec [][]byte // backing of buffers
	bufs  net.Buffers
	spare []segment // for the queue
	limit int       // of octets in a call; 0 at first
}

// run writes until nothing waits: then it returns nil, and is to be called again when something does. If the queue is closed or
// the connection fails it returns why.
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
		for rest := all; len(rest) > 0; {
			n, err := w.write(rest)
			if err != nil {
				discardSegments(rest)
				return err
			}
			rest = rest[n:]
		}
		w.spare = all
	}
}

// write writes from the first segments with one call, and returns how many of them are done with.
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
	if err != nil {
		return 0, err
	}
	n, messages := advance(segments, written)
	w.queue.wroteOf(messages, int64(written), recycle(segments[:n]))
	return n, nil
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
	hasty := octets > fewOctets
	if hasty {
		if err := w.nc.SetWriteDeadline(began.Add(slowWrite)); err != nil {
			return 0, err
		}
	}
	if len(w.iovec) == 1 {
		written, err = w.nc.Write(w.iovec[0])
	} else {
		var n int64
		w.bufs = w.iovec // WriteTo eats its slice
		n, err = w.bufs.WriteTo(w.nc)
		written = int(n)
	}
	switch {
	case hasty && errors.Is(err, os.ErrDeadlineExceeded):
		w.limit = fewOctets
		return written, w.nc.SetWriteDeadline(time.Time{})
	case err != nil:
		return written, err
	case hasty:
		err = w.nc.SetWriteDeadline(time.Time{})
	}
	if octets >= fewOctets && time.Since(began) < slowWrite {
		w.limit = min(2*w.limit, writeOctets)
	}
	return written, err
}

// advance takes what was written off the segments, and returns how many of them are done with, and the messages that end there.
func advance(segments []segment, written int) (n, messages int) {
	for n < len(segments) && written >= len(segments[n].data) {
		written -= len(segments[n].data)
		messages += segments[n].messages
		n++
	}
	if written > 0 {
		segments[n].data = segments[n].data[written:]
	}
	return n, messages
}
