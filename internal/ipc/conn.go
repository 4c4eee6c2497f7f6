//go:build linux || darwin || freebsd

package ipc

import (
	"fmt"
	"net"
)

// checkPeer returns an error unless the process at the other end has this effective user. What counts is the user at the time when it
// connected, or began to listen.
func checkPeer(conn *net.UnixConn, want int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("ipc: cannot find out which user owns the other end: %w", err)
	}
	var uid uint32
	var askErr error
	if err = raw.Control(func(fd uintptr) { uid, askErr = peerUID(int(fd)) }); err == nil {
		err = askErr
	}
	switch {
	case err != nil:
		return fmt.Errorf("ipc: cannot find out which user owns the other end: %w", err)
	case int(uid) != want:
		return fmt.Errorf("ipc: the other end of %v belongs to user %d, this process to %d", conn.RemoteAddr(), uid, want)
	}
	return nil
}

// socketBuffer is what a socket may hold, in bytes; Linux doubles it, and caps it at net.core.wmem_max. Linux's own default of 208 KiB (macOS: 8
// KiB) makes writer and reader take turns: with this value, writes of 64 KiB to 1 MiB are 1.2 to 1.6 times as fast.
const socketBuffer = 512 << 10

func tune(conn *net.UnixConn) *net.UnixConn {
	// If the system does not allow this much the buffer stays as it was, which is only slower.
	_ = conn.SetWriteBuffer(socketBuffer)
	_ = conn.SetReadBuffer(socketBuffer) // Linux ignores it; BSD keeps the data on that side
	return conn
}
