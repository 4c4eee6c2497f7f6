package beacon

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// control prepares a socket before it is bound.
//
// SO_REUSEADDR alone lets every process of the machine, of any implementation and user, hear every beacon. SO_REUSEPORT
// would lock out implementations that do not set it, and would hand a multicast datagram to one socket of the port only.
// Without IP_MULTICAST_ALL (IPV6_MULTICAST_ALL from Linux 4.20 on) the socket receives from the groups and interfaces that
// it has joined itself, and no others; not every kernel that calls itself Linux has the option, and hear checks the
// destination in any case.
func control(network, _ string, conn syscall.RawConn) error {
	var err error
	failed := conn.Control(func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
		)
		if network == "udp6" {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0)
		} else {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0)
		}
	})
	return errors.Join(failed, err)
}

// alreadyJoined reports whether err says that the socket is a member of the group already.
func alreadyJoined(err error) bool { return errors.Is(err, unix.EADDRINUSE) }

// noFamily reports whether err says that this system has no addresses of a family.
func noFamily(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)
}
