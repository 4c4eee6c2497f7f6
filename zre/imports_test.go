package zre_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The architecture as import rules: which of our packages each package may import, and which may import zmq4.
func TestImports(t *testing.T) {
	const module = "github.com/go-zre/go-zre/"
	allowed := map[string][]string{
		"msg":                  {},
		"beacon":               {},
		"internal/memory":      {},
		"internal/curve":       {"internal/salsa"},
		"internal/salsa":       {},
		"internal/cert":        {"internal/z85"},
		"internal/election":    {},
		"internal/keyfiles":    {"zre"},
		"internal/z85":         {},
		"internal/traffic":     {},
		"internal/termtext":    {},
		"internal/manual":      {"zre", "internal/termtext"},
		"internal/netmap":      {"zre", "internal/termtext"},
		"internal/zmtp":        {"internal/curve", "internal/memory"},
		"internal/libzmq":      {"internal/zmtp"},
		"internal/ipc":         {},
		"internal/gossip":      {"internal/zmtp"},
		"internal/srv":         {},
		"internal/outbox":      {"msg", "internal/memory", "internal/zmtp", "internal/traffic"},
		"internal/eventqueue":  {"beacon", "internal/cert", "internal/memory", "internal/traffic"},
		"internal/paths":       {"beacon"},
		"internal/discovery":   {"internal/cert", "internal/gossip", "internal/paths", "internal/srv", "internal/zmtp"},
		"node":                 {"beacon", "msg", "internal/cert", "internal/curve", "internal/eventqueue", "internal/memory", "internal/zmtp", "internal/election", "internal/ipc", "internal/outbox", "internal/paths", "internal/discovery", "internal/srv", "internal/request", "internal/traffic"},
		"internal/request":     {},
		"internal/doctor":      {"zre", "beacon", "internal/curve", "internal/srv", "internal/zmtp", "internal/termtext"},
		"zre":                  {"node", "beacon", "internal/cert", "internal/memory"},
		"zre/zretest":          {"zre", "beacon", "msg", "internal/libzmq"},
		"cmd/zre":              {"zre", "internal/bench", "internal/doctor", "internal/keyfiles", "internal/manual", "internal/netmap", "internal/termtext", "internal/sniff"},
		"cmd/zrechat":          {"zre", "internal/keyfiles", "internal/manual", "internal/termtext"},
		"zre/zreprom":          {"zre"},
		"internal/sniff":       {"beacon", "msg", "internal/termtext"},
		"internal/testbed":     {},
		"internal/bench":       {"zre"},
		"internal/conformance": {"zre", "beacon", "msg", "internal/libzmq", "internal/zmtp"},

		"internal/bench/harness": {"zre", "msg", "internal/bench", "internal/curve", "internal/testbed", "internal/zmtp"},
		"examples/chat":          {"zre"},
		"examples/file":          {"zre"},
		"examples/leader":        {"zre"},
		"examples/partition":     {"zre"},
		"examples/queue":         {"zre"},
		"examples/request":       {"zre"},
		"examples/secure":        {"zre"},
		"examples/sensor":        {"zre"},
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name := strings.TrimPrefix(fields[0], module)
		may, known := allowed[name]
		if known {
			found++
		} else if len(fields) > 1 {
			t.Errorf("package %s is in no room: add it here and to docs/architecture.md", name)
		}
		for _, path := range fields[1:] {
			if room, ours := strings.CutPrefix(path, module); ours && !slices.Contains(may, room) {
				t.Errorf("%s must not import %s", name, room)
			}
			if strings.Contains(path, "zmq4") && name != "internal/zmtp" && name != "internal/bench/harness" {
				t.Errorf("%s imports %s: internal/zmtp alone may, and what measures zmq4", name, path)
			}
		}
	}
	if found != len(allowed) {
		t.Errorf("%d packages found, %d expected:\n%s", found, len(allowed), out)
	}
}
