package docs

import (
	"archive/zip"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// published is the version under which the checkout is published.
const published = "v0.9.0"

// publish makes a folder that serves the checkout as a release, so that commands with @latest in the pages use it. It returns the
// environment for the go command: no proxy and no checksum database is asked, and other modules come from this machine's cache.
func publish(t *testing.T) (env []string) {
	t.Helper()
	proxy := t.TempDir()
	versions := filepath.Join(proxy, filepath.FromSlash(ours), "@v")
	mod, err := os.ReadFile(filepath.Join(testbed.Root(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(versions, "list"), published+"\n")
	write(t, filepath.Join(versions, published+".info"), `{"Version":"`+published+`"}`)
	write(t, filepath.Join(versions, published+".mod"), string(mod))
	file, err := os.Create(filepath.Join(versions, published+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	archive := zip.NewWriter(file)
	for _, name := range moduleFiles(t) {
		text, err := os.ReadFile(filepath.Join(testbed.Root(), name))
		if os.IsNotExist(err) {
			continue // removed, not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		w, err := archive.Create(ours + "@" + published + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return []string{
		"GOPROXY=file://" + proxy + ",file://" + filepath.Join(goenv(t, "GOMODCACHE"), "cache", "download"),
		"GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=none", "GOWORK=off", "GOTOOLCHAIN=local",
		"GOMODCACHE=" + filepath.Join(t.TempDir(), "mod"), "GOFLAGS=-modcacherw -trimpath", // trimpath lets the build cache be reused
	}
}

// moduleFiles returns the files of the module: those in git, without nested modules.
func moduleFiles(t *testing.T) (list []string) {
	t.Helper()
	command := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	command.Dir = testbed.Root()
	out, err := command.Output()
	if err != nil {
		testbed.Missing(t, "a clone of the repository: git ls-files: %v", err)
	}
	names := strings.Fields(string(out))
	var others []string
	for _, name := range names {
		if dir := path.Dir(name); path.Base(name) == "go.mod" && dir != "." {
			others = append(others, dir+"/")
		}
	}
	for _, name := range names {
		own := true
		for _, other := range others {
			own = own && !strings.HasPrefix(name, other)
		}
		if own {
			list = append(list, name)
		}
	}
	return list
}
