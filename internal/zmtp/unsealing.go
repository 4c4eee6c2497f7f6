package zmtp

import "github.com/go-zre/go-zre/internal/curve"

// unsealing is a reader's CURVE state. After the handshake every frame is a MESSAGE, which holds a frame of a message, or a command.
// Nothing in it is trusted before it is opened, not even which of the two it is.
type unsealing struct {
	opener *curve.Opener
	head   [curve.Overhead]byte
}

// runSealed is run with CURVE.
func (r *reader) runSealed() error {
	for {
		flags, size, err := r.header()
		if err == nil {
			err = r.unseal(flags, size)
		}
		if err != nil {
			return err
		}
	}
}

// add takes a message's next frame; the last one completes the message.
func (r *reader) add(body []byte, inner byte) error {
	r.cutter.Add(body)
	if inner&curve.More != 0 {
		return nil
	}
	return r.complete()
}

// unseal reads a MESSAGE and handles its content.
func (r *reader) unseal(flags byte, size uint64) error {
	switch {
	case flags&^flagLong != 0: // the flags are not protected
		return violation("a frame with flags %#02x where only MESSAGE of CURVE may come: it is plain, or was altered", flags)
	case size < curve.Overhead:
		return violation("a frame of %d bytes where only MESSAGE of CURVE may come", size)
	}
	if size -= curve.Overhead; size > uint64(r.limits.CommandSize) {
		return r.unsealLong(size)
	}
	body, inner, err := r.open(int(size))
	switch {
	case err != nil:
		return err
	case inner&curve.Command == 0:
		return r.unsealed(body, inner)
	case inner&curve.More != 0:
		return violation("command with the MORE flag")
	}
	return r.handleCommand(body)
}

// unsealed takes an opened frame of a message that is no longer than a command may be.
func (r *reader) unsealed(body []byte, inner byte) error {
	if err := r.limits.admit(r.cutter.Open(), r.message, uint64(len(body))); err != nil {
		return err
	}
	r.message += int64(len(body))
	if r.message > longMessage || r.cutter.Open() >= manyFrames {
		keep := r.noteLong(len(body))
		switch {
		case keep == 0:
			body = []byte{} // and not a part of a buffer
		case keep < len(body):
			body = body[:keep:keep]
		}
		if err := r.charge(frameCost + keep); err != nil {
			return err
		}
	}
	return r.add(body, inner)
}

// unsealLong is unseal for a MESSAGE too long for a command.
func (r *reader) unsealLong(size uint64) error {
	if err := r.limits.admit(r.cutter.Open(), r.message, size); err != nil {
		return err
	}
	n := int(size)
	r.message += int64(n)
	keep := n
	if r.message > longMessage || r.cutter.Open() >= manyFrames {
		keep = r.noteLong(n)
	}
	var body []byte
	var inner byte
	var err error
	switch {
	case keep < n:
		body, inner, err = r.openPart(keep, n)
	case n > firstPiece:
		body, inner, err = r.openInPlace(n)
	default:
		if err = r.chargeFrame(n); err == nil {
			body, inner, err = r.open(n)
		}
	}
	switch {
	case err != nil:
		return err
	case inner&curve.Command != 0:
		return violation("command of %d bytes, at most %d are allowed", n, r.limits.CommandSize)
	}
	return r.add(body, inner)
}

// open reads a MESSAGE with a body of n octets and opens it into memory of its own: from the buffer if all of it is there, otherwise in
// place. If the frame will be dropped, that memory is the buffer, or used only once.
func (r *reader) open(n int) (body []byte, inner byte, err error) {
	u := r.sealed
	whole := r.buf[r.start:r.end]
	isWhole := len(whole) >= curve.Overhead+n
	switch drops := r.screen.asked && r.screen.drop; {
	case !drops:
		body = r.cutter.Frame(n)
	case isWhole:
		body = whole[curve.Overhead : curve.Overhead+n]
	default:
		body = make([]byte, n)
	}
	if isWhole {
		r.start += curve.Overhead + n
		inner, err = u.opener.Open(body, whole[:curve.Overhead], whole[curve.Overhead:curve.Overhead+n])
	} else {
		if err = r.read(u.head[:]); err == nil {
			err = r.read(body)
		}
		if err != nil {
			return nil, 0, err
		}
		inner, err = u.opener.Open(body, u.head[:], body)
	}
	if err != nil {
		return nil, 0, curveError(err)
	}
	return body, inner, nil
}

// openInPlace is open for a body that takes its memory as it arrives.
func (r *reader) openInPlace(n int) (body []byte, inner byte, err error) {
	u := r.sealed
	if err := r.read(u.head[:]); err != nil {
		return nil, 0, err
	}
	if body, err = r.body(n); err != nil {
		return nil, 0, err
	}
	if inner, err = u.opener.Open(body, u.head[:], body); err != nil {
		return nil, 0, curveError(err)
	}
	return body, inner, nil
}

// openPart is open for a body of which only the beginning is wanted: the rest is authenticated as it arrives, and takes no memory.
func (r *reader) openPart(keep, n int) (body []byte, inner byte, err error) {
	u := r.sealed
	if err := r.read(u.head[:]); err != nil {
		return nil, 0, err
	}
	check, err := u.opener.Check(u.head[:], n)
	if err != nil {
		return nil, 0, curveError(err)
	}
	if body, err = r.body(keep); err != nil {
		return nil, 0, err
	}
	check.Add(body)
	if err := r.skip(n-keep, check); err != nil {
		return nil, 0, err
	}
	if inner, err = check.Done(body, body); err != nil {
		return nil, 0, curveError(err)
	}
	return body, inner, nil
}
