package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
)

// The sources of peers can change while the node runs. A malformed one is an error.
func TestPipeSources(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "tcp://" + taken.Addr().String()
	taken.Close()
	a := startPipe(t, 12_000+rand.IntN(10_000), "--resolver", taken.Addr().String())
	a.next("ready")
	for _, c := range []struct{ verb, opposite, key, good, about, kind string }{
		{"add-peer", "remove-peer", "endpoint", endpoint, endpoint, "unreachable"},
		{"add-srv", "remove-srv", "domain", "robots.example", "_zre._tcp.robots.example", "DNS"},
		{"connect-gossip", "disconnect-gossip", "endpoint", endpoint, endpoint, "gossip"},
	} {
		for _, solved := range []bool{false, true} {
			verb := map[bool]string{false: c.verb, true: c.opposite}[solved]
			a.send(fmt.Sprintf(`{"cmd":%q,%q:%q}`, verb, c.key, "a b"))
			if e := a.next("error"); !strings.Contains(e["error"].(string), `"a b"`) {
				t.Errorf("%s: %v", verb, e)
			}
			a.send(fmt.Sprintf(`{"cmd":%q,%q:%q}`, verb, c.key, c.good))
			if p := a.next("problem"); p["kind"] != c.kind || p["about"] != c.about || p["solved"] != solved {
				t.Errorf("%s: %v", verb, p)
			}
		}
	}
	a.send(`{"cmd":"quit"}`)
	a.exits(0)
}
