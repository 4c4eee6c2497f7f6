package zmtp

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// A connection keeps little unsent data in the kernel, and one on this host little unread data. (The kernel doubles the value that it
// gets.)
func TestUnsent(t *testing.T) {
	nc := loopback(t)
	tune(nc)
	localSource(nc)
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct {
		name                string
		level, option, want int
	}{
		{"unsent", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, minLocalBuffer},
		{"unread", unix.SOL_SOCKET, unix.SO_RCVBUF, 2 * minLocalBuffer},
	} {
		got := 0
		failed := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), o.level, o.option) })
		if failed != nil || err != nil || got != o.want {
			t.Errorf("%d bytes may wait %s, want %d; %v, %v", got, o.name, o.want, failed, err)
		}
	}
}

// loopback returns a connection within this host.
func loopback(t *testing.T) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", listen(t).Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

func TestIsSameHost(t *testing.T) {
	for _, c := range []struct {
		local, remote string
		near          bool
	}{
		{"127.0.0.1", "127.0.0.2", true},
		{"::1", "::1", true},
		{"10.0.0.1", "10.0.0.1", true},
		{"fe80::1%eth0", "fe80::1%eth0", true},
		{"::ffff:10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"fe80::1%eth0", "fe80::1%eth1", false},
	} {
		nc := addresses{local: tcpAddr(c.local), remote: tcpAddr(c.remote)}
		if got := isSameHost(nc); got != c.near {
			t.Errorf("from %s to %s: %v", c.local, c.remote, got)
		}
	}
	ours, _ := memPair(1)
	if isSameHost(ours) {
		t.Error("an address that is none of IP is taken for one of this host")
	}
}

func tcpAddr(addr string) net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 1))
}

// addresses is a connection that has only addresses.
type addresses struct {
	net.Conn
	local, remote net.Addr
}

func (a addresses) LocalAddr() net.Addr  { return a.local }
func (a addresses) RemoteAddr() net.Addr { return a.remote }

// The bound follows what is read, and never falls.
func TestLocalReadBuffer(t *testing.T) {
	nc := loopback(t)
	n := localSource(nc).(*localConn)
	for _, c := range []struct{ octets, want int }{
		{1, minLocalBuffer}, {3*minLocalBuffer + 1, 3*minLocalBuffer + 1}, {2 * minLocalBuffer, 3*minLocalBuffer + 1}, {2 * maxLocalBuffer, maxLocalBuffer}, {0, maxLocalBuffer},
	} {
		if n.raiseBound(c.octets); n.bound != c.want {
			t.Errorf("after %d bytes a time the bound is %d, want %d", c.octets, n.bound, c.want)
		}
	}
	ours, _ := memPair(1)
	if localSource(ours) != source(ours) {
		t.Error("a connection that is not TCP's has a bound")
	}
}
