// Package curve is CURVE, the security mechanism of ZMTP (RFC 25 and RFC 26, CurveZMQ), on octets: it has no sockets, no frames but those
// of messages, and no goroutines. The side that connects is the client, the side that accepts is the server.
//
//	client                          server
//	Hello                 ------->  Hello, which gives WELCOME
//	Welcome               <-------
//	  authorize the server
//	Initiate              ------->  Initiate, which gives the client's key and metadata
//	                                  authorize the client
//	Ready                 <-------  Ready; or ErrorCommand
//
// A [Client] and a [Server] serve one connection each, and one attempt: after an error nothing continues. Commands are the whole bodies of
// frames, including their names. Expects returns the sizes that the next one may have, before it is read. Once both sides are ready, a
// [Sealer] makes a MESSAGE of each frame that is sent, and an [Opener] opens those of the other side. They hold no key of a node.
//
// For a connection that is not ready, a server has nothing but its Server: no table, no goroutine, no timer.
//
// Some checks go beyond libzmq's: the vouch must name this server (libzmq compares only the client's key), the padding of HELLO must be
// zero, public keys of low order are refused wherever they arrive, and a public key has only one encoding.
package curve

import "time"

// Sizes of commands, in octets, as bodies of frames.
const (
	HelloSize    = 200 // HELLO has exactly this
	WelcomeSize  = 168 // WELCOME too
	InitiateSize = 257 // INITIATE has this and the client's metadata
	ReadySize    = 30  // READY has this and the server's metadata
	ErrorSize    = 7   // ERROR has this and the reason, at most 255
	MaxErrorSize = ErrorSize + 255

	// Overhead is how much longer a MESSAGE is than the frame's body in it: name, nonce, tag and flags.
	Overhead = 33
)

// CookieLife is how long a server waits for INITIATE after its WELCOME. It is short, because the cookie holds the secret of the connection.
const CookieLife = 10 * time.Second

// The names of commands, with their length in front.
const (
	nameHello    = "\x05HELLO"
	nameWelcome  = "\x07WELCOME"
	nameInitiate = "\x08INITIATE"
	nameReady    = "\x05READY"
	nameError    = "\x05ERROR"
	nameMessage  = "\x07MESSAGE"
)

// The fixed parts of nonces: 16 octets before a short nonce, 8 before a long one.
const (
	nonceHello         = "CurveZMQHELLO---"
	nonceInitiate      = "CurveZMQINITIATE"
	nonceReady         = "CurveZMQREADY---"
	nonceMessageClient = "CurveZMQMESSAGEC"
	nonceMessageServer = "CurveZMQMESSAGES"
	nonceWelcome       = "WELCOME-"
	nonceCookie        = "COOKIE--"
	nonceVouch         = "VOUCH---"
)

const (
	keySize    = 32
	tagSize    = 16
	longNonce  = 16
	shortNonce = 8
	padding    = 72
	helloPlain = 64 // zeros in HELLO's box
	cookieSize = longNonce + tagSize + 2*keySize
	vouchSize  = tagSize + 2*keySize
)

const version = "\x01\x00" // of CurveZMQ, in HELLO
