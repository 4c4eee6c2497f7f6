// Package cert reads and writes CURVE certificates in czmq's format (zcert, zmakecert, zauth): a key pair and what its owner says about
// itself, in two text files.
//
//	PATH           the public key, for others
//	PATH_secret    both keys, only for the owner (mode 0600)
//
// [Load] reads what a node needs, including the secret key; [OpenStore] reads the public keys of the peers that may enter, from a file or
// from all the files of a folder.
package cert

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

// SecretSuffix ends the name of a secret certificate's file.
const SecretSuffix = "_secret"

// A Key is a public or a secret CURVE key.
type Key = [32]byte

var (
	// ErrFormat says that a file is no certificate.
	ErrFormat = errors.New("no certificate")

	// ErrNoSecret says that a certificate has no secret key, but one is needed.
	ErrNoSecret = errors.New("a public certificate, without a secret key")

	// ErrMismatch says that a public key does not belong to the secret key beside it.
	ErrMismatch = errors.New("the public and the secret key do not belong together")

	// ErrMeta says that a property cannot be written.
	ErrMeta = errors.New("cannot be written in a certificate")
)

// A Certificate is a public key, mostly with its secret key, and properties.
type Certificate struct {
	public Key
	secret Key // zero if there is none
	meta   []Meta
}

// Meta is one property, such as a name or an address. It is not proven.
type Meta struct{ Name, Value string }

// New makes a certificate with new keys. It draws again while the first byte of one of them is 0, because C zyre and czmq treat such a key
// as no key.
func New() (*Certificate, error) { return generate(rand.Reader) }

func generate(random io.Reader) (*Certificate, error) {
	for {
		var secret Key
		if _, err := io.ReadFull(random, secret[:]); err != nil {
			return nil, fmt.Errorf("no random bytes: %w", err)
		}
		public, err := publicOf(secret)
		if err != nil {
			return nil, err
		}
		if public[0] != 0 && secret[0] != 0 {
			return &Certificate{public: public, secret: secret}, nil
		}
	}
}

func publicOf(secret Key) (Key, error) {
	private, err := ecdh.X25519().NewPrivateKey(secret[:])
	if err != nil {
		return Key{}, fmt.Errorf("cannot use the secret key: %w", err)
	}
	return Key(private.PublicKey().Bytes()), nil
}

// Public returns the public key.
func (c *Certificate) Public() Key { return c.public }

// Secret returns the secret key, if the certificate has one.
func (c *Certificate) Secret() (secret Key, ok bool) { return c.secret, c.secret != Key{} }

// Meta returns the properties in their order; the caller owns the list.
func (c *Certificate) Meta() []Meta { return append([]Meta(nil), c.meta...) }

// Get returns the property of that name, or "".
func (c *Certificate) Get(name string) string {
	for _, m := range c.meta {
		if m.Name == name {
			return m.Value
		}
	}
	return ""
}

// SetMeta sets a property. A name has letters, digits and $-_@.&+/. A value must not contain line ends or NUL, or both kinds of quotes.
// Both together have at most 1,000 bytes. The error wraps ErrMeta.
func (c *Certificate) SetMeta(name, value string) error {
	if err := writable(name, value); err != nil {
		return err
	}
	for i := range c.meta {
		if c.meta[i].Name == name {
			c.meta[i].Value = value
			return nil
		}
	}
	if len(c.meta) == maxMeta {
		return fmt.Errorf("property %q: %w: it has %d properties already", name, ErrMeta, maxMeta)
	}
	c.meta = append(c.meta, Meta{name, value})
	return nil
}

// checkPair checks that the two keys belong together.
func (c *Certificate) checkPair() error {
	if c.secret == (Key{}) {
		return nil
	}
	public, err := publicOf(c.secret)
	if err == nil && public != c.public {
		err = ErrMismatch
	}
	return err
}
