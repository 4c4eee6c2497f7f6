package zretest_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// inBothFamilies is inFakeTime with IPv6.
func inBothFamilies(t *testing.T, test func(t *testing.T, lan *zretest.LAN)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		lan := zretest.NewLAN(t, zretest.IPv6())
		lan.SetLink(zretest.Link{Latency: time.Millisecond})
		test(t, lan)
	})
}

// linkLocal returns the link-local address of a host's first Ethernet interface.
func linkLocal(t testing.TB, h *zretest.Host) netip.Addr {
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
	t.Fatalf("%v has no link-local address", h)
	return netip.Addr{}
}

// IPv6 multicasts reach the sockets on the wire that joined, whatever their subnets. Nothing sent by IPv4 arrives there.
func TestDatagramDeliveryIPv6(t *testing.T) {
	const group = "ff12::7"
	inBothFamilies(t, func(t *testing.T, lan *zretest.LAN) {
		hosts := map[string]*zretest.Host{
			"self": lan.Host("10.0.0.1 fd00::1"),
			"near": lan.Host("10.0.0.2"),
			"six":  lan.Host("fd00::3"),
			"bare": lan.Host("fe80::4"),
			"far":  lan.Host("10.1.0.5 fd01::5"),
			"deaf": lan.Host("10.0.0.6"),
		}
		ears := make(map[string]*datagramLog)
		for name, h := range hosts {
			s, err := h.ListenPacket("udp6", 7)
			if err != nil {
				t.Fatal(err)
			}
			ears[name] = logDatagrams(t, s)
			if name != "deaf" {
				if err := s.Join(netip.MustParseAddr(group), 2); err != nil {
					t.Fatal(err)
				}
			}
		}
		four := listen(t, hosts["self"], 7)
		own := linkLocal(t, hosts["self"])
		for _, c := range []struct {
			src, dst string
			heard    []string
		}{
			{own.String(), group, []string{"self", "near", "six", "bare"}},
			{"fd00::1", group, []string{"self", "near", "six", "bare"}},
			{own.String(), "ff12::8", nil},
			{own.String(), "fe80::4", []string{"bare"}},
			{"fd00::1", "fd00::3", []string{"six"}},
			{"fd00::1", "fd01::5", nil},
		} {
			ears["self"].sendFrom(t, "x", c.src, fmt.Sprintf("[%s]:7", c.dst))
			advance(time.Millisecond)
			for name, e := range ears {
				var want []string
				if slices.Contains(c.heard, name) {
					want = []string{fmt.Sprintf("x from [%s]:7 to %s on 2", c.src, c.dst)}
				}
				expectEqual(t, fmt.Sprintf("%s of %s to %s", name, c.src, c.dst), e.takeAll(), want)
			}
		}
		four.sendFrom(t, "x", "10.0.0.1", "255.255.255.255:7")
		advance(time.Millisecond)
		expectEqual(t, "IPv4", four.takeAll(), []string{"x from 10.0.0.1:7 to 255.255.255.255 on 2"})
		for name, e := range ears {
			expectEqual(t, name+" of IPv4", e.takeAll(), nil)
		}
		to := beacon.Destination{Dst: netip.MustParseAddrPort("[ff12::7]:7"), Src: own, IfIndex: 2}
		if err := four.WriteTo([]byte("x"), to); !errors.Is(err, syscall.EAFNOSUPPORT) {
			t.Errorf("IPv6 through a socket of IPv4: %v", err)
		}
		lo := beacon.Destination{Dst: netip.MustParseAddrPort("[ff12::7]:7"), Src: netip.IPv6Loopback(), IfIndex: 1}
		if err := ears["self"].WriteTo([]byte("x"), lo); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("multicast on lo: %v", err)
		}
	})
}

// Connections by IPv6: a dial to a link-local address names its interface, and each end sees its own interface's name.
func TestStreamIPv6(t *testing.T) {
	inBothFamilies(t, func(t *testing.T, lan *zretest.LAN) {
		a, b := lan.Host("10.9.0.1", "10.0.0.1 fd00::1"), lan.Host("10.0.0.2 fd00::2")
		l, err := b.Listen(t.Context(), "tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		theirs := linkLocal(t, b).String()
		for _, c := range []struct {
			address string
			err     error
			remote  string // what the server sees, without the port
		}{
			{"[fd00::2]:80", nil, "fd00::1"},
			{"10.0.0.2:80", nil, "10.0.0.1"},
			{"[" + theirs + "%eth1]:80", nil, "fe80::ff:1:3%eth0"},
			{"[" + theirs + "%eth0]:80", syscall.EHOSTUNREACH, ""},
			{"[" + theirs + "%eth7]:80", syscall.EINVAL, ""},
			{"[" + theirs + "]:80", syscall.EINVAL, ""},
			{"[fe80::9%eth1]:80", syscall.EHOSTUNREACH, ""},
			{"[fd00::2]:81", syscall.ECONNREFUSED, ""},
			{"[fd01::2]:80", syscall.ENETUNREACH, ""},
		} {
			client, err := a.Dial(contextFor(t, time.Minute), "tcp", c.address)
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("%s: %v, want %v", c.address, err, c.err)
			}
			if err != nil {
				continue
			}
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if host, _, _ := net.SplitHostPort(server.RemoteAddr().String()); host != c.remote {
				t.Errorf("%s: the server sees %s, want %s", c.address, host, c.remote)
			}
			if client.RemoteAddr().String() != c.address {
				t.Errorf("%s: the client sees %v", c.address, client.RemoteAddr())
			}
			read := reading(server, false)
			if _, err := client.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			(<-read).expect(t, "x", nil, time.Millisecond)
			client.Close()
			server.Close()
		}
	})
}

// A link-local address stays when the other addresses change.
func TestAddressesIPv6(t *testing.T) {
	inBothFamilies(t, func(t *testing.T, lan *zretest.LAN) {
		h := lan.Host("10.0.0.1 fd00::1/48")
		expect := func(want string) {
			t.Helper()
			all, _ := h.Interfaces()
			if got := fmt.Sprint(all[0].Addrs, all[1].Addrs); got != "[127.0.0.1/8 ::1/128] "+want {
				t.Errorf("got %s, want lo's and %s", got, want)
			}
		}
		expect("[10.0.0.1/24 fd00::1/48 fe80::ff:1:2/64]")
		h.SetAddresses("eth0")
		expect("[fe80::ff:1:2/64]")
		h.SetAddresses("eth0", "fe80::7", "10.0.0.1")
		expect("[fe80::7/64 10.0.0.1/24]")
		h.SetAddresses("eth0", "fd00::1")
		expect("[fd00::1/64 fe80::ff:1:2/64]")
	})
}

// Nodes find each other by any address family that they share.
func TestNodesIPv6(t *testing.T) {
	for _, c := range [][2]string{
		{"10.0.0.1", "10.0.0.2"},
		{"fd00::1", "fd00::2"},
		{"fe80::1", "fe80::2"},
		{"10.0.0.1 fd00::1", "fd00::2"},
		{"10.0.0.1 fd00::1", "10.0.0.2 fd00::2"},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			inBothFamilies(t, func(t *testing.T, lan *zretest.LAN) {
				a := zretest.Start(t, lan.Host(c[0]), zre.WithName("a"))
				b := zretest.Start(t, lan.Host(c[1]), zre.WithName("b"))
				zretest.Next[zre.Enter](a)
				zretest.Next[zre.Enter](b)
				if err := a.Whisper(t.Context(), b.UUID(), zretest.Number(0)); err != nil {
					t.Error(err)
				}
				zretest.Next[zre.Whisper](b)
			})
		})
	}
}
