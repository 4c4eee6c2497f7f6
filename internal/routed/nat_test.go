//go:build linux

package routed

import (
	"testing"

	"github.com/go-zre/go-zre/internal/testbed"
)

// newNAT is a world in which b is behind a NAT: no host here has a route to its network. Port 6000 of the router leads to b's.
func newNAT(t *testing.T) (w *world, mapped string) {
	t.Helper()
	w = &world{here: testbed.NewLAN(t, ""), there: testbed.NewLAN(t, "")}
	w.router = testbed.NewRouter(t, "router", w.here, w.there)
	w.a, w.b = w.here.Host("a"), w.host(w.there, "b")
	w.router.Masquerade(w.here)
	return w, "tcp://" + w.router.MapPort(w.here, 6000, w.b, 5671).String()
}

// A node behind a NAT is found at the port that leads to it, and finds others itself if it advertises that port.
func TestNAT(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                  string
		outside, inside       testbed.Kind
		outKnows, inKnows, ad bool
	}{
		{"found, advertises", testbed.Zre, testbed.Zre, true, false, true},
		{"found, does not advertise", testbed.Zre, testbed.Zre, true, false, false},
		{"finds, advertises", testbed.Zre, testbed.Zre, false, true, true},
		{"both know, advertises", testbed.Zre, testbed.Zre, true, true, true},
		{"both know, does not advertise", testbed.Zre, testbed.Zre, true, true, false},
		{"zyre found, advertises", testbed.Zre, testbed.Zyre, true, false, true},
		{"zyre found, does not advertise", testbed.Zre, testbed.Zyre, true, false, false},
		{"finds zyre, advertises", testbed.Zyre, testbed.Zre, false, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, mapped := newNAT(t)
			args := func(kind testbed.Kind, at, knows string) []string {
				list := []string{"--listen", "tcp://*:" + port}
				if kind == testbed.Zyre {
					list = []string{"--endpoint", at}
				}
				if knows != "" {
					list = append(list, "--peer", knows)
				}
				return list
			}
			outKnows, inKnows := "", ""
			if test.outKnows {
				outKnows = mapped
			}
			if test.inKnows {
				inKnows = endpoint(w.a, port)
			}
			inside := args(test.inside, endpoint(w.b, port), inKnows)
			if test.ad {
				inside = append(inside, "--advertise", mapped)
			}
			a := start(t, w.a, test.outside, options("a", args(test.outside, endpoint(w.a, port), outKnows)...))
			b := start(t, w.b, test.inside, options("b", inside...))
			meet(t, a, b)
			calm(t, a, b)
			exchangeMessages(t, a, b)
			once(t, a, b)
			if test.ad && test.outside == testbed.Zre {
				if known := a.Peers(t)[0]; known.Endpoint != mapped {
					t.Errorf("%s knows %s at %s, want %s", a, b, known.Endpoint, mapped)
				}
			}
		})
	}
}

// Two nodes, each behind its own NAT, and a third one on the network of the first.
func TestTwoNATs(t *testing.T) {
	t.Parallel()
	outside := testbed.NewLAN(t, "")
	behind := func(name string) (*testbed.LAN, *testbed.Router, *testbed.Host, string) {
		lan := testbed.NewLAN(t, "")
		r := testbed.NewRouter(t, "router-"+name, lan, outside)
		h := lan.Host(name)
		h.Via(r)
		r.Masquerade(outside)
		return lan, r, h, "tcp://" + r.MapPort(outside, 6000, h, 5671).String()
	}
	lan, r, ha, atA := behind("a")
	_, _, hb, atB := behind("b")
	hc := lan.Host("c")
	hc.Via(r)
	atC := "tcp://" + r.MapPort(outside, 6001, hc, 5671).String()
	a := start(t, ha, testbed.Zre, listening("a", "--advertise", atA, "--peer", atB))
	b := start(t, hb, testbed.Zre, listening("b", "--advertise", atB))
	c := start(t, hc, testbed.Zre, listening("c", "--advertise", atC, "--peer", atB))
	meet(t, a, b)
	meet(t, b, c)
	meet(t, a, c)
	calm(t, a, b, c)
	once(t, a, b, c)
}
