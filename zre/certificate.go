package zre

import (
	"fmt"
	"iter"
	"net/netip"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/node"
)

// PublicKey is a public key of CURVE. The zero PublicKey stands for none. As text it has 40 characters of Z85 (RFC 32).
type PublicKey [32]byte

// ParsePublicKey reads a key as text: 40 characters of Z85.
func ParsePublicKey(text string) (PublicKey, error) {
	key, err := cert.ParsePublicKey(text)
	return PublicKey(key), err
}

// String returns the key as text, or "" if it is zero.
func (k PublicKey) String() string { return cert.PublicKey(k).String() }

// IsZero tells whether the key is zero.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// MarshalText implements encoding.TextMarshaler. It returns what String does.
func (k PublicKey) MarshalText() ([]byte, error) { return cert.PublicKey(k).MarshalText() }

// UnmarshalText implements encoding.TextUnmarshaler. An empty text is the zero key.
func (k *PublicKey) UnmarshalText(text []byte) error {
	return (*cert.PublicKey)(k).UnmarshalText(text)
}

// LoadPublicKey reads the public key from a file of a certificate, the public or the secret one. Use it for AllowKeys, or for the "endpoint|key" of a
// static peer. The error names the file and says what is wrong with it.
func LoadPublicKey(path string) (PublicKey, error) {
	c, err := cert.LoadPublic(path)
	if err != nil {
		return PublicKey{}, fmt.Errorf("zre: cannot load the public key: %w", err)
	}
	return PublicKey(c.Public()), nil
}

// Certificate is a key pair of CURVE with properties, such as a name; nothing proves the properties. Its files have the format of czmq (zcert): a
// public file for others, and a secret file for the node only. Make one with NewCertificate or LoadCertificate; the zero Certificate has no keys.
// Methods may be called from any goroutine, except that SetMeta may not run at the same time as another.
type Certificate struct{ cert *cert.Certificate }

// NewCertificate makes a certificate with new keys. Save it, so that peers recognize the node after a restart.
func NewCertificate() (*Certificate, error) {
	c, err := cert.New()
	if err != nil {
		return nil, fmt.Errorf("zre: cannot make a certificate: %w", err)
	}
	return &Certificate{c}, nil
}

// LoadCertificate reads a certificate with its secret key from path_secret or, if that does not exist, from path; path may also name the secret file.
// It fails if there is no such file, if the file is not a certificate or has no secret key, or if the keys or the two files do not belong together.
// The error wraps that of the operating system, such as fs.ErrNotExist.
func LoadCertificate(path string) (*Certificate, error) {
	c, err := cert.Load(path)
	if err != nil {
		return nil, fmt.Errorf("zre: cannot load the certificate: %w", err)
	}
	return &Certificate{c}, nil
}

// Save writes two files: path has the public key, and everyone may read it; path_secret has both keys, and only this user may read it (mode 0600; on
// Windows the rules of the folder apply). Save overwrites nothing: if one of the two exists, the error is fs.ErrExist. If it fails, it leaves no new
// file. The folder must exist.
func (c *Certificate) Save(path string) error {
	if err := c.cert.Save(path); err != nil {
		return fmt.Errorf("zre: cannot save the certificate: %w", err)
	}
	return nil
}

// PublicKey returns the public key, which others may know.
func (c *Certificate) PublicKey() PublicKey { return PublicKey(c.cert.Public()) }

// String returns the public key as text, and nothing of the secret key.
func (c *Certificate) String() string { return c.PublicKey().String() }

// Meta returns the property with this name, or "".
func (c *Certificate) Meta(name string) string { return c.cert.Get(name) }

// AllMeta returns the names and values of the properties, in the order in which they were set.
func (c *Certificate) AllMeta() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, m := range c.cert.Meta() {
			if !yield(m.Name, m.Value) {
				return
			}
		}
	}
}

// SetMeta sets a property; call it before Save. A name consists of letters, digits and $-_@.&+/. A value is one line of UTF-8 without NUL, and has
// not both kinds of quotes. Name and value have up to 1,000 bytes together, and a certificate has up to 100 properties. Anything else is an error.
func (c *Certificate) SetMeta(name, value string) error {
	if err := c.cert.SetMeta(name, value); err != nil {
		return fmt.Errorf("zre: SetMeta: %w", err)
	}
	return nil
}

// Identity is what an Authorizer decides about: a node that has proven its key.
type Identity struct {
	// PublicKey is proven: the node has the secret key for it, and made this connection with this node.
	PublicKey PublicKey

	// UUID is what the node claims or, if this node makes the connection (Outgoing), what it expects there. It is not proven: only the authorizer
	// says whether the owner of PublicKey may have this UUID. It is uuid.Nil for gossip, and when a node that knows only an address and a key asks
	// for the UUID there (the answer is the UUID and the state, nothing else). Then decide by the key alone.
	UUID uuid.UUID

	// Addr is where the connection comes from or, if it is Outgoing, goes to. It is not valid within one host (ipc, inproc).
	Addr netip.AddrPort

	Transport string // "tcp", "ipc" or "inproc"
	Outgoing  bool   // this node makes the connection, and has said nothing yet; otherwise the other node makes it
	Gossip    bool   // it is a gossip hub (Outgoing), or a client of this hub
}

func identityOf(i node.Identity) Identity {
	return Identity{PublicKey(i.PublicKey), i.UUID, i.Addr, i.Transport, i.Outgoing, i.Gossip}
}
