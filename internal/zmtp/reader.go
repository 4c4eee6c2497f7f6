package zmtp

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/internal/curve"
	"github.com/go-zre/go-zre/internal/memory"
)

// The buffer of a connection: each length follows when a read has filled the one before.
const (
	idleBuffer  = 128 // enough for a PING or a beacon of a message now and then
	smallBuffer = 2 << 10
	busyBuffer  = 64 << 10
	peekBuffer  = 1 << 10 // read at once behind a large frame: probably the header of the next

	busyTime = time.Second // a connection is small again this long after the first octet
)

// Where the memory of a long frame comes from. No peer gets much memory for the length that a header claims: at first there is as much
// memory as octets have arrived, and as much again, in pieces. Only when an eighth is there the whole frame gets its memory, and the pieces
// are copied. So what arrives costs nine times its size at most, and a whole frame 1.13 times, and an eighth of a copy.
const (
	firstPiece = 256 << 10 // also the longest frame that gets its memory at once
	wholeAfter = 8

	directRead = 8 << 10 // a rest of a frame this long is read to its place without the buffer

	// From this many octets or frames on a message is long: then the Screener and the ReceiveBudget are asked. A shorter one holds less
	// than freeOctets.
	longMessage = 8 << 10
	manyFrames  = 256
)

// errQuiet ends a run of the reader when a connection has been silent for a while: see run.
var errQuiet = errors.New("zmtp: nothing came for a while")

// source is what a reader needs of a net.Conn.
type source interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// A reader splits a stream of octets into messages.
type reader struct {
	src     source
	limits  *Limits
	deliver func(frames [][]byte, from memory.Origin) error
	pong    func(context []byte)
	screen  screen
	account account
	pace    pace
	sealed  *unsealing   // nil for plain
	heard   *atomic.Bool // set when octets come; nil if not needed

	cutter  memory.Cutter // with the frames of the arriving message
	message int64         // their octets
	isLong  bool          // the message is long

	buf             []byte // idle itself, or a longer one
	start           int    // of what is read but not parsed
	end             int
	wantedBuffer    int  // length that the buffer should have
	active          bool // octets came, and a read deadline is set
	isQuiet         bool // the deadline has passed
	betweenMessages bool // a read waits for the first octet of a message or command
	full            bool // the last read filled the buffer: more waits
	readDirectly    bool // the last octets were read directly
	idle            [idleBuffer]byte
}

