package zmtp

import (
	"net"

	"golang.org/x/sys/unix"
)

// deliveryOf asks the system; it returns false if the connection is closed. Kernels before 5.4 do not report the peer's window, which
// counts as closed then.
func deliveryOf(nc *net.TCPConn) (d Delivery, ok bool) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return d, false
	}
	failed := raw.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err != nil {
			return
		}
		d.Acknowledged = int64(info.Bytes_acked)
		d.InFlight = info.Unacked > 0 && info.Snd_wnd > 0
		if info.Unacked > 0 || info.Notsent_bytes > 0 {
			var waiting int
			waiting, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
			d.Unacknowledged = int64(waiting)
		}
	})
	return d, failed == nil && err == nil
}
