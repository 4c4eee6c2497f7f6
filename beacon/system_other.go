//go:build !linux && !windows && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package beacon

import "syscall"

// control leaves a socket as it is: on this system one process at a time can use the port.
func control(_, _ string, _ syscall.RawConn) error { return nil }

// controlGroups is control for a socket of state beacons.
func controlGroups(network, address string, conn syscall.RawConn) error {
	return control(network, address, conn)
}

// alreadyJoined reports whether err says that the socket is a member of the group already.
func alreadyJoined(error) bool { return false }

// noFamily reports whether err says that this system has no addresses of a family.
func noFamily(error) bool { return false }
