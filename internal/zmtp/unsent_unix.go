//go:build linux || darwin

package zmtp

import "golang.org/x/sys/unix"

// limitUnsent sets the bound on a socket. Without it messages wait longer behind others, and that is all.
func limitUnsent(fd uintptr, octets int) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, octets)
}
