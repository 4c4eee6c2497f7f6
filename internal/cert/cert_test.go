package cert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/z85"
)

func fresh(t testing.TB) *Certificate {
	t.Helper()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The client's keys in libzmq's manual (zmq_curve).
const (
	manualPublic = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
	manualSecret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
)

// ofCzmq is a file as czmq writes it, and publicOfCzmq the public one.
const (
	ofCzmq = `#   ****  Generated on 2026-11-28 18:00:42 by CZMQ  ****
#   ZeroMQ CURVE **Secret** Certificate
#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.

metadata
    name = "Alice #1 = 'x'"
    e-mail = ""
curve
    public-key = "` + manualPublic + `"
    secret-key = "` + manualSecret + `"
`
	publicOfCzmq = "metadata\ncurve\n    public-key = \"" + manualPublic + "\"\n"
)

func TestGolden(t *testing.T) {
	c, err := Parse([]byte(ofCzmq))
	if err != nil {
		t.Fatal(err)
	}
	if z85.Encode(c.public[:]) != manualPublic || z85.Encode(c.secret[:]) != manualSecret {
		t.Errorf("keys %x, %x", c.public, c.secret)
	}
	if want := []Meta{{"name", "Alice #1 = 'x'"}, {"e-mail", ""}}; !slices.Equal(c.Meta(), want) {
		t.Errorf("properties %q", c.Meta())
	}
	body := func(s string) string { return s[strings.Index(s, "metadata"):] }
	if got := body(string(c.text(true, time.Now()))); got != body(ofCzmq) {
		t.Errorf("the text of the parsed certificate:\n%s", got)
	}
	if got := c.text(false, time.Date(2026, 11, 28, 18, 0, 42, 0, time.UTC)); !strings.HasPrefix(string(got), "#   ****  Generated on 2026-11-28 18:00:42 by go-zre") ||
		strings.Contains(string(got), "secret-key") || strings.Contains(string(got), manualSecret) {
		t.Errorf("the text without the secret key:\n%s", got)
	}
}

func TestParse(t *testing.T) {
	public := func(key string) string { return "curve\n    public-key = " + key + "\n" }
	tests := []struct {
		name, text string
		want       error // nil: it is read
	}{
		{"czmq's", ofCzmq, nil},
		{"the public one", publicOfCzmq, nil},
		{"CRLF", strings.ReplaceAll(ofCzmq, "\n", "\r\n"), nil},
		{"no last end of a line", strings.TrimSuffix(ofCzmq, "\n"), nil},
		{"single quotes", public("'" + manualPublic + "'"), nil},
		{"no quotes", public(manualPublic), nil},
		{"a comment behind", public(`"` + manualPublic + `"  # of the manual`), nil},
		{"no spaces around =", "curve\n    public-key=\"" + manualPublic + "\"\n", nil},
		{"more than is known", "#\ntop\n    one\n        two = 2\n    three = 3\nversion = 1\n" + publicOfCzmq, nil},
		{"bytes that are no UTF-8", "metadata\n    name = \"K\xe4fer\"\n" + publicOfCzmq, nil},

		{"nothing", "", ErrFormat},
		{"a text", "Hello, world!\n", ErrFormat},
		{"bytes", "\x7fELF\x02\x01\x01\x00\x00", ErrFormat},
		{"no key", "metadata\n    name = \"x\"\n", ErrFormat},
		{"a key in another section", "metadata\n    public-key = \"" + manualPublic + "\"\n", ErrFormat},
		{"a key in no section", "public-key = \"" + manualPublic + "\"\n", ErrFormat},
		{"a key of zeros", public(strings.Repeat("0", 40)), ErrFormat},
		{"a short key", public(`"` + manualPublic[:39] + `"`), ErrFormat},
		{"a long key", public(`"` + manualPublic + `0"`), ErrFormat},
		{"a key with a space", public(`" ` + manualPublic[1:] + `"`), ErrFormat},
		{"a key with # and without quotes", public(manualPublic[:20] + "#" + manualPublic[21:]), ErrFormat},
		{"an open quote", public(`"` + manualPublic), ErrFormat},
		{"something behind the quote", public(`"` + manualPublic + `" x`), ErrFormat},
		{"a tab", strings.Replace(publicOfCzmq, "    ", "\t", 1), ErrFormat},
		{"three spaces", strings.Replace(publicOfCzmq, "    ", "   ", 1), ErrFormat},
		{"too deep", strings.Replace(publicOfCzmq, "    ", "        ", 1), ErrFormat},
		{"deep at once", "    " + publicOfCzmq, ErrFormat},
		{"two public keys", publicOfCzmq + publicOfCzmq, ErrFormat},
		{"a NUL", "metadata\n    name = \"\x00\"\n" + publicOfCzmq, ErrFormat},
		{"too many properties", "metadata\n" + manyProperties(maxMeta+1) + publicOfCzmq, ErrFormat},
		{"too long", "#" + strings.Repeat(" ", maxFile) + "\n" + publicOfCzmq, ErrFormat},
		{"another secret", strings.Replace(ofCzmq, manualSecret, strings.Repeat("1", 40), 1), ErrMismatch},
		{"the public key as the secret one", strings.Replace(ofCzmq, manualSecret, manualPublic, 1), ErrMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse([]byte(test.text))
			if !errors.Is(err, test.want) || err != nil && test.want == nil {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if err == nil && z85.Encode(c.public[:]) != manualPublic {
				t.Errorf("key %x", c.public)
			}
			if err != nil && strings.Contains(err.Error(), manualSecret[:10]) {
				t.Errorf("the error contains the secret: %v", err)
			}
		})
	}
}

func manyProperties(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "    p%d = x\n", i)
	}
	return b.String()
}

