package doctor

import (
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// mailboxPort is the port of peers that others know by their endpoint.
const mailboxPort = "5671"

// beyond starts a peer that can be known by its endpoint, and returns both.
func beyond(t *testing.T, h *testbed.Host, kind testbed.Kind) (*testbed.Peer, string) {
	t.Helper()
	at := "tcp://" + h.Addr.String() + ":" + mailboxPort
	args := map[testbed.Kind][]string{testbed.Zre: {"--listen", "tcp://*:" + mailboxPort}, testbed.Zyre: {"--endpoint", at}}[kind]
	p := testbed.Start(t, h, kind, testbed.Options{Name: "alice", Args: args})
	if p.Endpoint != "" { // the others take any port
		at = p.Endpoint
	}
	return p, at
}

// Peers of all implementations in another subnet, which beacons do not reach.
func TestDoctorAcrossRouter(t *testing.T) {
	for _, kind := range []testbed.Kind{testbed.Zre, testbed.Zyre, testbed.Pyre, testbed.ZyreJS} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			near, far := testbed.NewLAN(t, ""), testbed.NewLAN(t, "")
			router := testbed.NewRouter(t, "router", near, far)
			here, there := near.Host("here"), far.Host("there")
			here.Via(router)
			there.Via(router)
			peer, at := beyond(t, there, kind)
			r := examine(t, here, "--peer", at)
			r.expect(t, "", "peer-unheard")
			if p := r.Peers[0]; !p.Entered || p.UUID.String() != peer.UUID || r.Nodes[0].Endpoint != at {
				t.Errorf("%+v, nodes %+v; want %s", p, r.Nodes, peer)
			}
			router.Forward(false)
			examine(t, here, "--peer", at, "--time", "1s").expect(t, "peer-silent", "")
		})
	}
}

// A path that carries less than its ends believe: if the router's ICMP error arrives all is well, otherwise large packets vanish.
func TestDoctorAndLargePackets(t *testing.T) {
	for _, kind := range []testbed.Kind{testbed.Zre, testbed.Zyre, testbed.Pyre, testbed.ZyreJS} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			near, far := testbed.NewLAN(t, ""), testbed.NewLAN(t, "")
			router := testbed.NewRouter(t, "router", near, far)
			here, there := near.Host("here"), far.Host("there")
			here.Via(router)
			there.Via(router)
			mustRun(t, router.Host, "ip", "link", "set", "dev", "eth1", "mtu", "1430")
			_, at := beyond(t, there, kind)
			filter(t, here, "-4", "blackhole", "iif", "eth0", "ipproto", "icmp")
			r := examine(t, here, "--peer", at)
			r.expect(t, "large-packets-lost", "peer-unheard")
			if l := r.Peers[0].Mailboxes[0].Large; l.Pass || l.Passed != 1420 || l.Lost != 1440 {
				t.Errorf("%+v", l)
			}
			mustRun(t, here, "ip", "-4", "rule", "del", "pref", "10")
			r = examine(t, here, "--peer", at)
			r.expect(t, "", "peer-unheard")
			if l := r.Peers[0].Mailboxes[0].Large; l == nil || !l.Pass || l.MTU != 1430 {
				t.Errorf("%+v", l)
			}
		})
	}
}

// No node can connect back to a machine behind a NAT that does not say which port leads to it.
func TestDoctorBehindNAT(t *testing.T) {
	for _, kind := range []testbed.Kind{testbed.Zre, testbed.Zyre} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			outside, inside := testbed.NewLAN(t, ""), testbed.NewLAN(t, "")
			router := testbed.NewRouter(t, "router", outside, inside)
			here, there := inside.Host("here"), outside.Host("there")
			here.Via(router)
			router.Masquerade(outside)
			mapped := "tcp://" + router.MapPort(outside, 6000, here, 5671).String()
			peer, at := beyond(t, there, kind)
			r := examine(t, here, "--peer", at, "--listen", "tcp://*:5671")
			r.expect(t, "peer-no-hello", "")
			if text := r.Problems[0].Text; !strings.Contains(text, "endpoint tcp://"+here.Addr.String()+":5671 (") {
				t.Error(text)
			}
			r = examine(t, here, "--peer", at, "--listen", "tcp://*:5671", "--advertise", mapped)
			r.expect(t, "", "peer-unheard")
			if p := r.Peers[0]; !p.Entered || p.UUID.String() != peer.UUID || r.Self.Advertised != mapped || r.Self.Port != 5671 {
				t.Errorf("%+v, self %+v; want %s", p, r.Self, peer)
			}
		})
	}
}

// A peer behind a NAT names an endpoint to which no path leads, and is met at the named one.
func TestDoctorAndPeerBehindNAT(t *testing.T) {
	for _, kind := range []testbed.Kind{testbed.Zre, testbed.Zyre} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			outside, inside := testbed.NewLAN(t, ""), testbed.NewLAN(t, "")
			router := testbed.NewRouter(t, "router", outside, inside)
			here, there := outside.Host("here"), inside.Host("there")
			there.Via(router)
			router.Masquerade(outside)
			mapped := "tcp://" + router.MapPort(outside, 6000, there, 5671).String()
			peer, _ := beyond(t, there, kind)
			r := examine(t, here, "--peer", mapped, "--time", "5s")
			r.expect(t, "", "peer-unheard")
			if p := r.Peers[0]; !p.Entered || p.UUID == nil || p.UUID.String() != peer.UUID {
				t.Errorf("%+v, nodes %+v; want %s", p, r.Nodes[0], peer)
			}
		})
	}
}
