package zre

import (
	"fmt"
	"iter"
	"net/netip"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/cert"
)

// PublicKey is a public key of CURVE, 32 bytes; the zero PublicKey is none. String and MarshalText give it as 40 characters of Z85, "" if it is zero;
// ParsePublicKey and UnmarshalText read those. IsZero tells whether it is zero.
type PublicKey = cert.PublicKey

// ParsePublicKey reads a key as text: 40 characters of Z85 (RFC 32).
func ParsePublicKey(text string) (PublicKey, error) { return cert.ParsePublicKey(text) }

// LoadPublicKey reads the public key from one file of a certificate, the public or the secret one: for AllowKeys, or for the "endpoint|key" of a static
// peer. The error says which file it is, and what is wrong with it.
func LoadPublicKey(path string) (PublicKey, error) {
	c, err := cert.LoadPublic(path)
	if err != nil {
		return PublicKey{}, fmt.Errorf("zre: cannot load the public key: %w", err)
	}
	return c.Public(), nil
}

// Certificate is a key pair of CURVE, and properties that say whose it is, such as a name: nothing proves those. In files it is what czmq (zcert) and
// zmakecert write and read: a public one for others, and a secret one for the node alone. Methods other than SetMeta may be called from any
// goroutine; do not call SetMeta beside them. Make one with NewCertificate or LoadCertificate: the zero Certificate is none.
type Certificate struct{ cert *cert.Certificate }

// NewCertificate makes a certificate with new keys. Save keeps it, so that peers know the node again after a restart.
func NewCertificate() (*Certificate, error) {
	c, err := cert.New()
	if err != nil {
		return nil, fmt.Errorf("zre: cannot make a certificate: %w", err)
	}
	return &Certificate{c}, nil
}

// LoadCertificate reads a certificate with its secret key, from path_secret, or, if that does not exist, from path; path may be the name of the secret
// file too. It fails if there is no such file, if it is no certificate or a public one, or if the two keys, or the two files, do not belong together.
// errors.Is finds what the system says, such as fs.ErrNotExist.
func LoadCertificate(path string) (*Certificate, error) {
	c, err := cert.Load(path)
	if err != nil {
		return nil, fmt.Errorf("zre: cannot load the certificate: %w", err)
	}
	return &Certificate{c}, nil
}

// Save writes two files: path has the public key and may be read by all, path_secret has both keys and may be read by this user alone (mode 0600; on Windows
// the folder's rules hold). It never overwrites: if one of the two exists, the error is fs.ErrExist. After an error neither is there that was not
// there before. The folder must exist.
func (c *Certificate) Save(path string) error {
	if err := c.cert.Save(path); err != nil {
		return fmt.Errorf("zre: cannot save the certificate: %w", err)
	}
	return nil
}

// PublicKey returns the public key, which others may have.
func (c *Certificate) PublicKey() PublicKey { return c.cert.Public() }

// String returns the public key as text, and nothing of the secret one.
func (c *Certificate) String() string { return c.PublicKey().String() }

// Meta returns the property of that name, or "".
func (c *Certificate) Meta(name string) string { return c.cert.Get(name) }

// AllMeta returns the properties, as names and values, in the order in which they were set.
func (c *Certificate) AllMeta() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, m := range c.cert.Meta() {
			if !yield(m.Name, m.Value) {
				return
			}
		}
	}
}

// SetMeta sets a property, before Save. A name consists of letters, digits and $-_@.&+/; a value is one line of UTF-8, without NUL, and not with both kinds of
// quotes. The two have 1,000 bytes at most, a certificate has 100 properties. Else it is an error.
func (c *Certificate) SetMeta(name, value string) error {
	if err := c.cert.SetMeta(name, value); err != nil {
		return fmt.Errorf("zre: SetMeta: %w", err)
	}
	return nil
}

// Identity is what a function of WithAuthorizer judges: a node that has proven its key.
type Identity struct {
	// PublicKey is proven: the node has the secret key to it, and made this connection for this node.
	PublicKey PublicKey

	// UUID is the one that the node claims, or that this node expects where it dials: nothing but the authorizer says whether the owner of
	// PublicKey may have it. It is uuid.Nil where one of the two knows no more than the other's address and key, and asks whose they are (the answer is
	// the UUID and the state, and nothing is said then); and of gossip. Judge by the key alone then.
	UUID uuid.UUID

	// Addr is where the connection comes from or, if it is Outgoing, leads to. It is not valid within one host (ipc, inproc).
	Addr netip.AddrPort

	Transport string // "tcp", "ipc" or "inproc"
	Outgoing  bool   // this node makes the connection, and has told nothing yet; else the other one does
	Gossip    bool   // it is a hub of gossip (Outgoing), or a client of this node's
}
