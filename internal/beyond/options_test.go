//go:build linux

package beyond

import (
	"strconv"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// fails runs zre pipe, which must end with a status, and say all these words.
func fails(t *testing.T, h *testbed.Host, status int, words []string, args ...string) {
	t.Helper()
	r := testbed.Run(t, h, append([]string{"pipe"}, args...)...)
	if r.Status != status {
		t.Errorf("zre pipe %q ended with status %d, want %d: %s", args, r.Status, status, r.Stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.Stderr, word) {
			t.Errorf("zre pipe %q says nothing of %q: %s", args, word, r.Stderr)
		}
	}
	if r.Stdout != "" || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("zre pipe %q: want one line of error, got %q and %q", args, r.Stdout, r.Stderr)
	}
}

// Each wrong value is an error that tells which, before the node is seen by anybody.
func TestWrongOptions(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	h := lan.Host("a")
	start(t, h, testbed.Zre, listening("taken", "--gossip-bind", "tcp://*:"+hub))
	for option, values := range map[string][]string{
		"listen":         {"", "5671", "tcp://*", "tcp://*:0x", "tcp://*:65536", "udp://*:5671", "tcp://robot:5671"},
		"advertise":      {"", "203.0.113.7:5671", "tcp://203.0.113.7", "tcp://203.0.113.7:0", "tcp://0.0.0.0:5671", "tcp://*:5671", "tcp://a b:5671"},
		"peer":           {"", "robot", "robot:5671", "tcp://robot", "tcp://:5671", "tcp://robot:0", "tcp://robot:99999", "tcp://239.1.2.3:5671", "tcp://[::1:5671", "ipc://robot"},
		"srv":            {"", "robots..example", "10.0.0.1", "_zre._tcp", "robots-.example"},
		"resolver":       {"", "10.0.0.2:", "10.0.0.2:0", "10.0.0.2:99999", "udp://10.0.0.2", "tcp://"},
		"gossip-bind":    {"", "5672", "tcp://*:0", "tcp://*", "tcp://hub:5672"},
		"gossip-connect": {"", "hub:5672", "tcp://hub", "tcp://*:5672", "tcp://hub:0"},
		"ttl":            {"", "0", "-1", "256", "far"},
		"group-address":  {"", "10.0.0.1", "239.255.90", "ff02::1", "everybody"},
	} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			for _, value := range values {
				fails(t, h, 2, []string{strconv.Quote(value), "-" + option, "--help"}, "--"+option, value)
			}
		})
	}
	// What only the start shows.
	for _, test := range []struct{ name, option, value, word string }{
		{"listen at an address that is not here", "listen", "tcp://192.0.2.1:5671", "192.0.2.1"},
		{"listen where another does", "listen", "tcp://*:" + port, port},
		{"gossip-bind where another does", "gossip-bind", "tcp://*:" + hub, "tcp://*:" + hub},
		{"gossip-bind at an address that is not here", "gossip-bind", "tcp://192.0.2.1:5672", "tcp://192.0.2.1:5672"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fails(t, h, 1, []string{test.word}, "--"+test.option, test.value)
		})
	}
}
