package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/zre"
)

// runKeygen runs the command in a process of its own.
func runKeygen(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	cmd := process(t, append([]string{"keygen"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func TestKeygen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alice")
	status, out, errs := runKeygen(t, "--meta", "name=Alice = A.", path, "--meta=e-mail=")
	if status != 0 || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	c, err := zre.LoadCertificate(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Meta("name") != "Alice = A." || !strings.Contains(out, "\npublic key: "+c.PublicKey().String()+"\n") || !strings.Contains(out, path+"_secret: both keys") {
		t.Errorf("name %q, output %s", c.Meta("name"), out)
	}
	if runtime.GOOS != "windows" {
		if info, err := os.Stat(path + "_secret"); err != nil || info.Mode() != 0o600 {
			t.Errorf("the secret file: %v, %v", info.Mode(), err)
		}
	}
	secret, err := os.ReadFile(path + "_secret")
	if err != nil {
		t.Fatal(err)
	}
	if public, err := os.ReadFile(path); err != nil || bytes.Contains(public, []byte("secret-key")) || !bytes.Contains(secret, []byte("secret-key")) {
		t.Errorf("the public file: %v\n%s", err, public)
	}
}

func TestKeygenJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bob")
	status, out, errs := runKeygen(t, path, "--json")
	c, err := zre.LoadCertificate(path)
	if err != nil {
		t.Fatal(err)
	}
	var got keysResult
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != 0 || errs != "" || got != (keysResult{"certificate", c.PublicKey().String(), path, path + "_secret"}) {
		t.Errorf("got status %d, output %q, errors %q", status, out, errs)
	}
}

// TestKeygenErrors: the exit status, the error message, and that no new file appears.
func TestKeygenErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		there  string // an existing file
		args   []string
		status int
		want   string
	}{
		{"the public file exists", "alice", []string{"DIR/alice"}, 1, "zre keygen: cannot save the certificate: DIR/alice exists, and is not overwritten"},
		{"the secret file exists", "alice_secret", []string{"DIR/alice"}, 1, "DIR/alice_secret exists, and is not overwritten"},
		{"no folder", "", []string{"DIR/keys/alice"}, 1, "the folder DIR/keys does not exist"},
		{"a folder's name", "", []string{"DIR/"}, 1, `"DIR/" names no file`},
		{"a secret name", "", []string{"DIR/alice_secret"}, 1, "leave that end out"},
		{"a file for a folder", "alice", []string{"DIR/alice/bob"}, 1, "DIR/alice/bob"},
		{"no path", "", nil, 2, "PATH is missing; see zre keygen --help"},
		{"two paths", "", []string{"DIR/alice", "DIR/bob"}, 2, "unexpected argument"},
		{"no property", "", []string{"--meta", "Alice", "DIR/alice"}, 2, `--meta "Alice": want NAME=VALUE`},
		{"a bad property", "", []string{"--meta", "my name=Alice", "DIR/alice"}, 2, `--meta: property "my name"`},
		{"an unknown option", "", []string{"DIR/alice", "--force"}, 2, "-force"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if test.there != "" {
				if err := os.WriteFile(filepath.Join(dir, test.there), []byte("mine"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var args []string
			for _, arg := range test.args {
				args = append(args, strings.ReplaceAll(arg, "DIR", dir))
			}
			status, out, errs := runKeygen(t, args...)
			if status != test.status || out != "" || !strings.Contains(errs, strings.ReplaceAll(test.want, "DIR", dir)) || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, output %q, errors %q", status, out, errs)
			}
			files, err := os.ReadDir(dir)
			if err != nil || len(files) > 0 && (len(files) > 1 || files[0].Name() != test.there) {
				t.Errorf("files %v, %v", files, err)
			}
			if text, _ := os.ReadFile(filepath.Join(dir, test.there)); test.there != "" && string(text) != "mine" {
				t.Errorf("%s was overwritten", test.there)
			}
		})
	}
}

func TestKeygenHelp(t *testing.T) {
	if status, out, errs := runKeygen(t, "--help"); status != 0 || errs != "" || !strings.Contains(out, "PATH_secret") || !strings.Contains(out, "--meta NAME=VALUE") {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
}
