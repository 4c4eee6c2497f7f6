// Package z85 encodes octets as text and decodes them, as in RFC 32 (Z85): five characters for four octets. ZeroMQ shows CURVE keys this
// way, in 40 characters.
package z85

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// values holds the value of each character, and none for other bytes.
var values = func() (v [256]uint8) {
	for i := range v {
		v[i] = none
	}
	for i, c := range []byte(alphabet) {
		v[c] = uint8(i)
	}
	return v
}()

const none = 0xff

// KeySize is the length of a key's text.
const KeySize = 40

// ErrText says that a text is not Z85.
var ErrText = errors.New("z85: not a Z85 text")

// Encode returns the text of octets. It panics unless their number is a multiple of four.
func Encode(octets []byte) string {
	if len(octets)%4 != 0 {
		panic(fmt.Sprintf("z85: %d bytes are no multiple of 4", len(octets)))
	}
	text := make([]byte, 0, len(octets)/4*5)
	for ; len(octets) > 0; octets = octets[4:] {
		number := binary.BigEndian.Uint32(octets)
		for _, power := range [...]uint32{85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1} {
			text = append(text, alphabet[number/power%85])
		}
	}
	return string(text)
}

// Decode returns the octets of a text. Each octet string has exactly one text: five characters whose value exceeds four octets are an
// error, though libzmq accepts them. The error is ErrText.
func Decode(text string) ([]byte, error) {
	if len(text)%5 != 0 {
		return nil, fmt.Errorf("%w: %d characters are no multiple of 5", ErrText, len(text))
	}
	octets := make([]byte, 0, len(text)/5*4)
	for at := 0; at < len(text); at += 5 {
		number := uint64(0)
		for _, c := range []byte(text[at : at+5]) {
			if values[c] == none {
				return nil, fmt.Errorf("%w: it has the character %q", ErrText, c)
			}
			number = number*85 + uint64(values[c])
		}
		if number > 1<<32-1 {
			return nil, fmt.Errorf("%w: %q stands for more than four bytes", ErrText, text[at:at+5])
		}
		octets = binary.BigEndian.AppendUint32(octets, uint32(number))
	}
	return octets, nil
}

// Key returns the 32 octets of a key's text.
func Key(text string) (key [32]byte, err error) {
	if len(text) != KeySize {
		return key, fmt.Errorf("%w: a key has %d characters, this one %d", ErrText, KeySize, len(text))
	}
	octets, err := Decode(text)
	if err != nil {
		return key, err
	}
	return [32]byte(octets), nil
}
