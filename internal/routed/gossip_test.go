//go:build linux

package routed

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/testbed"
)

// hubAt starts a node that is a gossip hub, of ours or C zyre's; it returns the hub's endpoint.
func hubAt(t *testing.T, h *testbed.Host, kind testbed.Kind, name string, args ...string) (*testbed.Peer, string) {
	t.Helper()
	at := endpoint(h, hub)
	if kind == testbed.Zyre {
		p, _ := foreign(t, h, kind, name, append(args, "--gossip-bind", at)...)
		return p, at
	}
	return start(t, h, kind, options(name, append(args, "--gossip-bind", "tcp://*:"+hub)...)), at
}

// client starts a node that knows a hub.
func client(t *testing.T, h *testbed.Host, kind testbed.Kind, name, hub string, args ...string) *testbed.Peer {
	t.Helper()
	args = append(args, "--gossip-connect", hub)
	if kind == testbed.Zyre {
		p, _ := foreign(t, h, kind, name, args...)
		return p
	}
	return start(t, h, kind, options(name, args...))
}

// All nodes that know a hub meet, whatever its implementation. A node that leaves is gone at once, and so is one that crashes. A node that
// comes later meets the rest.
func TestGossip(t *testing.T) {
	t.Parallel()
	const ours, zyre = testbed.Zre, testbed.Zyre
	for _, test := range []struct{ hub, b, c testbed.Kind }{
		{ours, ours, ours}, {ours, zyre, ours}, {ours, zyre, zyre}, {zyre, ours, ours}, {zyre, ours, zyre},
	} {
		t.Run(fmt.Sprintf("hub %s, %s and %s", test.hub, test.b, test.c), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h, at := hubAt(t, w.a, test.hub, "hub")
			b := client(t, w.b, test.b, "b", at)
			c := client(t, w.host(w.here, "c"), test.c, "c", at)
			meetAll(t, h, b, c)
			calm(t, h, b, c)
			once(t, h, b, c)
			before := map[*testbed.Peer]testbed.Event{h: lastOf(h), c: lastOf(c)}
			b.Quit(t)
			for p, from := range before {
				if p.Kind == zyre && b.Kind == zyre {
					continue
				}
				exit := gone(t, p, b, "left")
				p.Never(t, from, exit, "that "+b.String()+" is missed", func(e testbed.Event) bool {
					return b.Kind == ours && isEnterOrExit(e) && e.Peer == b.UUID
				})
			}
			d := client(t, w.host(w.there, "d"), test.b, "d", at)
			meetAll(t, d, h, c)
			if test.c == ours || test.hub == ours && test.b == ours {
				c.Kill()
				for _, p := range []*testbed.Peer{h, d} {
					if p.Kind == ours {
						gone(t, p, c, "crashed")
					}
				}
			}
			if h.Kind == ours && d.Kind == ours {
				calm(t, h, d)
				once(t, h, d)
			}
		})
	}
}

// Nodes continue without their hub, recognise its successor when it comes, and learn from it which nodes came meanwhile.
func TestHubRestarts(t *testing.T) {
	t.Parallel()
	for _, kind := range []testbed.Kind{testbed.Zre, testbed.Zyre} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h, at := hubAt(t, w.a, kind, "hub")
			b := client(t, w.b, testbed.Zre, "b", at)
			c := client(t, w.host(w.here, "c"), testbed.Zre, "c", at)
			meet(t, b, c)
			meet(t, b, h)
			h.Kill()
			gone(t, b, h, "crashed")
			gone(t, c, h, "crashed")
			d := client(t, w.host(w.there, "d"), testbed.Zre, "d", at, "--interface", "lo") // which leads nowhere for others
			h, _ = hubAt(t, w.a, kind, "hub again")
			for _, p := range []*testbed.Peer{b, c, d} {
				meet(t, h, p)
			}
			meet(t, d, b)
			meet(t, d, c)
			calm(t, b, c, d)
			once(t, b, c, d, h)
		})
	}
}

