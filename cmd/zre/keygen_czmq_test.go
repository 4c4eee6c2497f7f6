package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/zre"
)

// czmq runs czmq's own code and returns its output.
func czmq(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command(testbed.Python(t), append([]string{"../../internal/cert/testdata/czmq.py"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("czmq.py %q: %v", args, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TestKeygenForCzmq: czmq loads the certificates of zre keygen, and its zauth accepts them from a folder of public files.
func TestKeygenForCzmq(t *testing.T) {
	dir, keys := t.TempDir(), t.TempDir()
	for _, name := range []string{"alice", "bob"} {
		if status, _, errs := runKeygen(t, "--meta", "name="+name, filepath.Join(dir, name)); status != 0 {
			t.Fatal(errs)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keys, "alice"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := zre.LoadCertificate(filepath.Join(dir, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	if shown := czmq(t, "show", filepath.Join(dir, "alice"), "name"); shown[0] != c.PublicKey().String() || shown[2] != "alice" {
		t.Errorf("czmq reads %q", shown)
	}
	if judged := czmq(t, "auth", keys, filepath.Join(dir, "alice"), filepath.Join(dir, "bob"), filepath.Join(dir, "alice_secret")); strings.Join(judged, " ") != "in out in" {
		t.Errorf("zauth: alice, bob, alice: %q", judged)
	}
}

// TestCertificatesOfCzmq: zre loads certificates of czmq's zcert_save (used by zmakecert) and accepts them from a folder.
func TestCertificatesOfCzmq(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "carol")
	czmq(t, "make", path, "name", "Carol")
	c, err := zre.LoadCertificate(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Meta("name") != "Carol" || c.PublicKey().String() != czmq(t, "show", path)[0] {
		t.Errorf("%v, name %q", c, c.Meta("name"))
	}
	allow, err := zre.AllowCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := allow(t.Context(), zre.Identity{PublicKey: c.PublicKey()}); err != nil {
		t.Error(err)
	}
}

// TestKeygenForPyzmq: zre keygen and pyzmq load each other's certificates. The names of pyzmq's files end in .key.
func TestKeygenForPyzmq(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "alice.key")
	if status, _, errs := runKeygen(t, path); status != 0 {
		t.Fatal(errs)
	}
	const program = `import sys, zmq.auth
zmq.auth.create_certificates(sys.argv[1], "bob", {"name": "Bob"})
print(*(k.decode() for k in zmq.auth.load_certificate(sys.argv[1] + "/alice.key_secret")))
print(*(k.decode() for k in zmq.auth.load_certificates(sys.argv[1])))`
	out, err := exec.Command(testbed.Python(t), "-c", program, dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	alice, err := zre.LoadCertificate(path)
	if err != nil {
		t.Fatal(err)
	}
	bob, err := zre.LoadCertificate(filepath.Join(dir, "bob.key"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if !strings.HasPrefix(lines[0], alice.String()+" ") || !strings.Contains(lines[1], alice.String()) || !strings.Contains(lines[1], bob.String()) || bob.Meta("name") != "Bob" {
		t.Errorf("alice %v, bob %v (%s), pyzmq %q", alice, bob, bob.Meta("name"), lines)
	}
}
