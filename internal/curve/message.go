package curve

import (
	"crypto/subtle"
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/poly1305" //lint:ignore SA1019 it is the half of a NaCl box that nacl/secretbox does not give separately

	"github.com/go-zre/go-zre/internal/salsa"
)

// The flags of a frame, inside the box. Outside, a MESSAGE has none but that of a long frame.
const (
	More    = 1 // more frames of this message follow
	Command = 2 // a command of ZMTP, such as PING
)

// The outer frame of a MESSAGE (RFC 23, framing).
const (
	shortHeader  = 2
	longHeader   = 9
	flagLong     = 2
	longestShort = 255
)

// boxes makes or opens the boxes of one direction. A box is what NaCl's crypto_secretbox makes: octets in Salsa20's stream, with Poly1305's
// tag in front. The two are combined here, and not by nacl/secretbox, for two reasons: the flags and the body of a frame are in separate
// memory, so nacl/secretbox would have to copy each body; and the first 16 octets of the nonce, from which the key is derived (HSalsa20),
// are the same for all messages of a direction.
type boxes struct {
	key     [keySize]byte
	counter [16]byte         // the short nonce, and the number of a block of the stream
	first   [fourBlocks]byte // the stream's beginning: 32 octets of the tag's key, then those for the box's first octets
	last    [fourBlocks]byte // its end, for the rest of a body
	tag     [tagSize]byte
}

// The stream comes in blocks. Four of them together take little longer than a single one.
const (
	block      = 64
	fourBlocks = 4 * block

	macKey    = 32         // octets of the stream
	bodyStart = macKey + 1 // and one for the flags; those of the body follow
)

func (b *boxes) init(shared *sharedKey, prefix string) {
	salsa.HSalsa20(&b.key, (*[16]byte)([]byte(prefix)), (*[keySize]byte)(shared), &salsa.Sigma)
}

// begin makes the stream's first octets for a nonce and a body of that size.
func (b *boxes) begin(nonce uint64, size int) {
	binary.BigEndian.PutUint64(b.counter[:], nonce)
	n := fourBlocks
	if size <= block-bodyStart {
		n = block
	}
	b.stream(b.first[:n], 0)
}

// stream makes octets of the stream, starting at a block.
func (b *boxes) stream(dst []byte, block int) {
	clear(dst)
	b.add(dst, dst, block)
}

// add adds the stream, starting at a block.
func (b *boxes) add(dst, src []byte, block int) {
	binary.LittleEndian.PutUint64(b.counter[8:], uint64(block))
	salsa.XORKeyStream(dst, src, &b.counter, &b.key)
}

func (b *boxes) macKey() *[keySize]byte { return (*[keySize]byte)(b.first[:macKey]) }

// flags seals or opens the octet before the body.
func (b *boxes) flags(octet byte) byte { return octet ^ b.first[macKey] }

// xor seals or opens a body. dst and src have the same length, and either are the same memory or don't overlap.
func (b *boxes) xor(dst, src []byte) {
	n := subtle.XORBytes(dst, src, b.first[bodyStart:])
	dst, src = dst[n:], src[n:]
	most := len(src) / fourBlocks * fourBlocks
	b.add(dst[:most], src[:most], fourBlocks/block)
	dst, src = dst[most:], src[most:]
	next := (fourBlocks + most) / block
	if len(src) <= block {
		b.add(dst, src, next)
		return
	}
	b.stream(b.last[:], next)
	subtle.XORBytes(dst, src, b.last[:])
}

// A Sealer makes MESSAGEs of the frames that one side of a connection sends. Its nonces continue those of the handshake. It is for one
// goroutine.
type Sealer struct {
	boxes
	nonce uint64 // of the last MESSAGE, or of the handshake
}

func newSealer(shared *sharedKey, prefix string, nonce uint64) *Sealer {
	s := &Sealer{nonce: nonce}
	s.init(shared, prefix)
	return s
}

// SealedSize returns how many octets [Sealer.Append] appends for a body of that length.
func SealedSize(body int) int {
	if body += Overhead; body > longestShort {
		return longHeader + body
	}
	return shortHeader + body
}

// Append appends a frame to dst as it goes on the wire: the header of a ZMTP frame, and in it a MESSAGE with the flags (More, Command or
// none) and the body. The body stays unchanged and must not overlap the free capacity of dst. Each call takes a nonce, so everything that
// it returns must be sent unchanged and in order. It does not allocate if dst has room for SealedSize. ErrNoncesUsed is its only error;
// then dst is unchanged.
func (s *Sealer) Append(dst []byte, flags byte, body []byte) ([]byte, error) {
	if s.nonce == 1<<64-1 {
		return dst, ErrNoncesUsed
	}
	s.nonce++
	dst = frameHead(slices.Grow(dst, longHeader+Overhead+len(body)), s.nonce, len(body))
	at := len(dst)
	dst = dst[:at+tagSize+1+len(body)]

	s.begin(s.nonce, len(body))
	box := dst[at+tagSize:]
	box[0] = s.flags(flags)
	s.xor(box[1:], body)
	poly1305.Sum(&s.tag, box, s.macKey())
	copy(dst[at:], s.tag[:])
	return dst, nil
}

// An Opener opens the MESSAGEs that one side of a connection receives. It is for one goroutine.
type Opener struct {
	boxes
	nonce uint64 // of the last MESSAGE, or of the handshake
}

func newOpener(shared *sharedKey, prefix string, nonce uint64) *Opener {
	o := &Opener{nonce: nonce}
	o.init(shared, prefix)
	return o
}

// Open opens a MESSAGE, the body of a frame: head is its first Overhead octets, and sealed the rest, which may be in separate memory. The
// frame's body goes to dst, which has the length of sealed, and either is the same memory or does not overlap it. The flags are those of
// the frame, unchanged.
//
// The frame around the MESSAGE must have had no flag but that of a long frame: nothing protects those flags. After an error, nothing more
// from the connection can be trusted; dst is then undefined, and holds no octet that was in the box.
func (o *Opener) Open(dst, head, sealed []byte) (flags byte, err error) {
	nonce, err := o.next(head)
	if err != nil {
		return 0, err
	}
	o.begin(nonce, len(sealed))
	mac := poly1305.New(o.macKey())
	_, _ = mac.Write(head[Overhead-1:])
	_, _ = mac.Write(sealed)
	if !same(mac.Sum(o.tag[:0]), head[Overhead-1-tagSize:Overhead-1]) {
		return 0, ErrBox
	}
	o.nonce = nonce
	o.xor(dst, sealed)
	return o.flags(head[Overhead-1]), nil
}
