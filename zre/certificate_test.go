package zre_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
)

func newCertificate(t *testing.T) *zre.Certificate {
	t.Helper()
	c, err := zre.NewCertificate()
	must(t, err)
	return c
}

// save saves a new certificate.
func save(t *testing.T, path string) *zre.Certificate {
	t.Helper()
	c := newCertificate(t)
	must(t, c.Save(path))
	return c
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, text, 0o600))
}

func TestCertificate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alice")
	c := newCertificate(t)
	want := map[string]string{"name": "Alice", "e-mail": "alice@example.org"}
	for name, value := range want {
		must(t, c.SetMeta(name, value))
	}
	if err := c.SetMeta("two lines", "x\ny"); err == nil || !strings.Contains(err.Error(), `property "two lines"`) {
		t.Errorf("a bad property: %v", err)
	}
	must(t, c.Save(path))
	if err := c.Save(path); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("saved twice: %v", err)
	}
	if err := c.Save(filepath.Join(path+"s", "bob")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "the folder "+path+"s does not exist") {
		t.Errorf("saved nowhere: %v", err)
	}
	for _, name := range []string{path, path + "_secret"} {
		loaded, err := zre.LoadCertificate(name)
		must(t, err)
		if loaded.PublicKey() != c.PublicKey() || loaded.Meta("name") != "Alice" || loaded.Meta("none") != "" || !maps.Equal(maps.Collect(loaded.AllMeta()), want) {
			t.Errorf("loaded %v %v", loaded, maps.Collect(loaded.AllMeta()))
		}
		key, err := zre.LoadPublicKey(name)
		if err != nil || key != c.PublicKey() {
			t.Errorf("public key %v, %v", key, err)
		}
		_, err = zre.NewNode(zre.WithCertificate(loaded))
		must(t, err)
	}
	text, err := os.ReadFile(path + "_secret")
	must(t, err)
	_, secret, _ := strings.Cut(string(text), "secret-key = \"")
	secret = secret[:40]
	if shown := fmt.Sprintf("%v %+v %#v %s", c, c, *c, c); strings.Contains(shown, secret) || !strings.HasPrefix(shown, c.PublicKey().String()) {
		t.Errorf("shown as %s", shown)
	}
}

// TestLoadCertificateErrors: each error names the file, says what is wrong, and what to do.
func TestLoadCertificateErrors(t *testing.T) {
	dir := t.TempDir()
	save(t, dir+"/alice")
	save(t, dir+"/bob")
	copyFile(t, dir+"/alice", dir+"/public")
	copyFile(t, dir+"/alice", dir+"/mixed")
	copyFile(t, dir+"/bob_secret", dir+"/mixed_secret")
	copyFile(t, dir+"/alice", dir+"/swapped_secret")
	must(t, os.WriteFile(dir+"/junk", []byte("Dear diary\n"), 0o600))
	must(t, os.WriteFile(dir+"/empty", nil, 0o600))
	for _, c := range []struct{ path, want string }{
		{"/missing", "/missing_secret, nor " + dir + `/missing; "zre keygen ` + dir + `/missing" makes`},
		{"/missing_secret", "there is no file " + dir + `/missing_secret; "zre keygen ` + dir + `/missing" makes`},
		{"/public", "/public: a public certificate, without a secret key"},
		{"/swapped", "/swapped_secret: a public certificate, without a secret key"},
		{"/mixed", "/mixed_secret: the public and the secret key do not belong together: copy both"},
		{"/mixed_secret", "/mixed_secret: the public and the secret key do not belong together: copy both"},
		{"/junk", "/junk: no certificate: line 1"},
		{"/empty", "/empty: no certificate: it has no public-key"},
		{"", dir + ": no certificate: not a regular file"},
	} {
		if _, err := zre.LoadCertificate(dir + c.path); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "zre: cannot load the certificate: ") {
			t.Errorf("%s: %v", c.path, err)
		}
	}
}

func authorize(a zre.Authorizer, c *zre.Certificate) error {
	return a(context.Background(), zre.Identity{PublicKey: c.PublicKey()})
}

