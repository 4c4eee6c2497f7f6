package beacon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Watch implements [Watcher], by a netlink socket (rtnetlink(7)) that receives a message for each change of a link or an
// address.
func (system) Watch(changed func()) (stop func(), err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err == nil {
		groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
		if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("beacon: watching the network interfaces by netlink: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "netlink")
	var running sync.WaitGroup
	running.Go(func() { tell(socket, changed) })
	return func() {
		socket.Close()
		running.Wait()
	}, nil
}

// tell calls changed for each message. What it says a scan will find out, so it is cut to its first octet; and where the
// system had no room for messages there were some.
func tell(messages io.Reader, changed func()) {
	var first [1]byte
	for {
		if _, err := messages.Read(first[:]); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		changed()
	}
}
