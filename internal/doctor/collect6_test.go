package doctor

import (
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// On a network with both address families, or with IPv6 alone.
func TestCollectIPv6(t *testing.T) {
	four := func(to netip.AddrPort) bool { return to.Addr().Is4() }
	six := func(to netip.AddrPort) bool { return to.Addr().Is6() }
	start := func(w *world, swallow func(netip.AddrPort) bool, options ...zre.Option) {
		zretest.Start(w.t, &faulty{Host: w.lan.Host("10.0.0.2"), swallow: swallow}, append(options, zre.WithName("alice"))...)
	}
	for _, c := range []struct {
		name  string
		build func(w *world)
		want  string // problems | notes
		check func(t *testing.T, r *Report)
	}{
		{"a healthy pair", func(w *world) { start(w, nil) }, " | ", func(t *testing.T, r *Report) {
			n, i := r.Nodes[0], r.Interfaces[1]
			if len(n.Beacons) != 4 || len(n.Mailboxes) != 2 {
				t.Fatalf("alice is told as %+v", n)
			}
			for k, want := range []struct {
				six   bool
				state string
			}{{false, ""}, {false, "idle"}, {true, ""}, {true, "idle"}} {
				if h := n.Beacons[k]; h.Address.Is6() != want.six || h.State != want.state || want.six && h.Address.Zone() != "eth0" {
					t.Errorf("beacons %d of alice: %+v", k, h)
				}
			}
			if m := n.Mailboxes; m[0].Endpoint[:12] != "tcp://10.0.0" || m[1].Endpoint[:12] != "tcp://[fe80:" || m[0].Answer != Zre || m[1].Answer != Zre ||
				m[1].From == nil || !m[1].From.IsLinkLocalUnicast() {
				t.Errorf("her mailboxes: %+v, %+v", m[0], m[1])
			}
			if len(i.Beacons) != 4 || len(i.Endpoints) != 2 || len(i.Used) != 2 {
				t.Errorf("eth0 is told as %+v", i)
			}
			for _, b := range i.Beacons {
				if b.Back < 3 {
					t.Errorf("to %v: %d heard back", b.To, b.Back)
				}
			}
			if len(r.Ports) != 4 || r.Ports[3].Family != IPv6 || r.Ports[3].Port != 15670 {
				t.Errorf("ports: %+v", r.Ports)
			}
		}},
		{"IPv6 alone", func(w *world) {
			w.us.SetAddresses("eth0")
			h := w.lan.Host("10.0.0.2")
			h.SetAddresses("eth0")
			zretest.Start(w.t, h)
		}, " | ", func(t *testing.T, r *Report) {
			if n := r.Nodes[0]; !n.Entered || len(n.Mailboxes) != 1 || !strings.HasPrefix(n.Endpoint, "tcp://[fe80:") {
				t.Errorf("the other node: %+v", n)
			}
			if r.Self.Port == 0 || len(r.Interfaces[1].Endpoints) != 1 || r.Interfaces[0].Use != "used" {
				t.Errorf("self %+v, interfaces %+v", r.Self, r.Interfaces)
			}
		}},
		{"alone", func(*world) {}, " | alone", nil},
		{"IPv6 left out", func(w *world) {
			w.cfg.Interfaces = []string{"!::/0"}
			start(w, nil)
		}, " | ", func(t *testing.T, r *Report) {
			if i := r.Interfaces[1]; len(i.Beacons) != 2 || len(r.Nodes[0].Mailboxes) != 1 {
				t.Errorf("eth0 is told as %+v", i)
			}
		}},

		{"a firewall here blocks IPv6, and nobody is found", func(w *world) { w.us.swallow = six }, "beacons-lost | ", func(t *testing.T, r *Report) {
			if f := r.Problems[0]; !strings.Contains(f.Text, "IPv6 beacons to [ff02::1]:5670 and [ff12::5a:5245]:15670 on eth0") || !strings.Contains(f.Try, "for IPv6 too") {
				t.Errorf("%+v", f)
			}
		}},
		{"a firewall here blocks IPv6, IPv4 does", func(w *world) { w.us.swallow = six; start(w, nil) }, " | beacons-lost", nil},
		{"a firewall here blocks IPv4, IPv6 does", func(w *world) { w.us.swallow = four; start(w, nil) }, " | beacons-lost", func(t *testing.T, r *Report) {
			if f := r.Notes[0]; !strings.Contains(f.Text, "pyre") {
				t.Errorf("%+v", f)
			}
		}},
		{"one kind of each", func(w *world) {
			w.us.swallow = func(to netip.AddrPort) bool { return six(to) == (to.Port() == 5670) }
			start(w, nil)
		}, "beacons-lost beacons-lost | ", nil},
		{"the network drops IPv6", func(w *world) { start(w, six) }, " | no-ipv6", nil},
		{"the network drops IPv4", func(w *world) { start(w, four) }, " | no-ipv4", nil},
		{"the network filters multicast of IPv6", func(w *world) {
			start(w, func(to netip.AddrPort) bool { return six(to) && to.Port() == 15670 })
		}, " | no-multicast", nil},
		{"a firewall drops TCP of IPv6", func(w *world) {
			start(w, nil)
			w.us.dial = func(address string) error { return map[bool]error{true: os.ErrDeadlineExceeded}[address[0] == '['] }
		}, " | mailbox-silent", nil},
		{"the port of IPv6 is taken", func(w *world) {
			w.us.listenPacket = func(network string, port int) error {
				return map[bool]error{true: os.NewSyscallError("bind", syscall.EADDRINUSE)}[network == "udp6" && port == 15670]
			}
			start(w, nil)
		}, " | udp-port-taken", func(t *testing.T, r *Report) {
			if i := r.Interfaces[1]; len(i.Beacons) != 3 || len(i.Used) != 2 || len(i.Addresses) != 2 {
				t.Errorf("eth0 is told as %+v", i)
			}
			if p := r.Ports; len(p) != 4 || p[1].Taken || !p[3].Taken || !strings.HasSuffix(r.Notes[0].Text, "so nodes here work without them.") {
				t.Errorf("ports %+v: %+v", r.Ports, r.Notes)
			}
		}},
		{"the ports of both are taken", func(w *world) {
			w.us.listenPacket = func(string, int) error { return os.NewSyscallError("bind", syscall.EADDRINUSE) }
		}, "udp-port-taken udp-port-taken | ", func(t *testing.T, r *Report) {
			if text := r.Problems[0].Text; !strings.HasPrefix(text, "UDP port 5670 of IPv4 and IPv6, for the beacons, is held") {
				t.Error(text)
			}
		}},

		{"a named one by its link-local address", func(w *world) {
			h := w.lan.Host("10.0.0.2")
			zretest.Start(w.t, h, zre.WithListen("tcp://*:5671"), zre.WithBeaconPort(6000))
			w.cfg.Peers = endpoint(endpointOf(linkLocal(w.t, h).WithZone("eth0"), 5671))
		}, " | peer-unheard", func(t *testing.T, r *Report) {
			if p := r.Peers[0]; p.Mailboxes[0].Answer != Zre || !p.Entered || len(r.Nodes) != 1 {
				t.Errorf("%+v, nodes %+v", p, r.Nodes)
			}
		}},
		{"a name with an address of each family", func(w *world) {
			start(w, nil, zre.WithListen("tcp://10.0.0.2:5671"))
			w.lan.SetHostName("alice.example", "fd77::2", "10.0.0.2")
			w.cfg.Peers = endpoint("tcp://alice.example:5671")
		}, " | no-ipv6 peer-unreachable", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lan := zretest.NewLAN(t, zretest.IPv6())
				us := &faulty{Host: lan.Host("10.0.0.1")}
				w := &world{t: t, lan: lan, us: us, cfg: Config{Network: us}}
				c.build(w)
				r := collect(t, w.cfg, c.want)
				if c.check != nil {
					c.check(t, r)
				}
			})
		})
	}
}

// linkLocal returns the link-local address of a host's eth0.
func linkLocal(t *testing.T, h beacon.Network) netip.Addr {
	t.Helper()
	all, err := h.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all[1].Addrs {
		if p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
			return p.Addr()
		}
	}
	t.Fatal("eth0 has no link-local address")
	return netip.Addr{}
}