// Two hubs: one node knows both, so all meet.
func TestSeveralHubs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h1, at1 := hubAt(t, w.a, testbed.Zre, "hub 1")
	h2, at2 := hubAt(t, w.b, testbed.Zyre, "hub 2")
	third := testbed.NewLAN(t, "")
	r := testbed.NewRouter(t, "router2", w.there, third)
	far := third.Host("b")
	far.Via(r)
	r.Via(w.router)
	r.Masquerade(w.there) // the far one can be found only at its mapped port
	mapped := r.MapPort(w.there, 6000, far, 5671)
	b := start(t, far, testbed.Zre, listening("b", "--advertise", "tcp://"+mapped.String(), "--gossip-connect", at2))
	c := client(t, w.host(w.here, "c"), testbed.Zre, "c", at1)
	both := client(t, w.host(w.here, "d"), testbed.Zre, "d", at1, "--gossip-connect", at2)
	all := []*testbed.Peer{h1, h2, b, c, both}
	meetAll(t, all...)
	calm(t, all...)
	once(t, all...)
}

// A C zyre hub keeps tuples forever: one of a dead node, at an endpoint where another node is now, and one where no node is.
func TestStaleTuples(t *testing.T) {
	t.Parallel()
	for _, kind := range []testbed.Kind{testbed.Zre, testbed.Zyre} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h, at := hubAt(t, w.a, testbed.Zyre, "hub")
			args := []string{"--listen", "tcp://*:" + port}
			if kind == testbed.Zyre {
				args = nil
			}
			b := client(t, w.b, kind, "b", at, args...)
			lost := client(t, w.host(w.there, "lost"), testbed.Zre, "lost", at)
			meet(t, b, lost)
			b.Kill()
			lost.Kill()
			c := client(t, w.b, kind, "c", at, args...)
			d := client(t, w.host(w.here, "d"), testbed.Zre, "d", at)
			meet(t, d, c)
			meet(t, d, h)
			calm(t, d)
			once(t, c, d)
		})
	}
}

// A node that vanished is dialled now and then, at most: its tuple outlives it for a while.
func TestDeadIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h, at := hubAt(t, w.a, testbed.Zre, "hub")
	b := client(t, w.b, testbed.Zre, "b", at, "--listen", "tcp://*:"+port)
	meet(t, h, b)
	b.Kill()
	gone(t, h, b, "crashed")
	var l net.Listener
	if err := w.b.Do(func() (err error) { l, err = net.Listen("tcp4", ":"+port); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(2 * calmTime))
	dials := 0
	for {
		conn, err := l.Accept()
		if err != nil {
			break
		}
		dials++
		conn.Close()
	}
	if most := 8; dials > most { // 50 ms and ever longer
		t.Errorf("%d dials within %v, want %d at most", dials, 2*calmTime, most)
	}
}

// Whatever comes to a hub, it continues.
func TestHubAndNonsense(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h, at := hubAt(t, w.a, testbed.Zre, "hub")
	b := client(t, w.b, testbed.Zre, "b", at)
	meet(t, h, b)
	stranger := w.host(w.there, "stranger")
	greeting := "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + strings.Repeat("\x00", 48)
	dealer := greeting + "\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
	for _, nonsense := range []string{"GET / HTTP/1.1\r\n\r\n", strings.Repeat("\xff", 100_000), "x", greeting,
		dealer + "\x00\x05hello", dealer + "\x00\x03\xaa\xa0\x01" + "\x00\x04\xaa\xa0\x02\xff" + "\x00\x02\xaa\xa0"} {
		var conn net.Conn
		err := stranger.Do(func() (err error) {
			ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
			defer cancel()
			conn, err = new(net.Dialer).DialContext(ctx, "tcp4", strings.TrimPrefix(at, "tcp://"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte(nonsense)) // the hub may have hung up
	}
	c := client(t, stranger, testbed.Zre, "c", at)
	meet(t, h, c)
	meet(t, b, c)
	once(t, h, b, c)
}

// A wrong tuple makes no peer: its UUID belongs to no node, and its endpoint to a live node.
func TestWrongTuple(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h, at := hubAt(t, w.a, testbed.Zyre, "hub")
	o := listening("b", "--gossip-connect", at)
	o.UUID = uuid.NewString()
	first := start(t, w.b, testbed.Zre, o)
	a := client(t, w.host(w.here, "c"), testbed.Zre, "c", at)
	meet(t, a, first)
	first.Kill()
	gone(t, a, first, "crashed", "replaced")
	o.UUID = ""
	second := start(t, w.b, testbed.Zre, o)
	meet(t, a, second)
	meet(t, a, h)
	calm(t, a)
	once(t, a, second)
}
