//go:build !linux && !windows && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package beacon

import "syscall"

// control leaves a socket unchanged: on this system only one process at a time can use the port.
func control(_, _ string, _ syscall.RawConn) error { return nil }

// controlGroups is control for a socket of state beacons.
func controlGroups(network, address string, conn syscall.RawConn) error {
	return control(network, address, conn)
}

// alreadyJoined tells whether err says that the socket is a member of the group already.
func alreadyJoined(error) bool { return false }

// noFamily tells whether err says that this system has no addresses of a family.
func noFamily(error) bool { return false }
