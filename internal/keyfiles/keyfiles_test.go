package keyfiles_test

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/keyfiles"
	"github.com/go-zre/go-zre/zre"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, path string) {
	t.Helper()
	c, err := zre.NewCertificate()
	must(t, err)
	must(t, c.Save(path))
}

func TestOptions(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/keys", 0o700))
	must(t, os.Mkdir(dir+"/junk", 0o700))
	save(t, dir+"/me")
	save(t, dir+"/keys/alice")
	must(t, os.WriteFile(dir+"/junk/README", []byte("?"), 0o600))
	text, err := os.ReadFile(dir + "/me")
	must(t, err)
	must(t, os.WriteFile(dir+"/public", text, 0o600))
	// What C zyre does not accept: a public key that begins with a zero byte, and its secret one.
	must(t, os.WriteFile(dir+"/zero_secret", []byte(zeroKey), 0o600))
	for _, c := range []struct {
		name      string
		cert      string
		authorize []string
		count     int
		want      string // in the error
		is        error
	}{
		{"neither", "", nil, 0, "", nil},
		{"a certificate", "/me", nil, 1, "", nil},
		{"its secret file", "/me_secret", nil, 1, "", nil},
		{"a certificate and a folder", "/me", []string{"/keys"}, 2, "", nil},
		{"a file and a folder", "/me", []string{"/keys", "/me"}, 2, "", nil},
		{"no certificate", "", []string{"/keys"}, 0, "--authorize needs --cert: ", nil},
		{"a missing certificate", "/missing", nil, 0, "--cert: there is no file DIR/missing_secret, nor DIR/missing; \"zre keygen DIR/missing\" makes a certificate", fs.ErrNotExist},
		{"a public file", "/public", nil, 0, "--cert: DIR/public: a public certificate, without a secret key", nil},
		{"junk", "/junk/README", nil, 0, "--cert: DIR/junk/README: no certificate: line 1", nil},
		{"keys with a zero", "/zero", nil, 0, "--cert DIR/zero: a key begins with a zero byte", nil},
		{"a missing folder", "/me", []string{"/keys", "/missing"}, 0, "--authorize: there is no file or folder DIR/missing", fs.ErrNotExist},
		{"a folder of junk", "/me", []string{"/junk"}, 0, "--authorize: DIR/junk/README: no certificate", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert := c.cert
			if cert != "" {
				cert = dir + cert
			}
			var authorize []string
			for _, path := range c.authorize {
				authorize = append(authorize, dir+path)
			}
			options, err := keyfiles.Options(cert, authorize)
			if len(options) != c.count {
				t.Errorf("%d options", len(options))
			}
			if want := strings.ReplaceAll(c.want, "DIR", dir); want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
				t.Errorf("error %v", err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v is not %v", err, c.is)
			}
			if _, err := zre.NewNode(options...); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestExposed(t *testing.T) {
	dir := t.TempDir()
	save(t, dir+"/me")
	for _, c := range []struct {
		mode fs.FileMode
		warn bool
	}{{0o600, false}, {0o400, false}, {0o640, true}, {0o644, true}, {0o602, true}} {
		must(t, os.Chmod(dir+"/me_secret", c.mode))
		for _, path := range []string{dir + "/me", dir + "/me_secret"} {
			got := keyfiles.Exposed(path)
			if runtime.GOOS == "windows" {
				c.warn = false
			}
			if warn := strings.HasSuffix(got, "chmod 600 "+dir+"/me_secret"); warn != c.warn || !warn && got != "" {
				t.Errorf("mode %v, %s: %q", c.mode, path, got)
			}
		}
	}
	for _, path := range []string{"", dir + "/none"} {
		if got := keyfiles.Exposed(path); got != "" {
			t.Errorf("%q: %q", path, got)
		}
	}
}

const zeroKey = `curve
    public-key = "0g({.<bw}#[74d/S?IkY2!Z+^AsUfsrITC=GvMM6"
    secret-key = "hH7aku5zU(5Z7D}@3$s>[7[r}=5>GJ*3^gt0h[tS"
`

func TestPlainError(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`node: WithName: name "a": too long (300 bytes): want less`, `name "a": too long (300 bytes): want less`},
		{`zre: WithPeers("tcp://a:b"): "b" is no port`, `"b" is no port`},
		{"join: no such group", "no such group"},
		{"Without a name", "Without a name"},
	} {
		if got := keyfiles.PlainError(errors.New(c.text)).Error(); got != c.want {
			t.Errorf("of %q: got %q, want %q", c.text, got, c.want)
		}
	}
	if err := keyfiles.PlainError(nil); err != nil {
		t.Errorf("of no error: got %v", err)
	}
}
