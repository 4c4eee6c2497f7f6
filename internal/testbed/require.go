// Package testbed holds what the tests of several packages share: requirements of the machine, private network namespaces, and other
// implementations of ZRE driven by JSON lines.
package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Missing ends a test that lacks something of the machine: a tool, a peer, a privilege. It says so loudly. If the environment requires
// everything (ZRE_REQUIRE=all, as CI does) the test fails, otherwise it is skipped.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	what := fmt.Sprintf(format, args...)
	if os.Getenv("ZRE_REQUIRE") == "all" {
		t.Fatalf("MISSING: %s (ZRE_REQUIRE=all makes this a failure)", what)
	}
	fmt.Fprintf(os.Stderr, "\n*** MISSING: %s: %s did not run ***\n\n", what, t.Name())
	t.Skipf("MISSING: %s", what)
}

// Root returns the root folder of the source tree.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Python returns the interpreter that has pyzmq, pyre and ingescape, as `make peers` installs it.
func Python(t testing.TB) string {
	t.Helper()
	path := filepath.Join(Root(), ".cache", "peers", "venv", "bin", "python")
	if _, err := os.Stat(path); err != nil {
		Missing(t, "the Python peers (run `make peers`)")
	}
	return path
}
