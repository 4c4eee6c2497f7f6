//go:build !linux

package zmtp

import "net"

// deliveryOf has no means on this system.
func deliveryOf(*net.TCPConn) (d Delivery, ok bool) { return d, false }
