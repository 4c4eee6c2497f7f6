package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The script that installs packages for the tests asks first, and leaves out what would upgrade other packages, except in CI.
func TestDebian(t *testing.T) {
	t.Parallel()
	const (
		missing = "gcc libc6-dev libczmq-dev libzmq3-dev python3-venv" // of the commands that the test has made up, and its folders
		fits    = "gcc libc6-dev libzmq3-dev python3-venv"
	)
	for name, c := range map[string]struct {
		args, env []string
		nonRoot   bool
		complete  bool
		fails     bool
		installs  string // "" for nothing
		says      []string
	}{
		"nothing is missing":   {complete: true},
		"no terminal":          {fails: true, says: []string{"Need to get 99 MB", "--yes does it", "libczmq-dev is left out, since it would upgrade what is there: libsystemd0 systemd"}},
		"yes":                  {args: []string{"--yes"}, fails: true, installs: fits, says: []string{"libczmq-dev is left out"}},
		"everything is wanted": {env: []string{"ZRE_REQUIRE=all"}, installs: missing},
		"not root":             {nonRoot: true, fails: true, says: []string{"missing: gcc", "apt-get install gcc"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			command := func(name, body string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, tool := range []string{"sh", "sed", "tr", "grep"} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, filepath.Join(dir, tool)); err != nil {
					t.Fatal(err)
				}
			}
			for _, tool := range []string{"ip", "nft", "unshare", "npm", "git", "tmux", "tshark", "chromium", "zsh"} {
				command(tool, "exit 0")
			}
			command("python3", "exit 1") // it has no venv
			command("id", "echo 0")
			if c.nonRoot {
				command("id", "echo 1000")
			}
			if c.complete {
				command("python3", "exit 0")
				command("gcc", "exit 0")
				include := filepath.Join(dir, "usr/include")
				if err := os.MkdirAll(include, 0o755); err != nil {
					t.Fatal(err)
				}
				for _, header := range []string{"czmq.h", "zmq.h"} {
					if err := os.WriteFile(filepath.Join(include, header), nil, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			log := filepath.Join(dir, "log")
			command("apt-get", `case "$*" in
*--simulate*libczmq-dev*) echo "Inst libsystemd0 [252.1] (252.2 Debian)"; echo "Inst systemd [252.1] (252.2 Debian)"; echo "Inst libczmq-dev (4.2 Debian)" ;;
*--simulate*) echo "Inst some (1.0 Debian)" ;;
*--assume-no*) echo "Need to get 99 MB of archives."; exit 1 ;;
install*) echo "$*" >>'`+log+`' ;;
esac`)
			run := exec.Command("sh", append([]string{"../../testdata/peers/debian.sh"}, c.args...)...)
			run.Env = append([]string{"PATH=" + dir, "DEBIAN_ROOT=" + dir}, c.env...)
			out, err := run.CombinedOutput()
			if failed := err != nil; failed != c.fails {
				t.Errorf("the script failed: %t, want %t\n%s", failed, c.fails, out)
			}
			for _, want := range c.says {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
			installed, _ := os.ReadFile(log)
			_, packages, _ := strings.Cut(strings.TrimSpace(string(installed)), "--no-install-recommends ")
			if packages != c.installs {
				t.Errorf("it installs %q, want %q\n%s", packages, c.installs, out)
			}
		})
	}
}
