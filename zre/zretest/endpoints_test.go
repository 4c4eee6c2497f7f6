package zretest_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// A node lists all its endpoints, the best first, and reports changes by an event with the same list.
func TestEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t, zretest.IPv6())
		host := lan.Host("10.0.0.1 fd00::1", "10.1.0.1")
		node, err := zre.NewNode(zre.WithNetwork(host), zre.WithListen("tcp://*:5671"))
		must(t, err)
		if got := node.Endpoints(); len(got) > 0 {
			t.Errorf("before Start it has %q", got)
		}
		must(t, node.Close())

		n := zretest.Start(t, host, zre.WithListen("tcp://*:5671"))
		beyond := zretest.Start(t, host, zre.WithListen("tcp://*:5672"), zre.WithAdvertise("tcp://203.0.113.7:1"))
		is := func(when string, change func(), want ...string) {
			t.Helper()
			if change != nil {
				before := count[zre.EndpointChange](n.Seen())
				change()
				advance(3 * time.Second)
				for _, n := range []*zretest.Watched{n, beyond} {
					e := zretest.Next[zre.EndpointChange](n)
					if now := n.Endpoints(); !slices.Equal(e.Endpoints, now) || e.From().UUID != n.UUID() || e.From().Endpoint != now[0] {
						t.Errorf("%s: %+v, now %q", when, e, now)
					}
				}
				if more := count[zre.EndpointChange](n.Seen()) - before; more != 1 {
					t.Errorf("%s: %d events", when, more)
				}
			}
			if got := n.Endpoints(); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
		}
		is("at the start", nil, "tcp://10.0.0.1:5671", "tcp://10.1.0.1:5671", "tcp://[fd00::1]:5671", "tcp://[fe80::ff:1:2]:5671", "tcp://[fe80::ff:1:3]:5671")
		if got := beyond.Endpoints(); len(got) != 6 || got[0] != "tcp://203.0.113.7:1" || got[1] != "tcp://10.0.0.1:5672" {
			t.Errorf("beyond a NAT it has %q", got)
		}
		is("an interface less", func() { host.InterfaceDown("eth1") }, "tcp://10.0.0.1:5671", "tcp://[fd00::1]:5671", "tcp://[fe80::ff:1:2]:5671")
		is("another address", func() { host.SetAddresses("eth0", "10.0.0.7") }, "tcp://10.0.0.7:5671", "tcp://[fe80::ff:1:2]:5671")
		is("an interface more", func() { host.AddInterface("10.2.0.1") }, "tcp://10.0.0.7:5671", "tcp://10.2.0.1:5671", "tcp://[fe80::ff:1:2]:5671", "tcp://[fe80::ff:1:4]:5671")
		is("loopback alone", func() { host.InterfaceDown("eth0"); host.InterfaceDown("eth2") }, "tcp://127.0.0.1:5671")
	})
}
