package zmtp

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"time"
)

const (
	idleBuffer = 2 << 10  // of a connection with little traffic
	busyBuffer = 64 << 10 // after a read has filled the idle buffer
	busyTime   = time.Second
	peekBuffer = 1 << 10 // what is read at once behind a large frame: probably the header of the next

	direct    = 8 << 10   // a rest of a frame this long is read to its place without the buffer
	firstStep = 256 << 10 // a longer frame gets its memory in steps: at most
	stepFold  = 8         // so many times what has arrived
)

// source is what a reader needs of a net.Conn.
type source interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// A reader takes a stream of octets apart into messages.
type reader struct {
	assembler
	src  source
	pong func(context []byte)

	buf   []byte
	start int // of what is read but not parsed
	end   int
	tired bool // busy, and the read deadline has passed
	large bool // the last octets were read directly
}

// run reads until the stream ends or breaks the protocol, or deliver says no. A stream that ends between two messages
// gives io.EOF.
func (r *reader) run() error {
	for {
		flags, size, err := r.header()
		if err != nil {
			return err
		}
		if flags&flagCommand != 0 {
			err = r.command(flags, size)
		} else {
			err = r.frame(flags, size)
		}
		if err != nil {
			return err
		}
	}
}

// header reads a frame's flags and length.
func (r *reader) header() (flags byte, size uint64, err error) {
	if err := r.need(shortHeader); err != nil {
		if err == io.ErrUnexpectedEOF && r.start == r.end && r.slab.open == 0 {
			err = io.EOF
		}
		return 0, 0, err
	}
	flags = r.buf[r.start]
	if flags&^flagsKnown != 0 {
		return 0, 0, violation("frame with reserved flags set: %#02x", flags)
	}
	if flags&flagLong == 0 {
		size = uint64(r.buf[r.start+1])
		r.start += shortHeader
		return flags, size, nil
	}
	if err := r.need(longHeader); err != nil {
		return 0, 0, err
	}
	size = binary.BigEndian.Uint64(r.buf[r.start+1:])
	r.start += longHeader
	return flags, size, nil
}

// frame reads the body of a message's frame; the last one completes the message. With CURVE the body would be opened here.
func (r *reader) frame(flags byte, size uint64) error {
	if err := r.admit(size); err != nil {
		return err
	}
	body, err := r.body(int(size))
	if err != nil {
		return err
	}
	return r.add(flags, body)
}

// body reads a frame's body into memory of its own, which for a long frame is taken as the octets arrive.
func (r *reader) body(size int) ([]byte, error) {
	if size <= firstStep {
		body := r.slab.octets(size, r.busy)
		return body, r.read(body)
	}
	body := make([]byte, firstStep)
	if err := r.read(body); err != nil {
		return nil, err
	}
	for len(body) < size {
		have := len(body)
		more := make([]byte, min(size, have*stepFold))
		copy(more, body)
		if err := r.read(more[have:]); err != nil {
			return nil, err
		}
		body = more
	}
	return body, nil
}

// read fills p. A stream that ends before gives io.ErrUnexpectedEOF.
func (r *reader) read(p []byte) error {
	for {
		n := copy(p, r.buf[r.start:r.end])
		r.start += n
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		if len(p) < direct {
			if err := r.fill(); err != nil {
				return err
			}
			continue
		}
		n, err := r.src.Read(p)
		r.large = true
		p = p[n:]
		if err = r.judge(n, err); err != nil {
			return err
		}
	}
}

// need makes at least n octets available in the buffer; n is a header's length at most.
func (r *reader) need(n int) error {
	for r.end-r.start < n {
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// fill reads once into the buffer, behind the few octets that are unparsed.
func (r *reader) fill() error {
	r.arrange()
	into := r.buf[r.end:]
	if r.large {
		into = into[:min(len(into), peekBuffer)]
	}
	n, err := r.src.Read(into)
	r.end += n
	if r.end == len(r.buf) && !r.busy {
		r.busy = true
		err = errors.Join(err, r.src.SetReadDeadline(time.Now().Add(busyTime)))
	}
	r.large = false
	return r.judge(n, err)
}

// arrange moves what is unparsed, a part of a header at most, to the front of a buffer of the right length. A large
// buffer is for one second of traffic; the read deadline ends it, so that a connection gone silent is small again.
func (r *reader) arrange() {
	want := idleBuffer
	if r.tired {
		r.tired, r.busy = false, false
		r.slab.shrink()
	}
	if r.busy {
		want = busyBuffer
	}
	old := r.buf[r.start:r.end]
	if len(r.buf) != want {
		r.buf = make([]byte, want)
	}
	r.start, r.end = 0, copy(r.buf, old)
}

// judge sorts out the error of a Read.
func (r *reader) judge(n int, err error) error {
	switch {
	case err == nil || n > 0: // if there is an error with octets it will come again
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) && r.busy:
		r.tired = true
		return r.src.SetReadDeadline(time.Time{})
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}
