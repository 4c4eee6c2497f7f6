//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package beacon

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// control prepares a socket before it is bound. The BSDs and macOS share a port among processes, and give each of them every broadcast and
// multicast, if all set both options (C zyre and pyre do).
func control(_, _ string, conn syscall.RawConn) error {
	var err error
	failed := conn.Control(func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
		)
	})
	return errors.Join(failed, err)
}

// controlGroups is control for a socket of state beacons.
func controlGroups(network, address string, conn syscall.RawConn) error {
	return control(network, address, conn)
}

// alreadyJoined tells whether err says that the socket is a member of the group already.
func alreadyJoined(err error) bool { return errors.Is(err, unix.EADDRINUSE) }

// noFamily tells whether err says that this system has no addresses of a family.
func noFamily(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)
}
