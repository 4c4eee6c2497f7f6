// Package deploy has the files that bring the tool to machines: for packages, for a container image, and for three nodes in containers. Its
// tests check that they fit the source tree.
package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/go-zre/go-zre/internal/testbed"
)

const top = ".."

// load reads a YAML file. A duplicate key is an error.
func load(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// exists tells whether a path of the source tree, or a pattern of paths, exists.
func exists(pattern string) bool {
	found, err := filepath.Glob(filepath.Join(top, pattern))
	return err == nil && len(found) > 0
}

// release is the folder of the files that files.sh makes.
const release = ".cache/release"

// releaseConfig is the tested part of .goreleaser.yaml. `make packages` lets goreleaser itself check the rest.
type releaseConfig struct {
	Version int
	Before  struct{ Hooks []string }
	Builds  []struct {
		ID, Main, Binary           string
		Env, Goos, Goarch, Ldflags []string
	}
	Archives []struct{ Files []any }
	Nfpms    []struct {
		Formats  []string
		Contents []struct{ Src, Dst, Packager string }
	}
}

// Everything that .goreleaser.yaml names exists: programs, files, and the variable that holds the version.
func TestRelease(t *testing.T) {
	var config releaseConfig
	load(t, top+"/.goreleaser.yaml", &config)
	if config.Version != 2 || len(config.Builds) != 2 || len(config.Nfpms) != 1 || len(config.Archives) != 1 {
		t.Fatalf("%+v", config)
	}
	if want := []string{"sh deploy/files.sh " + release + " v{{ .Version }}"}; !slices.Equal(config.Before.Hooks, want) {
		t.Errorf("hooks %q, want %q", config.Before.Hooks, want)
	}
	for _, b := range config.Builds {
		if !exists(b.Main+"/main.go") || filepath.Base(b.Main) != b.Binary || !slices.Contains(b.Env, "CGO_ENABLED=0") {
			t.Errorf("build %+v", b)
		}
		checkFlags(t, strings.Join(b.Ldflags, " "))
	}
	made := makeFiles(t)
	check := func(src string) {
		t.Helper()
		if pattern, ok := strings.CutPrefix(src, release); ok {
			if found, err := filepath.Glob(made + pattern); err != nil || len(found) == 0 {
				t.Errorf("files.sh makes no %s", src)
			}
		} else if !exists(src) {
			t.Errorf("there is no %s", src)
		}
	}
	for _, file := range config.Archives[0].Files {
		if m, ok := file.(map[string]any); ok {
			file = m["src"]
		}
		check(file.(string))
	}
	for _, c := range config.Nfpms[0].Contents {
		check(c.Src)
		if !strings.HasPrefix(c.Dst, "/usr/share/") {
			t.Errorf("%s goes to %s", c.Src, c.Dst)
		}
	}
}

// checkFlags checks that the variable which a build sets exists: the linker ignores unknown ones.
func checkFlags(t *testing.T, flags string) {
	t.Helper()
	path, _, ok := strings.Cut(strings.TrimPrefix(flags, "-s -w -X "), "=")
	if !ok || path != "github.com/go-zre/go-zre/zre.version" {
		t.Errorf("%q sets %q", flags, path)
	}
	text, err := os.ReadFile(top + "/zre/version.go")
	if err != nil || !bytes.Contains(text, []byte("\nvar version string\n")) {
		t.Errorf("zre/version.go has no such variable (%v)", err)
	}
}

// makeFiles runs files.sh and returns the folder of its files.
func makeFiles(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"sh", "gzip"} {
		if _, err := exec.LookPath(tool); err != nil {
			testbed.Missing(t, "the tool %s", tool)
		}
	}
	dir := t.TempDir()
	cmd := exec.Command("sh", "files.sh", dir, "v1.2.3-test")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("files.sh: %v\n%s", err, out)
	}
	for _, name := range []string{"zre-pipe", "zrechat"} {
		page, err := exec.Command("gzip", "-dc", dir+"/man/"+name+".1.gz").Output()
		if err != nil || !bytes.Contains(page, []byte(`go\-zre v1.2.3\-test`)) {
			t.Errorf("the man page of %s has another version: %v, %.100q", name, err, page)
		}
	}
	return dir
}

// service is a service in compose.yaml.
type service struct {
	Image, Build string
	Command      []string
	StdinOpen    bool `yaml:"stdin_open"`
	Networks     []string
}

func services(t *testing.T) map[string]service {
	t.Helper()
	var file struct {
		Services map[string]service
		Networks map[string]any
	}
	load(t, "compose.yaml", &file)
	for name, s := range file.Services {
		if s.Build != ".." || len(s.Networks) != 1 {
			t.Errorf("%s: %+v", name, s)
		}
		for _, network := range s.Networks {
			if _, ok := file.Networks[network]; !ok {
				t.Errorf("%s: there is no network %s", name, network)
			}
		}
		if pipe := len(s.Command) > 0 && s.Command[0] == "pipe"; pipe != s.StdinOpen { // zre pipe ends with its input
			t.Errorf("%s: stdin_open is %v for %q", name, s.StdinOpen, s.Command)
		}
	}
	return file.Services
}

func TestCompose(t *testing.T) {
	if list := services(t); len(list) != 3 {
		t.Errorf("%d services", len(list))
	}
	if !exists("Dockerfile") {
		t.Error("there is no Dockerfile")
	}
}

// The image contains static programs, does not run as root, and is built with the Go version of go.mod.
func TestDockerfile(t *testing.T) {
	stages := dockerfile(t)
	if len(stages) != 2 || stages[1].from != "scratch" {
		t.Fatalf("stages %+v", stages)
	}
	mod, err := os.ReadFile(top + "/go.mod")
	if err != nil || !bytes.Contains(mod, []byte("\ngo "+strings.TrimPrefix(stages[0].from, "golang:"))) {
		t.Errorf("the image is built by %s, go.mod has another version (%v)", stages[0].from, err)
	}
	build := stages[0].steps[len(stages[0].steps)-1]
	_, flags, _ := strings.Cut(build.rest, `-ldflags "`)
	checkFlags(t, flags)
	if !strings.Contains(build.rest, "CGO_ENABLED=0") {
		t.Errorf("not static: %s", build.rest)
	}
	last := make(map[string]string)
	for _, s := range stages[1].steps {
		last[s.word] = s.rest
	}
	if user, _, _ := strings.Cut(last["USER"], ":"); user == "" || user == "0" || user == "root" {
		t.Errorf("USER %q", last["USER"])
	}
	for word, want := range map[string]string{"ENTRYPOINT": `["zre"]`, "CMD": `["--help"]`, "ENV": "PATH=/usr/local/bin"} {
		if last[word] != want {
			t.Errorf("%s %s, want %s", word, last[word], want)
		}
	}
}

// stage is a stage of the Dockerfile.
type stage struct {
	from, name string
	steps      []step
}

// step is a line of a stage.
type step struct{ word, rest string }

func dockerfile(t *testing.T) (stages []stage) {
	t.Helper()
	text, err := os.ReadFile(top + "/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if word == "FROM" {
			from, name, _ := strings.Cut(rest, " AS ")
			stages = append(stages, stage{from: from, name: name})
		} else {
			s := &stages[len(stages)-1]
			s.steps = append(s.steps, step{word, rest})
		}
	}
	return stages
}
