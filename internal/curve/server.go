package curve

import (
	"bytes"
	"encoding/binary"
	"time"
)

// A Server is the accepting side's handshake, on one connection. The zero value is not usable.
type Server struct {
	keys       *KeyPair
	random     randomSource
	maxCommand int // maxCommand octets of an INITIATE
	next       step

	client      PublicKey // its key for this connection, from HELLO
	ours        *KeyPair  // ours for this connection; the cookie has it too, but unpacking it would cost one more product
	cookieKey   sharedKey // it opens no other connection's cookie, so nothing that was sent on one is usable on another
	welcomeTime time.Time
	session     *sharedKey
	clientNonce uint64 // the nonce of INITIATE
}

// NewServer waits for a client on an accepted connection. An INITIATE of more than maxCommand octets is refused.
func NewServer(keys *KeyPair, maxCommand int) *Server {
	return &Server{keys: keys, random: systemRandom, maxCommand: maxCommand, next: awaitHello}
}

// Expects returns how many octets the next command from the client may have; zero if none is due.
func (s *Server) Expects() (least, most int) {
	switch s.next {
	case awaitHello:
		return HelloSize, HelloSize
	case awaitInitiate:
		return InitiateSize, max(s.maxCommand, InitiateSize)
	}
	return 0, 0
}

// Hello handles the client's HELLO and returns WELCOME. It computes two X25519 products, for a client that has proven nothing: limit how
// often that happens.
func (s *Server) Hello(command []byte) (welcome []byte, err error) {
	if s.next != awaitHello {
		return nil, ErrOrder
	}
	s.next = finished
	rest, ok := cutName(command, nameHello+version)
	if !ok || len(command) != HelloSize {
		return nil, commandError("HELLO of CurveZMQ 1.0 was due")
	}
	if !same(rest[:padding], make([]byte, padding)) {
		return nil, commandError("HELLO with a padding that is not zero")
	}
	s.client = PublicKey(rest[padding:])
	rest = rest[padding+keySize:]
	shared, err := sharedKeyOf(s.keys.secret, s.client[:])
	if err != nil {
		return nil, err
	}
	plain, err := shared.open(rest[shortNonce:], shortNonceOf(nonceHello, binary.BigEndian.Uint64(rest)))
	if err != nil {
		return nil, err
	}
	if !same(plain, make([]byte, helloPlain)) {
		return nil, commandError("HELLO with a signature that is not zero")
	}
	return s.welcome(shared)
}

// welcome makes WELCOME with a key pair for this connection.
func (s *Server) welcome(shared *sharedKey) ([]byte, error) {
	var err error
	if s.ours, err = s.random.keyPair(); err != nil {
		return nil, err
	}
	s.random(s.cookieKey[:])
	plain := make([]byte, 0, keySize+cookieSize)
	plain = append(plain, s.ours.public[:]...)
	nonce := s.random.longNonce()
	plain = append(plain, nonce[:]...)
	plain = s.cookieKey.seal(plain, s.cookiePlain(), longNonceOf(nonceCookie, nonce[:]))

	nonce = s.random.longNonce()
	b := make([]byte, 0, WelcomeSize)
	b = append(b, nameWelcome...)
	b = append(b, nonce[:]...)
	b = shared.seal(b, plain, longNonceOf(nonceWelcome, nonce[:]))
	s.next, s.welcomeTime = awaitInitiate, time.Now()
	return b, nil
}

func (s *Server) cookiePlain() []byte {
	return bytes.Join([][]byte{s.client[:], s.ours.secret.Bytes()}, nil)
}

// Initiate handles the client's INITIATE, and returns the key that the client has proven, and its metadata unchanged. Now is the time to
// decide whether it may enter: answer with Ready, or with an ErrorCommand.
func (s *Server) Initiate(command []byte) (client PublicKey, metadata []byte, err error) {
	if s.next != awaitInitiate {
		return PublicKey{}, nil, ErrOrder
	}
	s.next = finished
	client, metadata, err = s.initiate(command)
	if err == nil {
		s.next = sendReady
	}
	s.ours, s.cookieKey = nil, sharedKey{}
	return client, metadata, err
}

func (s *Server) initiate(command []byte) (client PublicKey, metadata []byte, err error) {
	rest, ok := cutName(command, nameInitiate)
	if !ok || len(command) < InitiateSize || len(command) > s.maxCommand {
		return client, nil, commandError("INITIATE was due, of %d bytes at most", s.maxCommand)
	}
	cookie, rest := rest[:cookieSize], rest[cookieSize:]
	known, err := s.cookieKey.open(cookie[longNonce:], longNonceOf(nonceCookie, cookie[:longNonce]))
	if err != nil || !same(known, s.cookiePlain()) || time.Since(s.welcomeTime) > CookieLife {
		return client, nil, ErrCookie
	}
	if s.session, err = sharedKeyOf(s.ours.secret, s.client[:]); err != nil {
		return client, nil, err
	}
	s.clientNonce = binary.BigEndian.Uint64(rest)
	plain, err := s.session.open(rest[shortNonce:], shortNonceOf(nonceInitiate, s.clientNonce))
	if err != nil {
		return client, nil, err
	}
	claimed, vouch := PublicKey(plain), plain[keySize:]
	if err := s.checkVouch(claimed, vouch[:longNonce], vouch[longNonce:longNonce+vouchSize]); err != nil {
		return client, nil, err
	}
	return claimed, vouch[longNonce+vouchSize:], nil
}

// checkVouch checks that the owner of the key means this connection, and this server.
func (s *Server) checkVouch(client PublicKey, nonce, vouch []byte) error {
	shared, err := sharedKeyOf(s.ours.secret, client[:])
	if err != nil {
		return err
	}
	plain, err := shared.open(vouch, longNonceOf(nonceVouch, nonce))
	if err != nil {
		return err
	}
	if !same(plain, bytes.Join([][]byte{s.client[:], s.keys.public[:]}, nil)) {
		return ErrVouch
	}
	return nil
}

// Ready returns READY, which lets the client in, and what seals and opens messages from now on.
func (s *Server) Ready(metadata []byte) (ready []byte, sealer *Sealer, opener *Opener, err error) {
	if s.next != sendReady {
		return nil, nil, nil, ErrOrder
	}
	s.next = finished
	const nonce = 1
	b := make([]byte, 0, ReadySize+len(metadata))
	b = append(b, nameReady...)
	b = binary.BigEndian.AppendUint64(b, nonce)
	b = s.session.seal(b, metadata, shortNonceOf(nonceReady, nonce))
	sealer, opener = newSealer(s.session, nonceMessageServer, nonce), newOpener(s.session, nonceMessageClient, s.clientNonce)
	s.session = nil
	return b, sealer, opener, nil
}
