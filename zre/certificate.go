package zre

import (
	"net/netip"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/cert"
)

// PublicKey is a public key of CURVE, 32 bytes; the zero PublicKey is none. String and MarshalText give it as 40 characters of Z85, "" if it is zero;
// ParsePublicKey and UnmarshalText read those. IsZero tells whether it is zero.
type PublicKey = cert.PublicKey

// ParsePublicKey reads a key as text: 40 characters of Z85 (RFC 32).
func ParsePublicKey(text string) (PublicKey, error) { return cert.ParsePublicKey(text) }

// Certificate is a key pair of CURVE, and properties that say whose it is.
type Certificate struct{ cert *cert.Certificate }

// NewCertificate makes a certificate with new keys.
func NewCertificate() (*Certificate, error) {
	c, err := cert.New()
	if err != nil {
		return nil, err
	}
	return &Certificate{c}, nil
}

// PublicKey returns the public key, which others may have.
func (c *Certificate) PublicKey() PublicKey { return c.cert.Public() }

// Identity is what a function of WithAuthorizer judges: a node that has proven its key.
type Identity struct {
	// PublicKey is proven: the node has the secret key to it, and made this connection for this node.
	PublicKey PublicKey

	// UUID is the one that the node claims, or that this node expects where it dials: nothing but the authoriser says whether the owner of
	// PublicKey may have it. It is uuid.Nil where this node dials an address of which it only knows the key, and of gossip.
	UUID uuid.UUID

	// Addr is where the connection comes from or, if it is Outgoing, leads to. It is not valid within one host (ipc, inproc).
	Addr netip.AddrPort

	Transport string // "tcp", "ipc" or "inproc"
	Outgoing  bool   // this node makes the connection, and has told nothing yet; else the other one does
	Gossip    bool   // it is a hub of gossip (Outgoing), or a client of this node's
}
