package zmtp

// An assembler puts frames together into messages, within limits.
type assembler struct {
	limits  *Limits
	deliver func(frames [][]byte) error

	slab    slab  // with the frames of the message that is arriving
	message int64 // their octets
	busy    bool  // much arrives: memory may be taken in larger pieces
}

// admit checks the length of the next frame, before it is taken.
func (a *assembler) admit(size uint64) error {
	switch {
	case size > uint64(a.limits.FrameSize):
		return violation("frame of %d octets, at most %d are allowed", size, a.limits.FrameSize)
	case a.message+int64(size) > a.limits.MessageSize:
		return violation("message of more than %d octets", a.limits.MessageSize)
	case a.slab.open == a.limits.Frames:
		return violation("message of more than %d frames", a.limits.Frames)
	}
	return nil
}

// add takes a frame; the last one completes the message, which is delivered.
func (a *assembler) add(flags byte, body []byte) error {
	a.slab.add(body, a.busy)
	a.message += int64(len(body))
	if flags&flagMore != 0 {
		return nil
	}
	a.message = 0
	return a.deliver(a.slab.list())
}
