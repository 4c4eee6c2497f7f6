package zmtp

import "io"

// How much is handed over before it is counted: room is announced then, and the connection's end noticed.
const (
	countMessages = 64
	countOctets   = 64 << 10
)

// A handover takes messages out of an inproc queue and delivers them: it is both the writer of one side and the reader of
// the other.
type handover struct {
	assembler
	conn     *Conn // whose Receiver gets the messages
	queue    *Queue
	messages int   // delivered, not yet counted
	octets   int64 // of those, on the wire
	spare    []segment
}

// run delivers until nothing waits: then it returns nil, and is to be called again when something does. If one of the sides closes,
// or deliver says no, or a message breaks a limit, it returns why.
func (h *handover) run() error {
	for {
		all, err := h.queue.take(h.spare)
		switch {
		case err != nil:
			return io.EOF
		case all == nil:
			return nil
		}
		h.cutter.Busy = len(all) > 1
		for rest := all; len(rest) > 0; {
			n, err := h.segment(rest)
			if err != nil {
				return err
			}
			rest = rest[n:]
		}
		if err := h.count(); err != nil {
			return err
		}
		if h.cutter.Busy {
			h.cutter.Shrink()
		}
		clear(all)
		if h.spare = all; cap(all) > keepSegments {
			h.spare = nil
		}
	}
}

// segment delivers the frames in the first segment. The body of the last one may be the second segment; it returns how
// many these were.
func (h *handover) segment(segments []segment) (n int, err error) {
	data := segments[0].data
	for len(data) > 0 {
		flags, size, header := parseHeader(data)
		data = data[header:]
		if err := h.admit(size); err != nil {
			return 0, err
		}
		h.octets += int64(header) + int64(size)
		if uint64(len(data)) < size {
			return 2, h.frame(flags, segments[1].data)
		}
		if err := h.frame(flags, data[:size:size]); err != nil {
			return 0, err
		}
		data = data[size:]
	}
	return 1, nil
}

func (h *handover) frame(flags byte, body []byte) error {
	if err := h.add(flags, body); err != nil {
		return err
	}
	if flags&flagMore != 0 {
		return nil
	}
	if h.messages++; h.messages >= countMessages || h.octets >= countOctets {
		return h.count()
	}
	return nil
}

// count makes room in the queue for what was delivered. The error is that of a connection that was closed meanwhile.
func (h *handover) count() error {
	h.queue.wrote(h.messages, h.octets)
	h.messages, h.octets = 0, 0
	return h.conn.Err()
}
