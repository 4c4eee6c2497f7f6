//go:build linux

package routed

import (
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// Two addresses of one foreign peer are given. It enters, and exits and enters once more at most, and so do we there; then it is quiet.
func TestTwoAddressesOfOnePeer(t *testing.T) {
	t.Parallel()
	const window, quiet = 10 * time.Second, 20 * time.Second
	for _, kind := range []testbed.Kind{testbed.Zyre, testbed.Pyre} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			lan, other := testbed.NewLAN(t, ""), testbed.NewLAN(t, "")
			ha, hb := lan.Host("a"), lan.Host("b")
			leg := ha.AddLeg(other)
			second := hb.AddLeg(other)
			o := options("b")
			o.Evasive, o.Expired = 10*time.Second, 30*time.Second
			at := port
			if kind == testbed.Zyre { // by itself it listens at one address
				o.Args = []string{"--endpoint", "tcp://*:" + port, "--advertise", endpoint(hb, port)}
			} else {
				o.Port = 5680 // no beacons that the other hears
			}
			b := start(t, hb, kind, o)
			if kind != testbed.Zyre {
				at = b.Endpoint[strings.LastIndex(b.Endpoint, ":")+1:]
			}
			a := start(t, ha, testbed.Zre, options("a", "--interface", leg.Interface, "--peer", endpoint(hb, at), "--peer", "tcp://"+second.Addr.String()+":"+at))
			a.Wait(t, "ENTER of "+b.String(), testbed.Is("enter", b))
			b.Wait(t, "ENTER of "+a.String(), testbed.Is("enter", a))
			a.Watch(window) // messages sent meanwhile may be lost with the first of two sessions
			for _, pair := range [][2]*testbed.Peer{{a, b}, {b, a}} {
				if enters, exits := counts(pair[0], "enter", pair[1]), counts(pair[0], "exit", pair[1]); enters > 2 || exits != enters-1 {
					t.Errorf("%s saw %d ENTERs and %d EXITs of %s\n%s", pair[0], enters, exits, pair[1], life(pair[0]))
				}
			}
			from := []testbed.Event{lastOf(a), lastOf(b)}
			a.Watch(quiet)
			for i, p := range []*testbed.Peer{a, b} {
				if e, ok := p.Try(from[i], time.Millisecond, func(e testbed.Event) bool { return e.Event == "enter" || e.Event == "exit" }); ok {
					t.Errorf("%s saw, where nothing happens: %v\n%s", p, e, life(p))
				}
			}
			exchangeMessages(t, a, b)
		})
	}
}
