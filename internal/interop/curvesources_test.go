//go:build linux

package interop

import (
	"strings"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// Nodes with CURVE that know each other in other ways than by beacons. A C zyre node that is given an endpoint sends no beacons.

const (
	mailboxPort = "5671"
	hubPort     = "5672"
)

// needsOptions skips a test that uses options that only our node has.
func needsOptions(t *testing.T) {
	t.Helper()
	if ours != testbed.Zre {
		t.Skip("it is for nodes of ours")
	}
}

// endpointAt returns an endpoint at a host.
func endpointAt(host *testbed.Host, port string) string {
	return "tcp://" + host.Addr.String() + ":" + port
}

// TestCurveStaticPeer: ours knows the endpoint and the key of a C zyre node.
func TestCurveStaticPeer(t *testing.T) {
	needsOptions(t)
	t.Parallel()
	k, lan := newKeyring(t), testbed.NewLAN(t, "")
	host := lan.Host("b")
	a := k.ours(lan.Host("a"), "", "--peer", endpointAt(host, mailboxPort)+"|"+k.public("theirs"))
	b := k.zyre(host, anyKey, "--endpoint", endpointAt(host, mailboxPort))
	k.expectMet(a, b)
	converse(t, a, b)
	b.Kill()
	a.Wait(t, "EXIT of "+b.String(), testbed.Is("exit", b)) // and then a problem: no node is at the endpoint
	c := k.zyre(host, anyKey, "--endpoint", endpointAt(host, mailboxPort))
	k.expectMet(a, c)
	converse(t, a, c)
}

// TestCurveStaticPeerOfTheirs: C zyre knows the endpoint and the key of ours.
func TestCurveStaticPeerOfTheirs(t *testing.T) {
	needsOptions(t)
	t.Parallel()
	k, lan := newKeyring(t), testbed.NewLAN(t, "")
	hosts := []*testbed.Host{lan.Host("a"), lan.Host("b")}
	a := k.ours(hosts[0], "", "--listen", "tcp://*:"+mailboxPort)
	b := k.zyre(hosts[1], noZauth, "--endpoint", endpointAt(hosts[1], mailboxPort), "--require-peer",
		a.UUID+"="+endpointAt(hosts[0], mailboxPort)+"|"+k.public("ours"))
	k.expectMet(a, b)
	converse(t, a, b)
	a.Quit(t)
}

// TestCurveStaticPeerWithoutKey: ours gets an endpoint without its key, and another one with a wrong key. It reports that, and sends
// nothing to them.
func TestCurveStaticPeerWithoutKey(t *testing.T) {
	needsOptions(t)
	for name, key := range map[string]string{"no key": "", "a wrong key": "wrong"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, lan := newKeyring(t), testbed.NewLAN(t, "")
			host := lan.Host("b")
			b := k.zyre(host, noZauth, "--endpoint", endpointAt(host, mailboxPort))
			peer := endpointAt(host, mailboxPort)
			if key != "" {
				peer += "|" + k.public(key)
			}
			a := k.ours(lan.Host("a"), "", "--peer", peer)
			problem := a.Wait(t, "a problem of the peer", func(e testbed.Event) bool {
				return e.Event == "problem" && !e.Solved && strings.Contains(e.About+e.Endpoint+e.Error, endpointAt(host, mailboxPort))
			})
			t.Logf("told: %v, about %q", problem, problem.About)
			dials := expectNoPeers(t, watched, a, b)
			t.Logf("in %v ours dialled %d times", watched, dials[0])
			if most := map[string]int{"": 0, "wrong": mostDials}[key]; dials[0] > most || dials[1] > 0 {
				t.Errorf("%v dials, of ours and of C zyre, want %d of ours at most", dials, most)
			}
		})
	}
}

// TestCurveGossip: all nodes meet that know a hub with CURVE, of C zyre or of ours, and its key.
func TestCurveGossip(t *testing.T) {
	needsOptions(t)
	for _, hubIsOurs := range []bool{true, false} {
		for _, zauth := range []string{noZauth, anyKey, "folder"} {
			name := "hub of C zyre, zauth " + zauth
			if hubIsOurs {
				name = "hub of ours, zauth " + zauth
			}
			t.Run(strings.ReplaceAll(name, ",", ""), func(t *testing.T) {
				t.Parallel()
				k, lan := newKeyring(t), testbed.NewLAN(t, "")
				for _, name := range []string{"ours", "hub", "theirs"} {
					k.allow(name)
				}
				zauth, folder := zauth, ""
				if zauth == "folder" {
					zauth, folder = k.allowed, k.allowed
				}
				hosts := []*testbed.Host{lan.Host("a"), lan.Host("b"), lan.Host("c")}
				var a, b, c *testbed.Peer
				if hubIsOurs {
					a = k.ours(hosts[0], folder, "--gossip-bind", "tcp://*:"+hubPort)
					hub := endpointAt(hosts[0], hubPort) + "|" + k.public("ours")
					b = k.zyreNamed("hub", hosts[1], zauth, "--endpoint", endpointAt(hosts[1], mailboxPort), "--gossip-connect", hub)
					c = k.zyre(hosts[2], zauth, "--endpoint", endpointAt(hosts[2], mailboxPort), "--gossip-connect", hub)
				} else {
					b = k.zyreNamed("hub", hosts[1], zauth, "--endpoint", endpointAt(hosts[1], mailboxPort), "--gossip-bind", endpointAt(hosts[1], hubPort))
					hub := endpointAt(hosts[1], hubPort) + "|" + k.public("hub")
					a = k.ours(hosts[0], folder, "--gossip-connect", hub)
					c = k.zyre(hosts[2], zauth, "--endpoint", endpointAt(hosts[2], mailboxPort), "--gossip-connect", hub)
				}
				k.expectMet(a, b)
				k.expectMet(a, c)
				meet(t, b, c)
				converse(t, a, b)
				converse(t, a, c)
				a.Quit(t)
				c.Wait(t, "EXIT of "+a.String(), testbed.Is("exit", a)) // C zyre's GOODBYE
			})
		}
	}
}
