package discovery

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/internal/paths"
)

// ErrNoKey says that an endpoint names no public key and this node is a secure one, which does not dial without a key.
var ErrNoKey = errors.New("it names no public key, and this node has a certificate: want tcp://host:port|KEY")

// ParseEndpoint reads an endpoint to dial, "tcp://host:port", or "tcp://host:port|KEY" with the public key that the peer there must have
// (Z85, 40 characters). The key is zero if there is none.
func ParseEndpoint(text string) (host string, port uint16, key cert.PublicKey, err error) {
	endpoint, z85, hasKey := strings.Cut(text, "|")
	if host, port, err = paths.Parse(endpoint); err != nil {
		return "", 0, key, err
	}
	if hasKey {
		if key, err = cert.ParsePublicKey(z85); err == nil && key.IsZero() {
			err = errors.New("it is zero")
		}
		if err != nil {
			return "", 0, key, fmt.Errorf("endpoint %q: no valid public key follows the bar: %w", text, err)
		}
	}
	return host, port, key, nil
}
