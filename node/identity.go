package node

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/internal/curve"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// PublicKey is a public key of CURVE; zre.PublicKey is the same type.
type PublicKey = cert.PublicKey

// Identity is what Config.Authorize judges: a peer, or another gossip node, with a proven key. zre.Identity has the same fields and
// documents them.
type Identity struct {
	PublicKey PublicKey
	UUID      uuid.UUID
	Addr      netip.AddrPort
	Transport string
	Outgoing  bool
	Gossip    bool
}

// checkCertificate checks the certificate and the authorizer of a secure node.
func (c *Config) checkCertificate() error {
	if c.Certificate == nil {
		if c.Authorize != nil {
			return errors.New("node: an authorizer needs a certificate: without one no peer proves a key")
		}
		return nil
	}
	secret, ok := c.Certificate.Secret()
	switch {
	case !ok:
		return fmt.Errorf("node: certificate: %w", cert.ErrNoSecret)
	case c.Certificate.Public()[0] == 0 || secret[0] == 0:
		return errors.New("node: certificate: a key begins with a zero byte, so C zyre takes it for no key: make a new one")
	}
	pair, err := curve.NewKeyPair(secret)
	switch {
	case err != nil:
		return fmt.Errorf("node: certificate: %w", err)
	case pair.Public() != curve.PublicKey(c.Certificate.Public()):
		return fmt.Errorf("node: certificate: %w", cert.ErrMismatch)
	}
	return nil
}

// useCurve makes the node's connections use CURVE, if it has a certificate.
func (n *Node) useCurve() error {
	if !n.isSecure() {
		return nil
	}
	secret, _ := n.cfg.Certificate.Secret()
	pair, err := curve.NewKeyPair(secret)
	if err != nil {
		return fmt.Errorf("node: certificate: %w", err)
	}
	n.zmtp.Curve = &zmtp.Curve{Keys: pair, Authorize: n.authorizeCaller}
	return nil
}
