package beacon

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// TestSandboxedInterfaces: without netlink the same interfaces and addresses are found.
func TestSandboxedInterfaces(t *testing.T) {
	t.Parallel()
	host := testbed.NewLAN(t, "").Host("sandbox")
	host.AwaitCarrier()
	run(t, host, "ip", "addr", "add", "10.9.8.7/20", "broadcast", "+", "dev", host.Interface)
	run(t, host, "ip", "addr", "add", "10.77.200.1/32", "dev", host.Interface, "label", host.Interface+":one")
	run(t, host, "ip", "addr", "add", "fd00::7/64", "dev", host.Interface, "nodad")
	run(t, host, "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
	run(t, host, "ip", "addr", "add", "192.168.99.1/30", "dev", "v0") // which stays down
	host.LinkLocal()

	list := func(sandboxed bool) (lines []string) {
		t.Helper()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		command := host.Command
		if sandboxed {
			command = host.Sandboxed
		}
		cmd := command(self)
		cmd.Env = append(cmd.Env, childList+"=1")
		out, err := cmd.Output()
		if err == nil {
			err = json.Unmarshal(out, &lines)
		}
		if err != nil {
			t.Fatalf("sandboxed %v: %v: %s", sandboxed, err, out)
		}
		return lines
	}
	want := list(false)
	if len(want) != 4 {
		t.Errorf("there are %q", want)
	}
	equal(t, "in a sandbox", list(true), want)
}
