package cert

import "github.com/go-zre/go-zre/internal/z85"

// PublicKey is a public CURVE key. The zero PublicKey stands for none: that of a node or peer without CURVE.
type PublicKey [32]byte

// ParsePublicKey reads a key as text: 40 characters of Z85 (RFC 32).
func ParsePublicKey(text string) (PublicKey, error) {
	key, err := z85.Key(text)
	return key, err
}

// String returns the key as 40 characters of Z85, or "" if it is zero.
func (k PublicKey) String() string {
	if k.IsZero() {
		return ""
	}
	return z85.Encode(k[:])
}

// IsZero tells whether the key stands for none.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// MarshalText implements encoding.TextMarshaler, in the form of String.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Empty text is the zero key.
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k = PublicKey{}
	if len(text) > 0 {
		*k, err = ParsePublicKey(string(text))
	}
	return err
}
