package testbed

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

// listen opens a UDP socket on a host.
func listen(t *testing.T, h *Host, address string) net.PacketConn {
	t.Helper()
	var conn net.PacketConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenPacket("udp4", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestHostsReachEachOther(t *testing.T) {
	lan := NewLAN(t, "")
	alice, bob := lan.Host("alice"), lan.Host("bob")
	if !lan.Subnet.Contains(alice.Addr) || alice.Addr == bob.Addr {
		t.Fatalf("addresses %v and %v in %v", alice.Addr, bob.Addr, lan.Subnet)
	}
	from, to := listen(t, alice, alice.Addr.String()+":0"), listen(t, bob, "0.0.0.0:5000")
	send := func(destination string) error {
		_, err := from.WriteTo([]byte(destination), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(destination)))
		return err
	}
	receive := func(want string) {
		t.Helper()
		buffer := make([]byte, 100)
		_ = to.SetReadDeadline(time.Now().Add(Patience))
		n, source, err := to.ReadFrom(buffer)
		if err != nil || string(buffer[:n]) != want {
			t.Fatalf("bob got %q from %v, %v; want %q", buffer[:n], source, err, want)
		}
	}
	unicast := netip.AddrPortFrom(bob.Addr, 5000).String()
	if err := send(unicast); err != nil {
		t.Fatal(err)
	}
	receive(unicast)

	alice.Link(false)
	if err := send(unicast); err == nil {
		t.Error("sending worked with the link down")
	}
	alice.Link(true)
	alice.Cable(false)
	if carrier := carrier(t, alice); carrier {
		t.Error("pulling the cable left the carrier on")
	}
	alice.Cable(true)
	if err := send(unicast); err != nil {
		t.Fatal(err)
	}
	receive(unicast)
}

// carrier tells whether the host's interface has one.
func carrier(t *testing.T, h *Host) bool {
	t.Helper()
	return !strings.Contains(must(t, "-n", h.namespace, "link", "show", h.Interface), "NO-CARRIER")
}

// The process of the tests must have nothing but lo and bridges without an address: no way out.
func TestNoWayOut(t *testing.T) {
	lan := NewLAN(t, "10.78.0.0/28")
	host := lan.Host("alice")
	for where, interfaces := range map[string]func() ([]net.Interface, error){
		"in the tests": net.Interfaces,
		"on a host": func() (list []net.Interface, err error) {
			err = host.Do(func() (err error) { list, err = net.Interfaces(); return err })
			return list, err
		},
	} {
		list, err := interfaces()
		if err != nil {
			t.Fatal(err)
		}
		if len(list) < 2 {
			t.Errorf("%s there are %d interfaces", where, len(list))
		}
		for _, i := range list {
			known := i.Name == "lo" || strings.HasPrefix(i.Name, "lan") || where == "on a host" && i.Name == host.Interface
			if !known {
				t.Errorf("%s there is an interface %q", where, i.Name)
			}
		}
	}
	if conn, err := net.Dial("udp4", "192.0.2.1:9"); err == nil {
		conn.Close()
		t.Error("there is a route to 192.0.2.1")
	}
}

func TestCommandRunsOnItsHost(t *testing.T) {
	lan := NewLAN(t, "")
	host := lan.Host("alice")
	tool, err := ipTool()
	if err != nil {
		t.Fatal(err)
	}
	out, err := host.Command(tool, "-4", "-o", "addr", "show", "dev", host.Interface).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(host.Addr.String()+"/24")) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestHostsEndWithTheirTest(t *testing.T) {
	var host *Host
	ended := make(chan error, 1)
	t.Run("test", func(t *testing.T) {
		host = NewLAN(t, "").Host("alice")
		cmd := host.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { ended <- cmd.Wait() }()
	})
	if host == nil {
		t.SkipNow() // what was missing has been reported
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("the process ended with %v", err)
		}
	case <-time.After(Patience):
		t.Fatal("the host's process outlived the test")
	}
	if _, err := os.Stat("/run/netns/" + host.namespace); err == nil {
		t.Error("the namespace is still there")
	}
}
