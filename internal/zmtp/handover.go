package zmtp

import "io"

// How much is handed over before it is counted: then room is announced, and the end of the connection noticed.
const (
	countMessages = 64
	countOctets   = 64 << 10
)

// A handover takes messages out of an inproc queue and delivers them: it is both the writer of one side and the reader of the other.
type handover struct {
	conn     *Conn // whose Receiver gets the messages
	queue    *Queue
	messages int    // delivered, not yet counted
	octets   int64  // of those, on the wire
	own      amount // of those, the protocol's own
	spare    []run  // for the queue
}

// run delivers until nothing waits: then it returns nil, and must be called again when something does. If one of the sides closes, deliver
// fails, or a message breaks a limit, it returns why.
func (h *handover) run() error {
	for {
		all, err := h.queue.takeCopies(h.spare)
		switch {
		case err != nil:
			return io.EOF
		case all == nil:
			return nil
		}
		if err := h.deliverAll(all); err != nil {
			return err
		}
		if h.spare = all; cap(all) > keepSegments {
			h.spare = nil
		}
	}
}

// deliverAll delivers what was taken from the queue.
func (h *handover) deliverAll(all []run) error {
	for i := range all {
		for r := &all[i]; len(r.frames) > 0; {
			rest := *r
			own := r.isOwn()
			err := h.deliver(r.next(), own)
			if err != nil {
				_ = h.count() // what was delivered before is not lost
				*r = rest
			} else if h.messages >= countMessages || h.octets >= countOctets {
				err = h.count()
			}
			if err != nil {
				left := copies{runs: all[i:]}
				h.queue.uncountOverhead(left.frames())
				return err
			}
		}
		all[i] = run{}
	}
	return h.count()
}

// deliver hands over a message, within the receiver's limits.
func (h *handover) deliver(frames [][]byte, own bool) error {
	octets := int64(0)
	for i, f := range frames {
		if err := h.conn.limits.admit(i, octets, uint64(len(f))); err != nil {
			return err
		}
		octets += int64(len(f))
	}
	size := wireSize(frames) + frameCost*int64(len(frames))
	if err := h.conn.deliver(frames, h.conn.memory.Once()); err != nil {
		return err
	}
	if h.octets += size; own {
		h.own.add(1, size)
	}
	h.messages++
	return nil
}

// count makes room in the queue for what was delivered. It returns the error of a connection that was closed meanwhile.
func (h *handover) count() error {
	h.queue.noteWrittenParts(h.messages, h.octets, h.own, 0)
	h.messages, h.octets, h.own = 0, 0, amount{}
	return h.conn.Err()
}