// TestFirstOctets checks that keys that begin with 0 are drawn again.
func TestFirstOctets(t *testing.T) {
	var zeroSecret, zeroPublic, good Key
	zeroSecret[1] = 1
	for number := byte(1); ; number++ { // one in 256 has such a public key
		zeroPublic = Key{1, number, 7}
		if public, _ := publicOf(zeroPublic); public[0] == 0 {
			break
		}
		if number == 255 {
			t.Skip("none of these has a public key that begins with 0")
		}
	}
	good[0], good[31] = 5, 9
	c, err := generate(bytes.NewReader(bytes.Join([][]byte{zeroSecret[:], zeroPublic[:], good[:]}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if secret, _ := c.Secret(); secret != good || c.Public()[0] == 0 {
		t.Errorf("secret %x, public %x", secret, c.Public())
	}
	if _, err := generate(bytes.NewReader(good[:31])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("too few random bytes: %v", err)
	}
}

func TestSetMeta(t *testing.T) {
	c := fresh(t)
	for _, m := range []Meta{{"name", "a"}, {"$-_@.&+/", `"quoted"`}, {"name", "b"}, {"long", strings.Repeat("x", 996)}, {"e", ""}} {
		if err := c.SetMeta(m.Name, m.Value); err != nil {
			t.Errorf("%q: %v", m, err)
		}
	}
	if c.Get("name") != "b" || c.Get("none") != "" || len(c.Meta()) != 4 {
		t.Errorf("properties %q", c.Meta())
	}
	for _, m := range []Meta{{"", "x"}, {"a b", "x"}, {"ä", "x"}, {"a=", "x"}, {"a", "x\ny"}, {"a", "x\ry"}, {"a", "\x00"}, {"a", `'"`}, {"a", "\xff"}, {"long", strings.Repeat("x", 997)}} {
		if err := c.SetMeta(m.Name, m.Value); !errors.Is(err, ErrMeta) {
			t.Errorf("%q: %v", m, err)
		}
	}
	for i := len(c.Meta()); i < maxMeta; i++ {
		if err := c.SetMeta(fmt.Sprint("p", i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SetMeta("one-more", "x"); !errors.Is(err, ErrMeta) {
		t.Errorf("one more: %v", err)
	}
	back, err := Parse(c.text(true, time.Now()))
	if err != nil || !slices.Equal(back.Meta(), c.Meta()) {
		t.Errorf("read back: %v", err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.cert")
	c := fresh(t)
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{path: 0o600, path + SecretSuffix: 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); runtime.GOOS != "windows" && (got&0o600 != mode || name != path && got != mode) {
			t.Errorf("%s has the mode %v", name, got)
		}
	}
	for _, name := range []string{path, path + SecretSuffix} {
		back, err := Load(name)
		if err != nil || back.public != c.public || back.secret != c.secret {
			t.Errorf("%s: %v", name, err)
		}
		public, err := LoadPublic(name)
		if err != nil || public.public != c.public {
			t.Errorf("%s, the public key: %v", name, err)
		}
		if _, ok := public.Secret(); ok {
			t.Errorf("%s: LoadPublic gives the secret", name)
		}
		if err := public.Save(path + "2"); !errors.Is(err, ErrNoSecret) {
			t.Errorf("a certificate without a secret was saved: %v", err)
		}
	}
}

func TestSaveNeverOverwrites(t *testing.T) {
	for _, there := range []string{"", SecretSuffix} {
		folder := t.TempDir()
		path := filepath.Join(folder, "node")
		if err := os.WriteFile(path+there, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := fresh(t).Save(path); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path+there) {
			t.Errorf("%q: %v", there, err)
		}
		files, _ := os.ReadDir(folder)
		text, _ := os.ReadFile(path + there)
		if len(files) != 1 || string(text) != "mine" {
			t.Errorf("%q: %v, %q", there, files, text)
		}
	}
	folder := filepath.Join(t.TempDir(), "none")
	if err := fresh(t).Save(filepath.Join(folder, "node")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "the folder "+folder+" does not exist") {
		t.Errorf("no folder: %v", err)
	}
}

func TestLoadErrors(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string // by ending of the name
		load  string
		want  error
	}{
		{"nothing", nil, "", fs.ErrNotExist},
		{"the public one alone", map[string]string{"": publicOfCzmq}, "", ErrNoSecret},
		{"a public one named as secret", map[string]string{SecretSuffix: publicOfCzmq}, "", ErrNoSecret},
		{"the same by its whole name", map[string]string{SecretSuffix: publicOfCzmq}, SecretSuffix, ErrNoSecret},
		{"a secret of zeros", map[string]string{"": strings.Replace(ofCzmq, manualSecret, strings.Repeat("0", 40), 1)}, "", ErrNoSecret},
		{"junk", map[string]string{"": "junk"}, "", ErrFormat},
		{"junk as the secret one", map[string]string{"": publicOfCzmq, SecretSuffix: "junk"}, "", ErrFormat},
		{"junk beside the secret one", map[string]string{"": "junk", SecretSuffix: ofCzmq}, "", ErrFormat},
		{"keys of two pairs", map[string]string{"": strings.Replace(publicOfCzmq, manualPublic, strings.Repeat("1", 40), 1), SecretSuffix: ofCzmq}, "", ErrMismatch},
		{"the secret one alone", map[string]string{SecretSuffix: ofCzmq}, "", nil},
		{"both keys in one file", map[string]string{"": ofCzmq}, "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "node")
			for ending, text := range test.files {
				if err := os.WriteFile(path+ending, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Load(path + test.load)
			if !errors.Is(err, test.want) || err != nil && (test.want == nil || !strings.Contains(err.Error(), path)) {
				t.Errorf("%v, want %v and the path", err, test.want)
			}
		})
	}
	if _, err := Load(t.TempDir()); !errors.Is(err, ErrFormat) {
		t.Errorf("a folder: %v", err)
	}
}

// FuzzParse: what is read can be written and read again, if its properties can.
func FuzzParse(f *testing.F) {
	f.Add([]byte(ofCzmq))
	f.Add([]byte(publicOfCzmq))
	f.Add([]byte("metadata\n    a = '\"'\n" + publicOfCzmq))
	f.Add([]byte("curve\n\tpublic-key\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrMismatch) {
				t.Errorf("%v is no error of Parse", err)
			}
			return
		}
		for _, m := range c.meta {
			if writable(m.Name, m.Value) != nil {
				return
			}
		}
		_, secret := c.Secret()
		back, err := Parse(c.text(secret, time.Now()))
		if err != nil || back.public != c.public || back.secret != c.secret || !slices.Equal(back.meta, c.meta) {
			t.Errorf("%q became %+v, %v", text, back, err)
		}
	})
}