// run reads until the stream ends or breaks the protocol, or deliver fails. A stream that ends between two messages gives io.EOF. When the
// stream goes silent after some traffic, run returns errQuiet and must be called again, on another goroutine: a stack that has grown stays
// large for as long as its goroutine lives.
func (r *reader) run() error {
	if r.sealed != nil {
		return r.runSealed()
	}
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
	for r.end-r.start < shortHeader {
		if r.isQuiet && r.start == r.end {
			r.shrink()
			return 0, 0, errQuiet
		}
		r.betweenMessages = r.start == r.end && r.cutter.Open() == 0
		err := r.fill()
		if err == io.ErrUnexpectedEOF && r.betweenMessages {
			err = io.EOF
		}
		r.betweenMessages = false
		if err != nil {
			return 0, 0, err
		}
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

// frame reads the body of a message's frame.
func (r *reader) frame(flags byte, size uint64) error {
	if err := r.limits.admit(r.cutter.Open(), r.message, size); err != nil {
		return err
	}
	r.message += int64(size)
	keep := int(size)
	if r.message > longMessage || r.cutter.Open() >= manyFrames {
		keep = r.noteLong(keep)
	}
	body, err := r.body(keep)
	if err == nil && keep < int(size) {
		err = r.skip(int(size)-keep, nil)
	}
	if err != nil {
		return err
	}
	r.cutter.Add(body)
	if flags&flagMore != 0 {
		return nil
	}
	return r.complete()
}

// complete delivers a complete message.
func (r *reader) complete() error {
	r.message = 0
	err := r.deliver(r.cutter.Message())
	r.pace.restart()
	if r.isLong {
		r.isLong, r.screen.asked = false, false
		r.account.close()
	}
	return err
}

// noteLong notes that a message is long, and returns how many octets of its next frame to keep.
func (r *reader) noteLong(size int) int {
	if !r.isLong {
		r.isLong = true
		r.account.size = int(r.message) - size + frameCost*r.cutter.Open()
	}
	return r.screen.keep(size, &r.cutter)
}

// body reads a frame's body into memory of its own; for a long frame that is taken as the octets arrive.
func (r *reader) body(size int) ([]byte, error) {
	if err := r.chargeFrame(size); err != nil {
		return nil, err
	}
	if size <= firstPiece {
		body := r.cutter.Frame(size)
		return body, r.read(body)
	}
	var pieces [][]byte
	have, early := 0, max(firstPiece, size/wholeAfter)
	for have < early {
		n := min(early-have, max(firstPiece, have))
		if have > 0 {
			if err := r.charge(n); err != nil {
				return nil, err
			}
		}
		piece := make([]byte, n)
		if err := r.read(piece); err != nil {
			return nil, err
		}
		pieces = append(pieces, piece)
		have += len(piece)
	}
	if err := r.charge(size); err != nil {
		return nil, err
	}
	body := r.cutter.Frame(size)
	rest := body
	for _, piece := range pieces {
		rest = rest[copy(rest, piece):]
	}
	pieces = nil // while the rest arrives
	r.account.release(have)
	return body, r.read(rest)
}

// chargeFrame counts a frame, or its first piece, if the message is long.
func (r *reader) chargeFrame(size int) error {
	if !r.isLong {
		return nil
	}
	return r.charge(frameCost + min(size, firstPiece))
}

// skip reads n octets and drops them, but adds them to the check, if there is one.
func (r *reader) skip(n int, check *curve.Check) error {
	for {
		some := min(n, r.end-r.start)
		if check != nil {
			check.Add(r.buf[r.start : r.start+some])
		}
		r.start += some
		if n -= some; n == 0 {
			return nil
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
}

// read fills p. A stream that ends before that gives io.ErrUnexpectedEOF.
func (r *reader) read(p []byte) error {
	for {
		n := copy(p, r.buf[r.start:r.end])
		r.start += n
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		if len(p) < directRead {
			if err := r.fill(); err != nil {
				return err
			}
			continue
		}
		n, err := r.src.Read(p)
		r.readDirectly = true
		p = p[n:]
		if err = r.handleRead(n, err); err != nil {
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

// fill reads once into the buffer, behind the few unparsed octets.
func (r *reader) fill() error {
	if r.full {
		runtime.Gosched() // let the application take what was delivered before it is out of the caches
	}
	r.prepareBuffer()
	into := r.buf[r.end:]
	if r.readDirectly {
		into = into[:min(len(into), peekBuffer)]
	}
	n, err := r.src.Read(into)
	r.end += n
	r.full = r.end == len(r.buf) && r.end >= busyBuffer
	switch {
	case r.end < len(r.buf):
	case r.wantedBuffer == idleBuffer:
		r.wantedBuffer = smallBuffer
	default:
		r.wantedBuffer, r.cutter.Busy = busyBuffer, true
	}
	r.readDirectly = false
	return r.handleRead(n, err)
}

// prepareBuffer moves what is unparsed, a part of a header at most, to the front of a buffer of the right length.
func (r *reader) prepareBuffer() {
	if r.isQuiet || r.wantedBuffer == 0 {
		r.shrink()
	}
	old := r.buf[r.start:r.end]
	if len(r.buf) != r.wantedBuffer {
		r.buf = r.idle[:]
		if r.wantedBuffer > len(r.idle) {
			r.buf = make([]byte, r.wantedBuffer)
		}
	}
	r.start, r.end = 0, copy(r.buf, old)
}

// shrink makes the reader that of a connection with little traffic. A large buffer serves for one second of traffic; the read deadline
// ends it, so that a silent connection is small again.
func (r *reader) shrink() {
	r.active, r.isQuiet, r.wantedBuffer = false, false, idleBuffer
	r.cutter.Shrink()
	if r.start == r.end {
		r.buf, r.start, r.end = r.idle[:], 0, 0
	}
}

// handleRead handles the result of a Read.
func (r *reader) handleRead(n int, err error) error {
	r.pace.octets += int64(n)
	switch {
	case n > 0: // if there is an error with octets it will come again
		if r.heard != nil && !r.heard.Load() {
			r.heard.Store(true)
		}
		if r.active {
			return nil
		}
		r.active = true
		// This fails on a pipe whose other end is closed. What came must be parsed all the same, and the next Read reports the error.
		_ = r.setDeadline(busyTime)
		return nil
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) && r.pace.hasDeadline:
		return r.deadlinePassed()
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}
