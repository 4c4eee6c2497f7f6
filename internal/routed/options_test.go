//go:build linux

package routed

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// fails runs zre pipe, which must end with a status, and print all these words.
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

// Each wrong value is an error that says which, before any other node sees this one.
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
		"interface":      {"", "!", "[", "300.1.2.3", "10.0.0.0/99", "fe80::1%"},
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
	// Errors that only show at the start.
	for _, test := range []struct{ name, option, value, word string }{
		{"listen where another does", "listen", "tcp://*:" + port, port},
		{"gossip-bind where another does", "gossip-bind", "tcp://*:" + hub, "tcp://*:" + hub},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fails(t, h, 1, []string{test.word}, "--"+test.option, test.value)
		})
	}
}

// A node waits for a listen address that does not exist yet: it may come, for example by DHCP. The node reports that meanwhile.
func TestListensLater(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	a, b := lan.Host("a"), lan.Host("b")
	address := lan.Address()
	mailbox, gossip := "tcp://"+address.Addr().String()+":"+port, "tcp://"+address.Addr().String()+":"+hub
	late := start(t, a, testbed.Zre, testbed.Options{Name: "late", Args: []string{"--no-beacons", "--listen", mailbox, "--gossip-bind", gossip}})
	for _, about := range []string{mailbox, gossip} {
		late.Wait(t, "a problem of "+about, func(e testbed.Event) bool {
			return e.Event == "problem" && e.Kind == "not accepting" && e.About == about && !e.Solved
		})
	}
	other := start(t, b, testbed.Zre, testbed.Options{Name: "other", Args: []string{"--peer", mailbox}})
	a.AddAddress(address)
	began := time.Now()
	enter := other.Wait(t, "ENTER", testbed.Is("enter", late))
	if enter.Endpoint != mailbox {
		t.Errorf("it is at %s, want %s", enter.Endpoint, mailbox)
	}
	if took := time.Since(began); took > 7*time.Second { // the other one tries every 5 s at last, and it started not long ago
		t.Errorf("met after %v", took)
	}
	late.Wait(t, "the end of the problem", func(e testbed.Event) bool { return e.Event == "problem" && e.About == mailbox && e.Solved })
}
