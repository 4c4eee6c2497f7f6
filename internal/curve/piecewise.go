package curve

import (
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/poly1305" //lint:ignore SA1019 see message.go
)

// The tag of a MESSAGE stands before its body and covers all of it. So sealing a body piece by piece takes two passes over it; in return a
// long body needs no second memory of its length. What is received and not wanted needs none either: it is authenticated as it arrives.

// pieceOctets is how much of a body is processed at a time; fourBlocks divides it.
const pieceOctets = 8 << 10

// A Stream is a MESSAGE whose body is sealed piece by piece: see Sealer.Begin.
type Stream struct {
	sealer *Sealer
	body   []byte
	at     int // octets that are sealed
}

// Begin is Append for a long body: it appends the frame up to the body, and returns a Stream for the rest. It goes over the body once to
// compute the tag. The Stream goes over it again, so the body must not change, and the Sealer must not be used, until all of it is sealed.
func (s *Sealer) Begin(dst []byte, flags byte, body []byte) ([]byte, *Stream, error) {
	if s.nonce == 1<<64-1 {
		return dst, nil, ErrNoncesUsed
	}
	s.nonce++
	s.begin(s.nonce, len(body))
	head := frameHead(slices.Grow(dst, longHeader+Overhead+pieceOctets), s.nonce, len(body))
	at := len(head)
	head = head[:at+tagSize+1]
	head[at+tagSize] = s.flags(flags)
	mac := poly1305.New(s.macKey())
	_, _ = mac.Write(head[at+tagSize:])
	scratch := head[len(head):cap(head)][:0]
	for t := (&Stream{sealer: s, body: body}); t.Left() > 0; {
		_, _ = mac.Write(t.Append(scratch, pieceOctets))
	}
	mac.Sum(head[at:at])
	return head, &Stream{sealer: s, body: body}, nil
}

// Left returns how many octets of the body are not sealed yet.
func (t *Stream) Left() int { return len(t.body) - t.at }

// Append seals the next octets of the body and appends them to dst: at most most, which must be at least 256, and usually fewer.
func (t *Stream) Append(dst []byte, most int) []byte {
	n := t.Left()
	if n > most { // the next piece must begin with a block
		n = most / fourBlocks * fourBlocks
		if t.at == 0 {
			n -= bodyStart
		}
	}
	dst = slices.Grow(dst, n)
	sealed, plain := dst[len(dst):len(dst)+n], t.body[t.at:t.at+n]
	if t.at == 0 {
		t.sealer.xor(sealed, plain)
	} else {
		t.sealer.add(sealed, plain, (bodyStart+t.at)/block)
	}
	t.at += n
	return dst[:len(dst)+n]
}

// A Check authenticates a MESSAGE as it arrives, of which at most the beginning is wanted: see Opener.Check.
type Check struct {
	opener *Opener
	mac    *poly1305.MAC
	nonce  uint64
	tag    [tagSize]byte
	flags  byte // sealed
}

// Check begins to open a MESSAGE without memory for its body, which has size octets. head is as in Open. The Opener must not be used before
// the Check's Done.
func (o *Opener) Check(head []byte, size int) (*Check, error) {
	nonce, err := o.next(head)
	if err != nil {
		return nil, err
	}
	o.begin(nonce, size)
	c := &Check{opener: o, nonce: nonce, mac: poly1305.New(o.macKey()), flags: head[Overhead-1]}
	copy(c.tag[:], head[Overhead-1-tagSize:])
	_, _ = c.mac.Write([]byte{c.flags})
	return c, nil
}

// Add takes the next octets of the sealed body.
func (c *Check) Add(sealed []byte) { _, _ = c.mac.Write(sealed) }

// Done ends the Check, after all of the body was added. sealed is its beginning, or nothing, which is opened into dst, as in Open.
func (c *Check) Done(dst, sealed []byte) (flags byte, err error) {
	o := c.opener
	if !same(c.mac.Sum(o.tag[:0]), c.tag[:]) {
		return 0, ErrBox
	}
	o.nonce = c.nonce
	o.xor(dst, sealed)
	return o.flags(c.flags), nil
}

// next returns the nonce of a MESSAGE, if it may come now.
func (o *Opener) next(head []byte) (nonce uint64, err error) {
	rest, ok := cutName(head, nameMessage)
	if !ok || len(head) != Overhead {
		return 0, commandError("MESSAGE was due")
	}
	if nonce = binary.BigEndian.Uint64(rest); nonce <= o.nonce {
		return 0, ErrNonce
	}
	return nonce, nil
}

// frameHead appends the header of a frame, and the name and the nonce of the MESSAGE in it, for a body of that many octets.
func frameHead(dst []byte, nonce uint64, body int) []byte {
	if size := Overhead + body; size > longestShort {
		dst = binary.BigEndian.AppendUint64(append(dst, flagLong), uint64(size))
	} else {
		dst = append(dst, 0, byte(size))
	}
	return binary.BigEndian.AppendUint64(append(dst, nameMessage...), nonce)
}
