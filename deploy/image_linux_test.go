package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// The tests run in their own namespaces: no beacon leaves the machine, and no mount is visible outside.
func TestMain(m *testing.M) { testbed.Main(m) }

// The image is made from the Dockerfile without docker: its steps run in a copy of this machine's file system, whose Go stands for that of
// the base image. Its programs then run with only the image's file system, as its user, in three network namespaces, as in compose.yaml.
// They chat with a host beside them.
func TestImage(t *testing.T) {
	lan := testbed.NewLAN(t, "")
	image := buildImage(t)
	version, err := exec.Command(image.program(t), "--version").Output()
	if err != nil || !strings.HasPrefix(string(version), "zre v1.2.3-image, ") {
		t.Errorf("--version: %q, %v", version, err)
	}
	host := testbed.Start(t, lan.Host("host"), testbed.Zre, testbed.Options{Name: "host", Groups: []string{"CHAT"}})

	watched := make(map[string]*output)
	var nodes []*testbed.Peer
	t.Setenv("ZRE_TOOL", image.program(t))
	for name, s := range services(t) {
		if s.Command[0] == "pipe" {
			nodes = append(nodes, testbed.Start(t, lan.Host(name), testbed.Zre, testbed.Options{Args: s.Command[1:]}))
			continue
		}
		out := &output{more: make(chan struct{}, 1)}
		cmd := lan.Host(name).Command(image.program(t), s.Command...)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Cancel(); _ = cmd.Wait() })
		watched[name] = out
	}
	if len(nodes) != 2 || len(watched) != 1 {
		t.Fatalf("%d nodes, %d that watch", len(nodes), len(watched))
	}
	nodes = append(nodes, host)
	for _, node := range nodes {
		for _, other := range nodes {
			if other != node {
				node.Wait(t, other.Name+" in the group", testbed.InGroup("join", other, "CHAT"))
			}
		}
		for name, out := range watched {
			node.Wait(t, name, func(e testbed.Event) bool { return e.Event == "join" && e.Name == name && e.Group == "CHAT" })
			out.wait(t, node.Name)
		}
	}
	for _, node := range nodes {
		text := "hello from " + node.Name
		node.Shout(t, "CHAT", []byte(text))
		for _, other := range nodes {
			if other != node {
				other.Wait(t, text, testbed.Shout(node, "CHAT", []byte(text)))
			}
		}
		for _, out := range watched {
			out.wait(t, text)
		}
	}
	for _, node := range nodes[:2] {
		node.Quit(t)
		host.Wait(t, "the farewell", func(e testbed.Event) bool { return e.Event == "exit" && e.Name == node.Name && e.Reason == "left" })
	}
}

// image is the result of the Dockerfile.
type image struct {
	root            string
	user            string
	env, entrypoint []string
}

// program writes a script that runs the image's program with only the image's file system.
func (i *image) program(t *testing.T) string {
	t.Helper()
	chroot, err := exec.LookPath("chroot")
	if err != nil {
		testbed.Missing(t, "the tool chroot")
	}
	words := slices.Concat([]string{"exec", "env", "-i"}, i.env, []string{chroot, "--userspec=" + i.user, i.root}, i.entrypoint, []string{`"$@"`})
	path := filepath.Join(t.TempDir(), "zre")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Join(words, " ")+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func buildImage(t *testing.T) *image {
	t.Helper()
	if os.Getuid() != 0 {
		testbed.Missing(t, "root, for chroot")
	}
	stages := dockerfile(t)
	base := newRoot(t)
	run(t, &stages[0], base, nil)
	i := &image{root: t.TempDir()}
	if err := os.Chmod(i.root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, s := range run(t, &stages[1], i.root, map[string]string{"--from=" + stages[0].name: base}) {
		switch s.word {
		case "USER":
			i.user = s.rest
		case "ENV":
			i.env = append(i.env, s.rest)
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(s.rest), &i.entrypoint); err != nil {
				t.Fatalf("ENTRYPOINT: %v", err)
			}
		}
	}
	err := filepath.WalkDir(i.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Logf("in the image: %s", strings.TrimPrefix(path, i.root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// newRoot makes a file system that is a copy of this machine's.
func newRoot(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	mount := func(source, target, kind string, flags uintptr, data string) {
		t.Helper()
		if err := syscall.Mount(source, target, kind, flags, data); err != nil {
			testbed.Missing(t, "an overlay file system, for the image (%s: %v)", target, err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(target, syscall.MNT_DETACH) })
	}
	mount("image", dir, "tmpfs", 0, "mode=755")
	for _, name := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(dir, "root")
	mount("image", root, "overlay", 0, fmt.Sprintf("lowerdir=/,upperdir=%s/upper,workdir=%s/work", dir, dir))
	out, err := exec.Command("go", "env", "GOMODCACHE", "GOCACHE").Output() // used in place, not copied
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(strings.Fields(string(out)), "/dev", "/proc") {
		mount(path, root+path, "", syscall.MS_BIND|syscall.MS_REC, "")
	}
	return root
}

// run executes the steps of a stage in a file system, and returns those that do not change it.
func run(t *testing.T, s *stage, root string, from map[string]string) (rest []step) {
	t.Helper()
	folder := "/"
	for _, step := range s.steps {
		words := strings.Fields(step.rest)
		switch step.word {
		case "WORKDIR":
			folder = step.rest
			if err := os.MkdirAll(root+folder, 0o755); err != nil {
				t.Fatal(err)
			}
		case "COPY":
			target := words[len(words)-1]
			if !filepath.IsAbs(target) {
				target = filepath.Join(folder, target) + "/"
			}
			if source, ok := from[words[0]]; ok {
				command(t, "cp", "-a", source+words[1]+".", root+target)
			} else {
				copyIn(t, words[:len(words)-1], root+target)
			}
		case "RUN":
			command(t, "chroot", root, "sh", "-c", "cd "+folder+" && export PATH=$PATH:/usr/local/go/bin VERSION=v1.2.3-image && "+step.rest)
		case "ARG":
		default:
			rest = append(rest, step)
		}
	}
	return rest
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// copyIn copies files and folders of the source tree, except those that .dockerignore names.
func copyIn(t *testing.T, sources []string, target string) {
	t.Helper()
	ignored, err := os.ReadFile(filepath.Join(top, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-C", top}
	for line := range strings.Lines(string(ignored)) {
		line = strings.TrimSpace(line)
		if suffix, ok := strings.CutPrefix(line, "**/"); ok {
			args = append(args, "--exclude="+suffix)
		} else if line != "" && line[0] != '#' {
			args = append(args, "--exclude=./"+line)
		}
	}
	into := target
	if !strings.HasSuffix(target, "/") { // a file under another name
		into = filepath.Dir(target)
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		t.Fatal(err)
	}
	if into != target {
		command(t, "cp", filepath.Join(top, sources[0]), target)
		return
	}
	for i, source := range sources {
		sources[i] = "./" + source
	}
	list := exec.CommandContext(t.Context(), "tar", slices.Concat(args, []string{"-c"}, sources)...)
	archive, err := list.Output()
	if err != nil {
		t.Fatalf("tar: %v", err)
	}
	unpack := exec.CommandContext(t.Context(), "tar", "-C", into, "-x")
	unpack.Stdin = bytes.NewReader(archive)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
}
