package beacon

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// control prepares a socket of classic beacons before it is bound. It shares its port with all implementations: C zyre and pyre set both
// SO_REUSEADDR and SO_REUSEPORT, zyre.js and gyre only the first. With both it can be bound beside each of them, in any order; with only
// the first it cannot be bound beside one that has only the second.
//
// IP_MULTICAST_ALL must stay on here, as it is by default. If a single socket wants a multicast from another host, Linux delivers that to a
// random one of the sockets with SO_REUSEPORT (early demultiplexing chooses again among them). While all sockets want all multicasts, no
// socket is single. So a neighbour that has joined a group on this port, as pyre does without a broadcast interface, hears all of it. IPv6
// has no early demultiplexing.
func control(network, _ string, conn syscall.RawConn) error {
	return prepare(conn, network == "udp6", unix.SO_REUSEADDR, unix.SO_REUSEPORT)
}

// controlGroups prepares a socket of state beacons. It receives only the groups and interfaces that it has joined itself, so it must not
// have SO_REUSEPORT, as above; only our sockets are on that port.
func controlGroups(_, _ string, conn syscall.RawConn) error {
	return prepare(conn, true, unix.SO_REUSEADDR)
}

// prepare sets options that share the port, and, with groups, makes the socket receive only the groups that it joins. Not every kernel that
// calls itself Linux has that option, nor has it for IPv6 before 4.20; handleDatagram checks the destination in any case.
func prepare(conn syscall.RawConn, groups bool, sharing ...int) error {
	var err error
	failed := conn.Control(func(fd uintptr) {
		for _, option := range append(sharing, unix.SO_BROADCAST) {
			err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1))
		}
		if groups { // for the other family it fails
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0)
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0)
		}
	})
	return errors.Join(failed, err)
}

// alreadyJoined tells whether err says that the socket is a member of the group already.
func alreadyJoined(err error) bool { return errors.Is(err, unix.EADDRINUSE) }

// noFamily tells whether err says that this system has no addresses of a family.
func noFamily(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)
}
