package beacon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Watch implements [Watcher], by a netlink socket (rtnetlink(7)) that receives a message for each change of a link or an address.
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
	running.Go(func() { readMessages(socket, changed) })
	return func() {
		socket.Close()
		running.Wait()
	}, nil
}

// readMessages calls changed for each message. A scan will find the details, so messages are cut to their headers; if the system had no room for
// messages, there were some. A removed link is noted, because a scan may be too late to see it: see removals.
func readMessages(messages io.Reader, changed func()) {
	var b [unix.SizeofNlMsghdr + unix.SizeofIfInfomsg]byte
	for {
		n, err := messages.Read(b[:])
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		info := b[unix.SizeofNlMsghdr:]
		if err == nil && n == len(b) && binary.NativeEndian.Uint16(b[4:]) == unix.RTM_DELLINK && info[0] == unix.AF_UNSPEC { // not of a bridge's port
			removed.add(int(int32(binary.NativeEndian.Uint32(info[4:]))))
		}
		changed()
	}
}

// removals counts the removed interfaces, by index. A new interface with the index of a removed one is a different one, though a socket
// still seems to be in its groups: Linux keeps the membership in its list, and does not let the socket join again before it has left.
type removals struct {
	mu    sync.Mutex
	times map[int]int
}

// removed is shared by all watches of this process.
var removed = removals{times: make(map[int]int)}

// maxRemovals bounds what is remembered. Forgetting costs a needless leave and join.
const maxRemovals = 4096

func (r *removals) add(index int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.times) >= maxRemovals {
		clear(r.times)
	}
	r.times[index]++
}

func (r *removals) count(index int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.times[index]
}
