package examples_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

var names = []string{"chat", "file", "leader", "partition", "queue", "request", "secure", "sensor"}

// outside copies the examples to a module of their own, as a user has one who copies them, and returns its folder. It needs no network, as
// all modules that are needed have been downloaded to build this test.
func outside(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, examples(t)); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(testbed.Root(), "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	mod := fmt.Sprintf("module example.org/examples\n\ngo 1.26.0\n\nrequire github.com/go-zre/go-zre v0.0.0\n\nreplace github.com/go-zre/go-zre => %q\n", testbed.Root())
	for name, content := range map[string]string{"go.mod": mod, "go.sum": string(sums)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// examples are the files of the examples, without those of this test.
func examples(t *testing.T) fs.FS {
	t.Helper()
	root := os.DirFS(filepath.Join(testbed.Root(), "examples"))
	entries, err := fs.ReadDir(root, ".")
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, entry := range entries {
		if entry.IsDir() {
			found = append(found, entry.Name())
			if _, err := fs.Stat(root, entry.Name()+"/README.md"); err != nil {
				t.Error(err)
			}
		}
	}
	if !slices.Equal(found, names) {
		t.Errorf("the examples are %q, want %q", found, names)
	}
	return foldersOnly{root}
}

// foldersOnly hides the files that are in no folder.
type foldersOnly struct{ fs.FS }

func (f foldersOnly) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	if name == "." {
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() })
	}
	return entries, err
}

// inModule runs the go command in a module without a network.
func inModule(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "GOTOOLCHAIN=local")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s, in a module of its own: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// The examples work outside of this module, and so do their own tests.
func TestOutside(t *testing.T) {
	inModule(t, outside(t), "test", "-count=1", "./...")
}
