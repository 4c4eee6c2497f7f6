package node

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestListen(t *testing.T) {
	t.Parallel()
	for endpoint, complaint := range map[string]string{
		"5671":                 "want tcp://",
		"udp://*:5671":         "want tcp://",
		"tcp://*":              "want tcp://",
		"tcp://*:0":            "want tcp://",
		"tcp://*:65536":        "want tcp://",
		"tcp://localhost:5671": `"localhost" is no IP address`,
	} {
		if _, err := New(Config{Listen: endpoint}); err == nil || !strings.Contains(err.Error(), complaint) || !strings.Contains(err.Error(), endpoint) {
			t.Errorf("%s: got %v, want an error with %q", endpoint, err, complaint)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	cfg := onLoopback(beaconPort(), Config{Listen: fmt.Sprintf("tcp://127.0.0.1:%d", port)})
	taken, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Start(t.Context()); err == nil || !strings.Contains(err.Error(), cfg.Listen) {
		t.Errorf("a port that is taken: %v", err)
	}
	free.Close()
	a := record(t, taken) // a failed start may be tried again
	if got := a.Endpoint(); got != cfg.Listen {
		t.Errorf("the node listens at %s", got)
	}
	b := start(t, onLoopback(cfg.BeaconPort, Config{Listen: fmt.Sprintf("tcp://*:%d", 30_000+port%1000)}))
	if e := b.waitKind(Enter, a.UUID()); e.Peer.Endpoint != cfg.Listen {
		t.Errorf("the peer is at %s", e.Peer.Endpoint)
	}
}
