package cert

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/internal/z85"
)

// czmq runs testdata/czmq.py and returns the lines it prints.
func czmq(t *testing.T, args ...string) []string {
	t.Helper()
	command := exec.Command(testbed.Python(t), append([]string{"testdata/czmq.py"}, args...)...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("czmq.py %q: %v", args, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

var properties = []Meta{{"name", "Alice #1 = 'x'"}, {"e-mail", ""}, {"organ/ization", "Käfer & Söhne\t!"}}

// TestFromCzmq checks that we read what czmq saves.
func TestFromCzmq(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alice")
	args := []string{"make", path}
	for _, m := range properties {
		args = append(args, m.Name, m.Value)
	}
	czmq(t, args...)
	shown := czmq(t, "show", path)
	for _, name := range []string{path, path + SecretSuffix} {
		c, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if secret, ok := c.Secret(); !ok || z85.Encode(secret[:]) != shown[1] || z85.Encode(c.public[:]) != shown[0] {
			t.Errorf("%s: other keys than czmq's", name)
		}
		for _, m := range properties {
			if got := c.Get(m.Name); got != m.Value {
				t.Errorf("%s: %s is %q", name, m.Name, got)
			}
		}
	}
	store, err := OpenStore(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if key, _ := z85.Key(shown[0]); store.Lookup(key).Get("name") != properties[0].Value {
		t.Error("the folder does not have it")
	}
}

// TestToCzmq checks that czmq reads what we save, as a certificate and in a folder.
func TestToCzmq(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bob")
	c := fresh(t)
	want := []string{z85.Encode(c.public[:]), z85.Encode(c.secret[:])}
	args := []string{"show", path}
	for _, m := range append([]Meta{{"motto", `"so be it"`}}, properties...) {
		if err := c.SetMeta(m.Name, m.Value); err != nil {
			t.Fatal(err)
		}
		want, args = append(want, m.Value), append(args, m.Name)
	}
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	if got := czmq(t, args...); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("czmq reads %q", got)
	}
	if got := czmq(t, "find", filepath.Dir(path), want[0]); got[0] != want[0] {
		t.Errorf("czmq finds %q", got)
	}
}
