//go:build linux

package routed

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/testbed"
)

// foreign starts a node of another implementation that others may know by its endpoint, and returns the endpoint.
func foreign(t *testing.T, h *testbed.Host, kind testbed.Kind, name string, args ...string) (*testbed.Peer, string) {
	t.Helper()
	at := endpoint(h, port)
	if kind == testbed.Zyre {
		args = append(args, "--endpoint", at) // from here on it knows no beacons
	}
	o := options(name, args...)
	o.Evasive = 2500 * time.Millisecond // we ask before
	p := start(t, h, kind, o)
	if p.Endpoint != "" {
		at = p.Endpoint
	}
	return p, at
}

// A peer of another implementation, known only by its endpoint. It has no identity: it sends its UUID when it has heard us, and must hear
// us once.
func TestForeignStaticPeer(t *testing.T) {
	t.Parallel()
	for _, kind := range []testbed.Kind{testbed.Zyre, testbed.Pyre, testbed.ZyreJS} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b, at := foreign(t, w.b, kind, "b")
			a := start(t, w.a, testbed.Zre, options("a", "--peer", at))
			meet(t, a, b)
			calm(t, a, b)
			exchangeMessages(t, a, b)
			once(t, a, b)
			b.Quit(t)
			gone(t, a, b, "left", "crashed")
			c, _ := foreign(t, w.b, kind, "c")
			if kind != testbed.Zyre && c.Endpoint != at {
				return // others take any port
			}
			meet(t, a, c)
			calm(t, a, c)
			once(t, a, c)
			a.Quit(t)
		})
	}
}

// The peer is killed, and comes back at the same endpoint, with another UUID; the link is cut, and healed.
func TestForeignStaticPeerAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := start(t, w.a, testbed.Zre, options("a", "--peer", endpoint(w.b, port)))
	b, _ := foreign(t, w.b, testbed.Zyre, "b")
	meet(t, a, b)
	b.Kill()
	gone(t, a, b, "crashed")
	c, _ := foreign(t, w.b, testbed.Zyre, "c")
	meet(t, a, c)
	w.router.Forward(false)
	goneA, goneC := gone(t, a, c, "expired"), gone(t, c, a)
	w.router.Forward(true)
	met(t, a, c, goneA, goneC)
	calm(t, a, c)
}

// We are killed, and another node comes that knows the same peer; at our own endpoint, too.
func TestForeignStaticPeerOutlivesUs(t *testing.T) {
	t.Parallel()
	for _, kind := range []testbed.Kind{testbed.Zyre, testbed.Pyre, testbed.ZyreJS} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b, at := foreign(t, w.b, kind, "b")
			a := start(t, w.a, testbed.Zre, listening("a", "--peer", at))
			meet(t, a, b)
			a.Kill()
			gone(t, b, a)
			c := start(t, w.a, testbed.Zre, listening("c", "--peer", at))
			c.Wait(t, "ENTER of "+b.String(), testbed.Is("enter", b))
			settles(t, c)
			exchangeMessages(t, b, c)
		})
	}
}

// One C zyre with two of its addresses, at least one of which it does not name in its HELLO.
func TestSecondAddress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		both bool
	}{{"alone", false}, {"and the first", true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			second := w.b.AddLeg(w.there)
			o := options("b", "--endpoint", "tcp://*:"+port)
			if !test.both {
				// It names the address that it listens at, and is reached by another.
				o.Args = append(o.Args, "--advertise", endpoint(w.b, port))
			}
			b := start(t, w.b, testbed.Zyre, o)
			args := []string{"--peer", fmt.Sprintf("tcp://%v:%s", second.Addr, port)}
			if test.both {
				args = append(args, "--peer", endpoint(w.b, port))
			}
			a := start(t, w.a, testbed.Zre, options("a", args...))
			if test.both { // it hears two HELLOs before we know that the two are one
				a.Wait(t, "ENTER", testbed.Is("enter", b))
				settles(t, a)
				exchangeMessages(t, a, b)
				return
			}
			meet(t, a, b)
			calm(t, a, b)
			exchangeMessages(t, a, b)
			once(t, a, b)
		})
	}
}

// C zyre knows us: zyre_require_peer.
func TestRequirePeer(t *testing.T) {
	t.Parallel()
	for _, both := range []bool{false, true} {
		t.Run(map[bool]string{false: "one knows", true: "both know"}[both], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := listening("a")
			if both {
				o.Args = append(o.Args, "--peer", endpoint(w.b, port))
			}
			o.UUID = uuid.NewString()
			a := start(t, w.a, testbed.Zre, o)
			b, _ := foreign(t, w.b, testbed.Zyre, "b", "--require-peer", a.UUID+"="+endpoint(w.a, port))
			meet(t, a, b)
			calm(t, a, b)
			exchangeMessages(t, a, b)
		})
	}
}

// On one network beacons find pyre and zyre.js as well: there is one session all the same.
func TestForeignByBeaconAndEndpoint(t *testing.T) {
	t.Parallel()
	for _, kind := range []testbed.Kind{testbed.Pyre, testbed.ZyreJS, testbed.Zyre} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			lan := testbed.NewLAN(t, "")
			o := options("b")
			o.Evasive, o.Expired = 10*time.Second, 20*time.Second // C zyre takes no beacon for a sign of life; we do, and do not ask
			b := start(t, lan.Host("b"), kind, o)
			at := b.Endpoint
			if at == "" {
				at = endpoint(b.Host, "49152") // the first that C zyre tries
			}
			a := start(t, lan.Host("a"), testbed.Zre, options("a", "--peer", at))
			meet(t, a, b)
			calm(t, a, b)
			once(t, a, b)
			b.Kill()
			gone(t, a, b, "crashed")
		})
	}
}
