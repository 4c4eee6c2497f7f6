package curve

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/salsa20/salsa" //lint:ignore SA1019 NaCl's boxes have it inside, and RFC 26 has NaCl's boxes
)

// A PublicKey is an X25519 key. On the wire it has these octets; as text it is Z85.
type PublicKey [keySize]byte

// Check tells whether the key is one that CURVE may use; the error is ErrKey.
func (k PublicKey) Check() error {
	probe, err := ecdh.X25519().NewPrivateKey(probeSecret[:])
	if err == nil {
		_, err = sharedKeyOf(probe, k[:])
	}
	return err
}

// probeSecret is an arbitrary scalar: a key of low order yields zero with all of them.
var probeSecret = [keySize]byte{1}

// A KeyPair is a secret key and its public key. It is read only, and may serve any number of connections at once.
type KeyPair struct {
	secret *ecdh.PrivateKey
	public PublicKey
}

// NewKeyPair returns the key pair of a secret key.
func NewKeyPair(secret [keySize]byte) (*KeyPair, error) {
	private, err := ecdh.X25519().NewPrivateKey(secret[:])
	if err != nil {
		return nil, fmt.Errorf("curve: cannot use the secret key: %w", err)
	}
	return &KeyPair{private, PublicKey(private.PublicKey().Bytes())}, nil
}

// Public returns the public key.
func (p *KeyPair) Public() PublicKey { return p.public }

// randomSource fills b with random octets, for keys and long nonces. Tests that rebuild recorded streams use another one.
type randomSource func(b []byte)

func systemRandom(b []byte) { _, _ = rand.Read(b) } // it never fails

// keyPair draws a key pair for one connection.
func (d randomSource) keyPair() (*KeyPair, error) {
	var secret [keySize]byte
	d(secret[:])
	return NewKeyPair(secret)
}

func (d randomSource) longNonce() (n [longNonce]byte) {
	d(n[:])
	return n
}

// A sharedKey seals and opens the boxes between two keys: NaCl's crypto_box_beforenm.
type sharedKey [keySize]byte

// sharedKeyOf computes one X25519 product. nacl/box would compute two, and would not refuse keys of low order.
func sharedKeyOf(secret *ecdh.PrivateKey, public []byte) (*sharedKey, error) {
	if !isCanonical(public) {
		return nil, ErrKey
	}
	key, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, ErrKey
	}
	product, err := secret.ECDH(key)
	if err != nil {
		return nil, ErrKey // the product is zero
	}
	return boxKey((*[keySize]byte)(product)), nil
}

// boxKey returns the key for boxes from a product.
func boxKey(product *[keySize]byte) *sharedKey {
	var shared sharedKey
	salsa.HSalsa20((*[keySize]byte)(&shared), new([16]byte), product, &salsa.Sigma)
	return &shared
}

// isCanonical tells whether a public key is a number below 2^255 - 19, little-endian. X25519 reduces larger numbers modulo that, so one key
// would have several encodings.
func isCanonical(public []byte) bool {
	if len(public) != keySize || public[31] > 0x7f {
		return false
	}
	for _, octet := range public[1:31] {
		if octet != 0xff {
			return true
		}
	}
	return public[31] < 0x7f || public[0] < 0xed
}

// seal appends a box to dst.
func (k *sharedKey) seal(dst, plain []byte, nonce *[24]byte) []byte {
	return secretbox.Seal(dst, plain, nonce, (*[keySize]byte)(k))
}

// open returns the content of a box.
func (k *sharedKey) open(box []byte, nonce *[24]byte) ([]byte, error) {
	plain, ok := secretbox.Open(nil, box, nonce, (*[keySize]byte)(k))
	if !ok {
		return nil, ErrBox
	}
	return plain, nil
}

// shortNonceOf returns the nonce of a box with a short nonce.
func shortNonceOf(prefix string, number uint64) *[24]byte {
	var n [24]byte
	copy(n[:], prefix)
	binary.BigEndian.PutUint64(n[16:], number)
	return &n
}

// longNonceOf returns the nonce of a box with a long nonce.
func longNonceOf(prefix string, nonce []byte) *[24]byte {
	var n [24]byte
	copy(n[copy(n[:], prefix):], nonce)
	return &n
}