func TestAllowKeys(t *testing.T) {
	alice, bob := newCertificate(t), newCertificate(t)
	for _, c := range []struct {
		name string
		keys []zre.PublicKey
		want bool
	}{
		{"both", []zre.PublicKey{bob.PublicKey(), alice.PublicKey()}, true},
		{"another", []zre.PublicKey{bob.PublicKey()}, false},
		{"none", nil, false},
		{"the zero key", []zre.PublicKey{{}}, false},
	} {
		allow := zre.AllowKeys(c.keys...)
		if err := authorize(allow, alice); (err == nil) != c.want || err != nil && !strings.Contains(err.Error(), alice.String()) {
			t.Errorf("%s: %v", c.name, err)
		}
		if allow(context.Background(), zre.Identity{}) == nil {
			t.Errorf("%s: the zero key is let in", c.name)
		}
	}
}

func TestAllowCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.MkdirAll(dir+"/keys/old", 0o700))
		alice, bob, carol := save(t, dir+"/keys/alice"), save(t, dir+"/keys/old/bob"), save(t, dir+"/carol")
		allow, err := zre.AllowCertificates(dir+"/keys", dir+"/carol")
		must(t, err)
		for _, c := range []*zre.Certificate{alice, bob, carol} {
			must(t, authorize(allow, c))
		}
		if err := authorize(allow, newCertificate(t)); err == nil || !strings.Contains(err.Error(), "no certificate in "+dir+"/keys, "+dir+"/carol has the key ") {
			t.Errorf("a stranger: %v", err)
		}
		must(t, os.Remove(dir+"/keys/alice"))
		dave := save(t, dir+"/keys/dave")
		must(t, os.Remove(dir+"/carol"))
		time.Sleep(8 * time.Second) // fake time
		must(t, authorize(allow, bob))
		must(t, authorize(allow, dave))
		for _, c := range []*zre.Certificate{alice, carol} {
			if err := authorize(allow, c); !errors.Is(err, fs.ErrNotExist) { // because of carol's file
				t.Errorf("one that was removed: %v", err)
			}
		}
		must(t, os.WriteFile(dir+"/keys/junk", []byte("?"), 0o600))
		must(t, os.RemoveAll(dir+"/keys/old"))
		time.Sleep(8 * time.Second) // fake time
		if err := authorize(allow, bob); err == nil || !strings.Contains(err.Error(), "/keys/junk: no certificate") {
			t.Errorf("beside junk: %v", err)
		}
		must(t, authorize(allow, dave))
		must(t, os.RemoveAll(dir+"/keys"))
		time.Sleep(8 * time.Second) // fake time
		if err := authorize(allow, dave); err == nil {
			t.Error("the folder is gone, and one is let in")
		}
	})
}

func TestAllowCertificatesErrors(t *testing.T) {
	dir := t.TempDir()
	save(t, dir+"/alice")
	must(t, os.Mkdir(dir+"/junk", 0o700))
	must(t, os.WriteFile(dir+"/junk/README", []byte("Keys of the exhibition"), 0o600))
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{nil, "no path is given"},
		{[]string{dir + "/alice", dir + "/missing"}, "there is no file or folder " + dir + "/missing"},
		{[]string{dir + "/junk"}, "/junk/README: no certificate"},
		{[]string{dir + "/junk/README"}, "/junk/README: no certificate"},
	} {
		if _, err := zre.AllowCertificates(c.paths...); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "zre: AllowCertificates: ") {
			t.Errorf("%q: %v", c.paths, err)
		}
	}
}

func TestBadSecurityOptions(t *testing.T) {
	c := newCertificate(t)
	allow := zre.AllowKeys(c.PublicKey())
	for _, test := range []struct {
		name    string
		options []zre.Option
	}{
		{"WithCertificate: the certificate is empty", []zre.Option{zre.WithCertificate(nil)}},
		{"WithCertificate: the certificate is empty", []zre.Option{zre.WithCertificate(new(zre.Certificate))}},
		{"WithCertificate: the certificate is empty", []zre.Option{zre.WithSharedCertificate(nil)}},
		{"the function is nil", []zre.Option{zre.WithCertificate(c), zre.WithAuthorizer(nil)}},
		{"needs a certificate", []zre.Option{zre.WithAuthorizer(allow)}},
		{"has an authorizer already", []zre.Option{zre.WithCertificate(c), zre.WithAuthorizer(allow), zre.WithAuthorizer(allow)}},
		{"has an authorizer already", []zre.Option{zre.WithSharedCertificate(c), zre.WithAuthorizer(allow)}},
	} {
		if _, err := zre.NewNode(test.options...); err == nil || !strings.Contains(err.Error(), test.name) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	_, err := zre.NewNode(zre.WithSharedCertificate(c))
	must(t, err)
}
