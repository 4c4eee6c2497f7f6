package zre_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// These are the modules that a program must build to use package zre or to test with zretest, without those for commands, metrics or
// examples. Each additional module is one more for every user to trust: justify it in docs/architecture.md, "Modules".
func TestDependencies(t *testing.T) {
	const ours = "github.com/go-zre/go-zre"
	want := []string{
		"github.com/go-zeromq/zmq4",     // ZMTP greeting and handshake
		"github.com/google/uuid",        // in the API
		"github.com/mattn/go-colorable", // of zerolog
		"github.com/mattn/go-isatty",    // of zerolog
		"github.com/miekg/dns",          // SRV
		"github.com/rs/zerolog",         // in the API
		"golang.org/x/crypto",           // CURVE
		"golang.org/x/net",              // multicast
		"golang.org/x/sync",             // of zmq4
		"golang.org/x/sys",
		"golang.org/x/text", // of x/net
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, name := range []string{"zre", "zre/zretest"} {
			list := exec.Command("go", "list", "-deps", "-f", `{{with .Module}}{{.Path}}{{end}}`, ours+"/"+name)
			list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
			out, err := list.Output()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Fields(string(out))
			slices.Sort(got)
			for _, module := range slices.Compact(got) {
				if module != ours && !slices.Contains(want, module) {
					t.Errorf("%s needs %s on %s", name, module, system)
				}
			}
			if system != "linux" {
				continue
			}
			for _, module := range want {
				if !slices.Contains(got, module) {
					t.Errorf("%s does not need %s any more: take it off the list", name, module)
				}
			}
		}
	}
}

// The module requires no newer Go than the library needs. A dependency of a command that requires one would raise this line for every user.
func TestGoVersion(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "\ngo 1.26.0\n") || strings.Contains(string(mod), "\ntoolchain ") {
		t.Errorf("go.mod has another Go than 1.26.0:\n%.200s", mod)
	}
}
