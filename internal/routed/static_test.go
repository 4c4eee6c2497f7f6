//go:build linux

package routed

import (
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/testbed"
)

// Two nodes on two networks, one of which knows the other's endpoint: by its address, or by a host name.
func TestOneKnowsTheOther(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		host string // instead of the address
	}{{"by address", ""}, {"by host name", "robot.example.org"}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			peer := endpoint(w.b, port)
			if test.host != "" {
				w.a.SetFile("/etc/hosts", w.b.Addr.String()+" "+test.host+"\n")
				peer = "tcp://" + test.host + ":" + port
			}
			b := start(t, w.b, testbed.Zre, listening("b"))
			a := start(t, w.a, testbed.Zre, options("a", "--peer", peer))
			meet(t, a, b)
			calm(t, a, b)
			once(t, a, b)
			a.Quit(t)
			gone(t, b, a, "left")
		})
	}
}

// Both know each other, in more than one way.
func TestBothKnowEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.a.SetFile("/etc/hosts", w.b.Addr.String()+" b.example.org\n")
	b := start(t, w.b, testbed.Zre, listening("b", "--peer", endpoint(w.a, port)))
	a := start(t, w.a, testbed.Zre, listening("a", "--peer", endpoint(w.b, port), "--peer", "tcp://b.example.org:"+port,
		"--peer", endpoint(w.a, port))) // which is itself
	meet(t, a, b)
	calm(t, a, b)
	once(t, a, b)
}

// A peer starts later than the node that knows it; then another one takes its place.
func TestPeerLaterAndReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := start(t, w.a, testbed.Zre, options("a", "--peer", endpoint(w.b, port)))
	b := start(t, w.b, testbed.Zre, listening("b"))
	meet(t, a, b)
	b.Kill()
	gone(t, a, b, "crashed")
	c := start(t, w.b, testbed.Zre, listening("c"))
	meet(t, a, c)
	c.Quit(t)
	gone(t, a, c, "left")
	d := start(t, w.b, testbed.Zre, listening("d"))
	meet(t, a, d)
	calm(t, a, d)
	once(t, a, d)
}

// Only silence shows that the link fails; when it works again they meet again.
func TestPathCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := start(t, w.b, testbed.Zre, listening("b"))
	a := start(t, w.a, testbed.Zre, options("a", "--peer", endpoint(w.b, port)))
	meet(t, a, b)
	w.router.Forward(false)
	goneA, goneB := gone(t, a, b, "expired"), gone(t, b, a, "expired")
	w.router.Forward(true)
	met(t, a, b, goneA, goneB)
	calm(t, a, b)
}

// However many sources name a peer, it is one, with one session.
func TestAllSourcesAtOnce(t *testing.T) {
	t.Parallel()
	lan := testbed.NewLAN(t, "")
	ha, hb := lan.Host("a"), lan.Host("b")
	dns := serveDNS(t, lan.Host("dns"))
	dns.set(`
		_zre._tcp.robots.example. 5 SRV 0 0 5671 a.robots.example.
		_zre._tcp.robots.example. 5 SRV 0 0 5671 b.robots.example.
		a.robots.example. 5 A ` + ha.Addr.String() + `
		b.robots.example. 5 A ` + hb.Addr.String())
	all := []string{"--srv", "robots.example", "--resolver", dns.address}
	a := start(t, ha, testbed.Zre, listening("a", append(all, "--peer", endpoint(hb, port), "--gossip-bind", "tcp://*:"+hub)...))
	b := start(t, hb, testbed.Zre, listening("b", append(all, "--peer", endpoint(ha, port), "--gossip-connect", endpoint(ha, hub))...))
	meet(t, a, b)
	calm(t, a, b)
	once(t, a, b)
	b.Quit(t)
	gone(t, a, b, "left")
}

// Two peers on one host, each known by its own port, and one that is known only by its HELLO.
func TestSeveralOnOneHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := start(t, w.b, testbed.Zre, listening("b"))
	c := start(t, w.b, testbed.Zre, options("c", "--listen", "tcp://*:5673"))
	a := start(t, w.a, testbed.Zre, options("a", "--peer", endpoint(w.b, port), "--peer", endpoint(w.b, "5673")))
	meet(t, a, b)
	meet(t, a, c)
	meet(t, b, c)
	calm(t, a, b, c)
	once(t, a, b, c)
}

// A node comes back with its own UUID, on the same endpoint and on another one.
func TestSameUUIDAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := uuid.NewString()
	o := listening("b")
	o.UUID = id
	b := start(t, w.b, testbed.Zre, o)
	a := start(t, w.a, testbed.Zre, options("a", "--peer", endpoint(w.b, port), "--peer", endpoint(w.b, "5673")))
	meet(t, a, b)
	b.Kill()
	exit := gone(t, a, b, "crashed", "replaced")
	b = start(t, w.b, testbed.Zre, o)
	met(t, a, b, exit, testbed.Event{})
	last := lastOf(a)
	b.Kill()
	exit = a.WaitAfter(t, last, "EXIT", testbed.Is("exit", b))
	o.Args = []string{"--listen", "tcp://*:5673"}
	b = start(t, w.b, testbed.Zre, o)
	met(t, a, b, exit, testbed.Event{})
	calm(t, a, b)
}
