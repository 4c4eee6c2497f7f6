package node

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/cert"
	"github.com/go-zre/go-zre/internal/curve"
	"github.com/go-zre/go-zre/internal/z85"
)

// certificateOf makes the certificate of a secret key; if bare, with only the public key.
func certificateOf(t *testing.T, secret cert.Key, bare bool) *cert.Certificate {
	t.Helper()
	pair, err := curve.NewKeyPair(secret)
	if err != nil {
		t.Fatal(err)
	}
	public := pair.Public()
	text := "curve\n    public-key = \"" + z85.Encode(public[:]) + "\"\n"
	if !bare {
		text += "    secret-key = \"" + z85.Encode(secret[:]) + "\"\n"
	}
	c, err := cert.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// certificate makes a new certificate.
func certificate(t testing.TB) *cert.Certificate {
	t.Helper()
	c, err := cert.New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCertificateOfConfig(t *testing.T) {
	anyone := func(context.Context, Identity) error { return nil }
	for name, c := range map[string]struct {
		cfg  Config
		want string // of the error
	}{
		"plain":                  {Config{}, ""},
		"secure":                 {Config{Certificate: certificate(t)}, ""},
		"secure, authorized":     {Config{Certificate: certificate(t), Authorize: anyone}, ""},
		"authorized alone":       {Config{Authorize: anyone}, "needs a certificate"},
		"without secret":         {Config{Certificate: certificateOf(t, cert.Key{1}, true)}, "without a secret key"},
		"secret begins with 0":   {Config{Certificate: certificateOf(t, cert.Key{0, 1}, false)}, "zero byte"},
		"the zero certificate":   {Config{Certificate: new(cert.Certificate)}, "without a secret key"},
		"public begins with a 0": {Config{Certificate: zeroPublic(t)}, "zero byte"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := New(c.cfg)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("New: %v, want %q", err, c.want)
			}
			if c.want == "" && (n.zmtp.Curve != nil) != (c.cfg.Certificate != nil) {
				t.Error("the node's connections do not speak what its certificate says")
			}
		})
	}
	if _, err := New(Config{Certificate: certificateOf(t, cert.Key{1}, true)}); !errors.Is(err, cert.ErrNoSecret) {
		t.Errorf("without a secret: %v", err)
	}
}

// zeroPublic searches for a public key that begins with a zero byte.
func zeroPublic(t *testing.T) *cert.Certificate {
	for i := range 1 << 16 {
		secret := cert.Key{1, byte(i), byte(i >> 8)}
		if pair, err := curve.NewKeyPair(secret); err == nil && pair.Public()[0] == 0 {
			return certificateOf(t, secret, false)
		}
	}
	t.Fatal("no key found")
	return nil
}
