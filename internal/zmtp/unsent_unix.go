//go:build linux || darwin

package zmtp

import "golang.org/x/sys/unix"

// limitUnsent sets the bound on a socket. If that fails, messages just wait longer behind others.
func limitUnsent(fd uintptr, octets int) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, octets)
}
