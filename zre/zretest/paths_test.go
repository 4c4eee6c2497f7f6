package zretest_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// Two hosts on two wires see each other as one peer, over one wire. When that wire dies they continue over the other.
func TestPathDies(t *testing.T) {
	for name, die := range map[string]struct {
		how    func(lan *zretest.LAN, host *zretest.Host, wire netip.Prefix)
		within time.Duration
	}{
		"an interface goes down": {func(_ *zretest.LAN, host *zretest.Host, wire netip.Prefix) {
			host.InterfaceDown(interfaceOn(host, wire))
		}, time.Second},
		"an interface is removed": {func(_ *zretest.LAN, host *zretest.Host, wire netip.Prefix) {
			host.RemoveInterface(interfaceOn(host, wire))
		}, time.Second},
		"a switch dies": {func(lan *zretest.LAN, _ *zretest.Host, wire netip.Prefix) { lan.SetSwitch(wire.String(), false) }, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
				host := lan.Host("10.0.1.1", "10.0.2.1")
				a := zretest.Start(t, host, zre.WithName("a"))
				b := zretest.Start(t, lan.Host("10.0.1.2", "10.0.2.2"), zre.WithName("b"))
				advance(time.Minute)
				expectCounts(t, a, map[string]int{"zre.Enter": 1})
				expectCounts(t, b, map[string]int{"zre.Enter": 1})
				began := time.Now()
				die.how(lan, host, subnetTo(t, a, b))
				for _, w := range []*zretest.Watched{a, b} {
					w.Wait("Exit", func(e zre.Event) bool { _, ok := e.(zre.Exit); return ok })
					zretest.Next[zre.Enter](w)
				}
				if took := time.Since(began); took > die.within {
					t.Errorf("the nodes met again after %v", took)
				}
				advance(time.Second)
				for w, o := range map[*zretest.Watched]*zretest.Watched{a: b, b: a} {
					if err := w.Whisper(t.Context(), o.UUID(), []byte("by the other way")); err != nil {
						t.Error(err)
					}
				}
				zretest.Next[zre.Whisper](a)
				zretest.Next[zre.Whisper](b)
				advance(2 * time.Minute)
				if got := counts(a)["zre.Enter"]; got > 3 || len(a.Peers()) != 1 {
					t.Errorf("%d enters, %d peers", got, len(a.Peers()))
				}
			})
		})
	}
}

// subnetTo returns the subnet over which a node reaches another.
func subnetTo(t *testing.T, from, to *zretest.Watched) netip.Prefix {
	t.Helper()
	p, ok := from.Peer(to.UUID())
	if !ok {
		t.Fatal("no such peer")
	}
	at := netip.MustParseAddrPort(strings.TrimPrefix(p.Endpoint, "tcp://"))
	return netip.PrefixFrom(at.Addr(), 24).Masked()
}

// interfaceOn returns the name of a host's interface on a subnet.
func interfaceOn(host *zretest.Host, wire netip.Prefix) string {
	all, _ := host.Interfaces()
	for _, i := range all {
		for _, a := range i.Addrs {
			if wire.Contains(a.Addr()) {
				return i.Name
			}
		}
	}
	return ""
}

// A new address starts a new session at once: the old connections cannot recover.
func TestNewAddressMovesPeers(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		host := lan.Host("10.0.0.1")
		a := zretest.Start(t, host, zre.WithName("a"))
		b := zretest.Start(t, lan.Host("10.0.0.2"), zre.WithName("b"))
		advance(time.Minute)
		began := time.Now()
		host.SetAddresses("eth0", "10.0.0.77")
		for _, w := range []*zretest.Watched{a, b} {
			zretest.Next[zre.Exit](w)
			zretest.Next[zre.Enter](w)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the nodes met again after %v", took)
		}
		if err := b.Whisper(t.Context(), a.UUID(), []byte("to the new address")); err != nil {
			t.Error(err)
		}
		zretest.Next[zre.Whisper](a)
		if p, _ := b.Peer(a.UUID()); !strings.Contains(p.Endpoint, "10.0.0.77") {
			t.Errorf("the peer is reached at %s", p.Endpoint)
		}
	})
}

// Nodes meet by any family that they share. Both families together are one peer. The endpoint in a HELLO has no zone. IPv6 link-local
// addresses alone are enough.
func TestFamilies(t *testing.T) {
	inBothFamilies(t, func(t *testing.T, lan *zretest.LAN) {
		addresses := map[string]string{"both": "10.0.0.1 fd00::1", "six": "fd00::2", "link": "fe80::3", "both again": "10.0.0.4 fd00::4"}
		nodes := make(map[string]*zretest.Watched)
		for name, address := range addresses {
			nodes[name] = zretest.Start(t, lan.Host(address), zre.WithName(name))
		}
		advance(2 * time.Minute)
		for name, w := range nodes {
			expectCounts(t, w, map[string]int{"zre.Enter": len(nodes) - 1})
			for _, p := range w.Peers() {
				if err := w.Whisper(t.Context(), p.UUID, []byte(name)); err != nil {
					t.Error(err)
				}
				at, err := netip.ParseAddrPort(strings.TrimPrefix(p.Endpoint, "tcp://"))
				if err != nil {
					t.Errorf("%s reaches %s at %s", name, p.Name, p.Endpoint)
				} else if byFour := strings.HasPrefix(name, "both") && strings.HasPrefix(p.Name, "both"); at.Addr().Is4() != byFour {
					t.Errorf("%s reaches %s at %s", name, p.Name, p.Endpoint)
				}
			}
		}
		advance(time.Second)
		for _, w := range nodes {
			if got := counts(w)["zre.Whisper"]; got != len(nodes)-1 {
				t.Errorf("%s heard %d whispers", w.Name(), got)
			}
		}
	})
}

// If a peer changes its address while two nodes are meeting, they meet at the new one, whatever was in transit.
func TestMovesWhileMeeting(t *testing.T) {
	for after := time.Duration(0); after < 1500*time.Millisecond; after += 50 * time.Millisecond {
		inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
			lan.SetLink(zretest.Link{Latency: 200 * time.Millisecond})
			a := zretest.Start(t, lan.Host("10.0.0.1"), zre.WithName("a"))
			host := lan.Host("10.0.0.2")
			b := zretest.Start(t, host, zre.WithName("b"))
			advance(after)
			host.SetAddresses("eth0", "10.0.0.77")
			advance(25 * time.Second)
			for w, o := range map[*zretest.Watched]*zretest.Watched{a: b, b: a} {
				if _, met := w.Peer(o.UUID()); !met {
					t.Errorf("moved after %v: %s has not met %s", after, w.Name(), o.Name())
				} else if err := w.Whisper(t.Context(), o.UUID(), []byte("hello")); err != nil {
					t.Error(err)
				}
			}
			advance(10 * time.Second)
			if counts(a)["zre.Whisper"] != 1 || counts(b)["zre.Whisper"] != 1 {
				t.Errorf("moved after %v: a heard %d whispers, b %d", after, counts(a)["zre.Whisper"], counts(b)["zre.Whisper"])
			}
		})
	}
}
