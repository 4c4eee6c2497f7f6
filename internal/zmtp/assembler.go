package zmtp

import "github.com/go-zre/go-zre/internal/memory"

// An assembler puts frames together into messages, within limits.
type assembler struct {
	limits  *Limits
	deliver func(frames [][]byte, from *memory.Slab) error

	cutter  memory.Cutter // with the frames of the message that is arriving
	message int64         // their octets
}

// admit checks the length of the next frame, before it is taken.
func (a *assembler) admit(size uint64) error {
	switch {
	case size > uint64(a.limits.FrameSize):
		return violation("frame of %d octets, at most %d are allowed", size, a.limits.FrameSize)
	case a.message+int64(size) > a.limits.MessageSize:
		return violation("message of more than %d octets", a.limits.MessageSize)
	case a.cutter.Open() == a.limits.Frames:
		return violation("message of more than %d frames", a.limits.Frames)
	}
	return nil
}

// add takes a frame; the last one completes the message, which is delivered.
func (a *assembler) add(flags byte, body []byte) error {
	a.cutter.Add(body)
	a.message += int64(len(body))
	if flags&flagMore != 0 {
		return nil
	}
	a.message = 0
	return a.deliver(a.cutter.Message())
}
