package zmtp

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A connection keeps little unsent in the kernel.
func TestUnsent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	tune(nc)
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	failed := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT) })
	if failed != nil || err != nil || got != unsent {
		t.Errorf("%d octets may wait unsent, want %d; %v, %v", got, unsent, failed, err)
	}
}
