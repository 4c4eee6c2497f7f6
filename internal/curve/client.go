package curve

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
)

// A Client is the connecting side's handshake, on one connection.
type Client struct {
	keys       *KeyPair
	server     PublicKey
	random     randomSource
	maxCommand int // maxCommand octets of a READY
	next       step

	ours    *KeyPair   // of this connection
	hello   *sharedKey // with the server's long-term key
	session *sharedKey // with the server's key for this connection
	theirs  PublicKey  // the server's key for this connection
	cookie  []byte
	nonce   uint64 // of the last command that was sent
}

// step is what a handshake waits for. No step comes twice.
type step int

const (
	sendHello step = iota
	awaitWelcome
	sendInitiate
	awaitReady
	awaitHello
	awaitInitiate
	sendReady
	finished
)

// NewClient begins a handshake with the server that has that public key, with our own keys. A READY of more than maxCommand octets is
// refused. The error is ErrKey if the server's key cannot be valid.
func NewClient(keys *KeyPair, server PublicKey, maxCommand int) (*Client, error) {
	return newClient(keys, server, maxCommand, systemRandom)
}

func newClient(keys *KeyPair, server PublicKey, maxCommand int, random randomSource) (*Client, error) {
	ours, err := random.keyPair()
	if err != nil {
		return nil, err
	}
	hello, err := sharedKeyOf(ours.secret, server[:])
	if err != nil {
		return nil, err
	}
	return &Client{keys: keys, server: server, random: random, maxCommand: maxCommand, ours: ours, hello: hello}, nil
}

// Expects returns how many octets the next command from the server may have, ERROR included; zero if none is due.
func (c *Client) Expects() (least, most int) {
	switch c.next {
	case awaitWelcome:
		return ErrorSize, max(WelcomeSize, MaxErrorSize)
	case awaitReady:
		return ErrorSize, max(c.maxCommand, MaxErrorSize)
	}
	return 0, 0
}

// Hello returns the first command, HELLO.
func (c *Client) Hello() ([]byte, error) {
	if c.next != sendHello {
		return nil, ErrOrder
	}
	c.next, c.nonce = awaitWelcome, 1
	b := make([]byte, 0, HelloSize)
	b = append(b, nameHello+version...)
	b = append(b, make([]byte, padding)...)
	b = append(b, c.ours.public[:]...)
	b = binary.BigEndian.AppendUint64(b, c.nonce)
	return c.hello.seal(b, make([]byte, helloPlain), shortNonceOf(nonceHello, c.nonce)), nil
}

// Welcome handles the server's WELCOME. If it returns nil, the server has proven its key, and has learnt nothing about ours: now is the
// time to decide whether it may. A *RefusedError means that ERROR came instead.
func (c *Client) Welcome(command []byte) error {
	if c.next != awaitWelcome {
		return ErrOrder
	}
	c.next = finished
	if err := refusal(command); err != nil {
		return err
	}
	rest, ok := cutName(command, nameWelcome)
	if !ok || len(command) != WelcomeSize {
		return commandError("WELCOME was due")
	}
	plain, err := c.hello.open(rest[longNonce:], longNonceOf(nonceWelcome, rest[:longNonce]))
	if err != nil {
		return err
	}
	c.theirs, c.cookie = PublicKey(plain), plain[keySize:]
	if c.session, err = sharedKeyOf(c.ours.secret, c.theirs[:]); err != nil {
		return err
	}
	c.next = sendInitiate
	return nil
}

// Initiate returns INITIATE, which proves our key and carries our metadata.
func (c *Client) Initiate(metadata []byte) ([]byte, error) {
	if c.next != sendInitiate {
		return nil, ErrOrder
	}
	c.next = finished
	vouching, err := sharedKeyOf(c.keys.secret, c.theirs[:])
	if err != nil {
		return nil, err
	}
	c.next, c.nonce = awaitReady, 2
	nonce := c.random.longNonce()
	plain := make([]byte, 0, keySize+longNonce+vouchSize+len(metadata))
	plain = append(plain, c.keys.public[:]...)
	plain = append(plain, nonce[:]...)
	plain = vouching.seal(plain, bytes.Join([][]byte{c.ours.public[:], c.server[:]}, nil), longNonceOf(nonceVouch, nonce[:]))
	plain = append(plain, metadata...)

	b := make([]byte, 0, InitiateSize+len(metadata))
	b = append(b, nameInitiate...)
	b = append(b, c.cookie...)
	b = binary.BigEndian.AppendUint64(b, c.nonce)
	b = c.session.seal(b, plain, shortNonceOf(nonceInitiate, c.nonce))
	c.cookie, c.hello = nil, nil
	return b, nil
}

// Ready handles the server's READY, and returns its metadata unchanged, and what seals and opens messages from now on. A *RefusedError
// means that ERROR came instead.
func (c *Client) Ready(command []byte) (metadata []byte, s *Sealer, o *Opener, err error) {
	if c.next != awaitReady {
		return nil, nil, nil, ErrOrder
	}
	c.next = finished
	if err := refusal(command); err != nil {
		return nil, nil, nil, err
	}
	rest, ok := cutName(command, nameReady)
	if !ok || len(command) < ReadySize || len(command) > c.maxCommand {
		return nil, nil, nil, commandError("READY was due, of %d bytes at most", c.maxCommand)
	}
	nonce := binary.BigEndian.Uint64(rest)
	if metadata, err = c.session.open(rest[shortNonce:], shortNonceOf(nonceReady, nonce)); err != nil {
		return nil, nil, nil, err
	}
	s, o = newSealer(c.session, nonceMessageClient, c.nonce), newOpener(c.session, nonceMessageServer, nonce)
	c.session, c.ours = nil, nil
	return metadata, s, o, nil
}

// same compares in constant time.
func same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
