package doctor

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

func newCertificate(t *testing.T) *zre.Certificate {
	t.Helper()
	c, err := zre.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Secure nodes and plain ones on a simulated network, and what the doctor makes of them.
func TestSecureCollect(t *testing.T) {
	ours, theirs, others := newCertificate(t), newCertificate(t), newCertificate(t)
	secure := []zre.Option{zre.WithCertificate(ours)}
	const at = "tcp://10.0.0.2:5671"
	hidden := []zre.Option{zre.WithListen("tcp://*:5671"), zre.WithBeaconPort(6000)}
	for _, c := range []struct {
		name     string
		security []zre.Option // ours
		node     []zre.Option // theirs
		peer     string       // that is named
		want     string       // problems | notes
		says     string       // in the report
	}{
		{"both secure", secure, []zre.Option{zre.WithCertificate(theirs)}, "", " | ", "key " + theirs.String()},
		{"it alone", nil, []zre.Option{zre.WithCertificate(theirs)}, "", " | curve", "speaks CURVE, and this node does not"},
		{"we alone", secure, nil, "", " | plain", "This node speaks CURVE, and"},
		{"it refuses us", secure, []zre.Option{zre.WithCertificate(theirs), zre.WithAuthorizer(zre.AllowKeys(others.PublicKey()))}, "",
			"refused-by | ", "does not let in"},
		{"we refuse it", append([]zre.Option{zre.WithAuthorizer(zre.AllowKeys(others.PublicKey()))}, secure...), []zre.Option{zre.WithCertificate(theirs)}, "",
			"refused | ", "does not let in the key " + theirs.String()},
		{"a named one", secure, append([]zre.Option{zre.WithCertificate(theirs)}, hidden...), at + "|" + theirs.String(), " | peer-unheard", "connected back"},
		{"a named one, it alone", nil, append([]zre.Option{zre.WithCertificate(theirs)}, hidden...), at, "peer-curve | ", "speaks CURVE, and this node does not"},
		{"a named one, we alone", secure, hidden, at + "|" + theirs.String(), "peer-plain | ", at + " does not"},
		{"a named one, we alone and without a key", secure, hidden, at, "peer-plain | ", at + " does not"},
		{"a named one without its key", secure, append([]zre.Option{zre.WithCertificate(theirs)}, hidden...), at, "peer-no-key | ", "--peer 'ENDPOINT|KEY'"},
		{"a named one with another key", secure, append([]zre.Option{zre.WithCertificate(theirs)}, hidden...), at + "|" + others.String(), "peer-wrong-key | ", "another public key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lan := zretest.NewLAN(t)
				us := lan.Host("10.0.0.1")
				cfg := Config{Network: us, Security: c.security}
				zretest.Start(t, lan.Host("10.0.0.2"), append([]zre.Option{zre.WithName("alice")}, c.node...)...)
				if c.peer != "" {
					cfg.Peers = endpoint(c.peer)
				}
				r := collect(t, cfg, c.want)
				var text strings.Builder
				if err := r.Print(&text, 0); err != nil || !strings.Contains(text.String(), c.says) {
					t.Errorf("%v, it does not say %q: %s", err, c.says, text.String())
				}
				if r.Self.PublicKey.IsZero() != (c.security == nil) {
					t.Errorf("its key is told as %v", r.Self.PublicKey)
				}
			})
		})
	}
}

func TestEndpointWithKey(t *testing.T) {
	key := newCertificate(t).PublicKey()
	e, err := ParseEndpoint("tcp://robot.example:5671|" + key.String())
	if err != nil || e.Key != key || e.String() != "tcp://robot.example:5671" || e.withKey() != e.String()+"|"+key.String() {
		t.Errorf("%+v, %v", e, err)
	}
	for _, text := range []string{"tcp://robot.example:5671|", "tcp://robot.example:5671|junk"} {
		if _, err := ParseEndpoint(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
