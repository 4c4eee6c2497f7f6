//go:build !linux

package doctor

import "net"

// pathMTU is known only on Linux.
func pathMTU(net.Conn) int { return 0 }
