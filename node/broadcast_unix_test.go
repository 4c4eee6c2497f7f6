//go:build unix

package node

import (
	"net"
	"syscall"
	"testing"
)

// allowBroadcast lets a socket send to broadcast addresses.
func allowBroadcast(t testing.TB, conn *net.UDPConn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if controlErr := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 1)
	}); controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
}
