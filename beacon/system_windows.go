package beacon

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// control prepares a socket before it is bound. On Windows SO_REUSEADDR alone shares a port, and each socket receives its own copy of a
// broadcast or multicast.
func control(_, _ string, conn syscall.RawConn) error {
	var err error
	failed := conn.Control(func(fd uintptr) {
		err = errors.Join(
			windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1),
			windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_BROADCAST, 1),
		)
	})
	return errors.Join(failed, err)
}

// controlGroups is control for a socket of state beacons.
func controlGroups(network, address string, conn syscall.RawConn) error {
	return control(network, address, conn)
}

// alreadyJoined tells whether err may say that the socket is a member of the group already. Microsoft documents WSAEADDRNOTAVAIL, others
// occur; if one of them means a true failure, the next scan tries again.
func alreadyJoined(err error) bool {
	return errors.Is(err, windows.WSAEADDRNOTAVAIL) || errors.Is(err, windows.WSAEADDRINUSE) || errors.Is(err, windows.WSAEINVAL)
}

// noFamily tells whether err says that this system has no addresses of a family.
func noFamily(err error) bool {
	return errors.Is(err, windows.WSAEAFNOSUPPORT) || errors.Is(err, windows.WSAEADDRNOTAVAIL)
}
