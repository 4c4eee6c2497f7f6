//go:build linux

package interop

import (
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// Ours with ours, on two hosts and on one.
func TestOurs(t *testing.T) {
	for _, test := range []struct {
		name, transport string
		oneHost         bool
	}{
		{"two hosts", "tcp", false},
		{"one host", "ipc", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lan := testbed.NewLAN(t, "")
			host := lan.Host("a")
			other := host
			if !test.oneHost {
				other = lan.Host("b")
			}
			a := testbed.Start(t, host, testbed.Zre, options("a"))
			b := testbed.Start(t, other, testbed.Zre, options("b"))
			meet(t, a, b)
			for _, pair := range [][2]*testbed.Peer{{a, b}, {b, a}} {
				enter := pair[0].Wait(t, "ENTER", testbed.Is("enter", pair[1]))
				if enter.Transport != test.transport {
					t.Errorf("%s reaches %s by %q, want %q", pair[0], pair[1], enter.Transport, test.transport)
				}
			}
			converse(t, a, b)
			b.Kill()
			expectExit(t, a, b, "crashed")
			c := testbed.Start(t, other, testbed.Zre, options("c"))
			meet(t, a, c)
			converse(t, a, c)
			a.Quit(t)
			expectExit(t, c, a, "left")
		})
	}
}

// Everything arrives in order, also across the wrap of the sequence numbers.
func TestFloodOurs(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	a := testbed.Start(t, lan.Host("a"), testbed.Zre, options("a"))
	b := testbed.Start(t, lan.Host("b"), testbed.Zre, options("b"))
	meet(t, a, b)
	wrapTogether(t, a, b)
	converse(t, a, b)
}
