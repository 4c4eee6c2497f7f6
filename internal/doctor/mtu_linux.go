package doctor

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// pathMTU returns the MTU of a connection's path, in bytes, as far as the system has learned it; 0 if it is not known.
func pathMTU(nc net.Conn) (mtu int) {
	c, ok := nc.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			mtu = int(info.Pmtu)
		}
	})
	return mtu
}
