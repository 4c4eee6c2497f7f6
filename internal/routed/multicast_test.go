//go:build linux

package routed

import (
	"net/netip"
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// Routers that route multicast: nodes find each other by beacons if their TTL is large enough, and their group is that of the routers.
func TestRoutedMulticast(t *testing.T) {
	t.Parallel()
	const usual, other = "239.255.90.82", "239.255.1.2"
	for _, test := range []struct {
		name   string
		routed string
		args   []string
		meet   bool
	}{
		{"TTL 2", usual, []string{"--ttl", "2"}, true},
		{"TTL 1", usual, nil, false},
		{"another group", other, []string{"--ttl", "2", "--group-address", other}, true},
		{"another group, not routed", usual, []string{"--ttl", "2", "--group-address", other}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.router.RouteMulticast(netip.MustParseAddr(test.routed), w.a, w.b)
			a := start(t, w.a, testbed.Zre, options("a", test.args...))
			b := start(t, w.b, testbed.Zre, options("b", test.args...))
			if test.meet {
				meet(t, a, b)
			}
			calm(t, a, b) // those that do not meet have all that time to do so
		})
	}
}
