//go:build linux

package interop

import (
	"net/netip"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// TestIPv6: a node of ours, with its defaults or without IPv4, meets and talks with a C zyre node in its IPv6 mode, or with another one of
// ours.
func TestIPv6(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		unique, sameOne bool // addresses; host
		without4        bool
		kind            testbed.Kind // of the other; empty: C zyre
	}{
		{name: "link-local addresses"},
		{name: "unique local ones too", unique: true},
		{name: "no IPv4", without4: true},
		{name: "no IPv4, unique local addresses", without4: true, unique: true},
		{name: "on one host", sameOne: true},
		{name: "two of ours, no IPv4", without4: true, kind: testbed.Zre},
		{name: "two of ours, no IPv4, unique local addresses", without4: true, unique: true, kind: testbed.Zre},
	} {
		t.Run(c.name, func(t *testing.T) {
			lan := testbed.NewLAN(t, "")
			a, b := lan.Host("a"), lan.Host("b")
			a.LinkLocal() // or the kernel has no IPv6
			if c.unique {
				a.AddAddress(netip.MustParsePrefix("fd77::1/64"))
				b.AddAddress(netip.MustParsePrefix("fd77::2/64"))
			}
			if c.without4 {
				a.NoIPv4()
			}
			if c.sameOne {
				b = a
			}
			o := testbed.Options{Name: "theirs"}
			if c.kind == "" {
				c.kind, o.Args = testbed.Zyre, []string{"--ipv6"}
			}
			theirs := testbed.Start(t, b, c.kind, o)
			ours := testbed.Start(t, a, testbed.Zre, testbed.Options{Name: "ours"})
			for _, pair := range [][2]*testbed.Peer{{ours, theirs}, {theirs, ours}} {
				node, peer := pair[0], pair[1]
				enter := node.Wait(t, "ENTER of "+peer.String(), testbed.Is("enter", peer))
				t.Logf("%s sees the endpoint of %s as %s", node, peer, enter.Endpoint)
				node.Whisper(t, peer, []byte("hello"))
				peer.Wait(t, "a whisper of "+node.String(), testbed.Whisper(node, []byte("hello")))
			}
		})
	}
}
