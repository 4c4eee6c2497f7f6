package node

import (
	"net"
	"net/netip"
	"testing"
)

// TestOwnMailbox: which connections lead to the node itself.
func TestOwnMailbox(t *testing.T) {
	for _, c := range []struct {
		name          string
		listen        string
		local, remote string
		want          bool
	}{
		{"our port at our address", "", "10.0.0.1:40000", "10.0.0.1:5671", true},
		{"our port at loopback", "", "127.0.0.1:40000", "127.0.0.1:5671", true},
		{"IPv4 in IPv6", "", "[::ffff:10.0.0.1]:40000", "10.0.0.1:5671", true},
		{"our link-local address", "", "[fe80::1%eth0]:40000", "[fe80::1%eth0]:5671", true},
		{"a neighbour on this host", "", "10.0.0.1:40000", "10.0.0.1:5672", false},
		{"a peer that has the same port", "", "10.0.0.1:40000", "10.0.0.2:5671", false},
		{"where we listen", "tcp://10.0.0.1:5671", "10.0.0.1:40000", "10.0.0.1:5671", true},
		{"a neighbour that listens at another address", "tcp://10.0.0.9:5671", "10.0.0.1:40000", "10.0.0.1:5671", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := &Node{cfg: Config{Listen: c.listen}, port: 5671}
			at := func(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }
			if got := n.leadsToSelf(&cable{local: at(c.local), remote: at(c.remote)}); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
