package zmtp

import (
	"math/bits"
	"net"
	"time"
)

// How much may wait unread in the kernel on a connection within this host: what was read within nearTime, in octets. (Linux makes it
// twice as much.) The system's own bound adapts to what is read in a round trip; on one host that takes as long as what waits there, so it
// grows to its limit, 6 MiB and more: 60 ms of a flood of small messages, which are 100 MB/s, and a PING waits behind them. Large ones are
// 2 GB/s and go slower with little. To a host far away a window is to hold the bandwidth times the delay, which may be MiBs
// (1 Gb/s by 100 ms: 12 MB), so there it is the system's; a reader takes more than most links bring, and little waits.
const (
	nearTime  = time.Millisecond / 2
	leastNear = 64 << 10 // also what may wait unsent there
	mostNear  = 256 << 10
	lookNear  = 16 << 20 // after so many octets the bound is looked at: fewer may come out of a buffer at once
)

// near is a connection within this host, whose bound follows the messages.
type near struct {
	*net.TCPConn
	bound  int
	octets int // read since then
	since  time.Time
}

// nearby returns the connection with its bound, if it is within this host.
func nearby(nc net.Conn) source {
	tcp, ok := nc.(*net.TCPConn)
	if !ok || !isNear(nc) {
		return nc
	}
	n := &near{TCPConn: tcp, since: time.Now()}
	n.limit(leastNear)
	return n
}

func (n *near) Read(p []byte) (int, error) {
	count, err := n.TCPConn.Read(p)
	if n.octets += count; n.octets >= lookNear {
		now := time.Now()
		perTime := float64(n.octets) * float64(nearTime) / float64(max(now.Sub(n.since), 1))
		n.limit(1 << bits.Len(uint(min(perTime, mostNear))) >> 1)
		n.octets, n.since = 0, now
	}
	return count, err
}

// limit raises the bound. It stays then: to lower it while octets are on their way makes the kernel drop them, and wait for 200 ms. Without
// it messages wait longer, and that is all.
func (n *near) limit(octets int) {
	if octets = min(max(octets, leastNear), mostNear); octets > n.bound {
		n.bound = octets
		_ = n.SetReadBuffer(octets)
	}
}

// isNear tells whether both ends are on this host: who connects to an address of its own has it too.
func isNear(nc net.Conn) bool {
	remote := ipOf(nc.RemoteAddr())
	return remote.IsValid() && (remote.IsLoopback() || remote == ipOf(nc.LocalAddr()))
}
