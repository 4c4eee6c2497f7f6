//go:build linux

// Package python has the tests of the Python module run by go test.
package python

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// In namespaces of their own: no beacon leaves the machine.
func TestMain(m *testing.M) { testbed.Main(m) }

func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		testbed.Missing(t, "python3")
	}
	if err := exec.Command(python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))").Run(); err != nil {
		testbed.Missing(t, "python3 of 3.11 or later, for the tests of clients/python")
	}
	testbed.NewLAN(t, "") // says so where there are no namespaces
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-m", "unittest", "discover", "-s", "tests", "-v")
	cmd.Env = append(os.Environ(), "ZRE_TOOL="+testbed.ZreTool(t), "PYTHONPATH=src", "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
