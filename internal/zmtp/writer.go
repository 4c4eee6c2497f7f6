package zmtp

import "net"

// What goes into one system call at most. Room in the queue is announced after each.
const (
	writeSegments = 128
	writeOctets   = 1 << 20
	keepSegments  = 4 // a longer list of segments is not kept: an idle connection is to be small
)

// A writer drains a queue into a connection. With CURVE it would seal here, between take and write: walk the frames of
// what it took, and write a MESSAGE for each.
type writer struct {
	nc    net.Conn
	queue *Queue
	iovec [][]byte // backing of buffers
	bufs  net.Buffers
}

// run writes until the queue is closed or the connection fails, and returns why.
func (w *writer) run() error {
	var spare []segment
	for {
		all, err := w.queue.take(spare)
		if err != nil {
			return err
		}
		for rest := all; len(rest) > 0; {
			n, err := w.write(rest)
			if err != nil {
				return err
			}
			rest = rest[n:]
		}
		if spare = all; cap(spare) > keepSegments {
			spare, w.iovec = nil, nil
		}
	}
}

// write writes the first segments with one call, and returns how many.
func (w *writer) write(segments []segment) (n int, err error) {
	messages, octets := 0, int64(0)
	w.iovec = w.iovec[:0]
	for n < len(segments) && n < writeSegments && octets < writeOctets {
		s := &segments[n]
		if len(s.data) > 0 {
			w.iovec = append(w.iovec, s.data)
		}
		messages += s.messages
		octets += int64(len(s.data))
		n++
	}
	switch len(w.iovec) {
	case 0:
	case 1:
		_, err = w.nc.Write(w.iovec[0])
	default:
		w.bufs = w.iovec // WriteTo eats its slice
		_, err = w.bufs.WriteTo(w.nc)
	}
	if err != nil {
		return 0, err
	}
	clear(w.iovec)
	recycle(segments[:n])
	w.queue.wrote(messages, octets)
	return n, nil
}
