package zmtp

import (
	"math/bits"
	"net"
	"time"
)

// How much may wait unread in the kernel on a connection within this host: what was read within nearTime, in octets. (Linux doubles the
// value.) The system's own bound adapts to what is read in a round trip. On one host a round trip takes as long as the waiting data, so
// that bound grows to its limit, 6 MiB and more: 60 ms of a flood of small messages (100 MB/s), and a PING waits behind them. Large
// messages come at 2 GB/s and get slower with a small bound. To a distant host a window must hold bandwidth times delay, which may be MiBs
// (1 Gb/s with 100 ms: 12 MB), so there the bound is the system's; a reader takes more than most links bring, and little waits.
const (
	nearTime  = time.Millisecond / 2
	leastNear = 64 << 10 // also the bound for what may wait unsent
	mostNear  = 256 << 10
	lookNear  = 16 << 20 // the bound is adapted after that many octets: fewer may come out of a buffer at once
)

// near is a connection within this host, with a bound that follows the messages.
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

// limit raises the bound, and never lowers it: a lower bound while octets are on their way makes the kernel drop them, and wait for 200 ms.
// If the call fails, messages just wait longer.
func (n *near) limit(octets int) {
	if octets = min(max(octets, leastNear), mostNear); octets > n.bound {
		n.bound = octets
		_ = n.SetReadBuffer(octets)
	}
}

// isNear tells whether both ends are on this host: a host that connects to an address of its own also has it as the local address.
func isNear(nc net.Conn) bool {
	remote := ipOf(nc.RemoteAddr())
	return remote.IsValid() && (remote.IsLoopback() || remote == ipOf(nc.LocalAddr()))
}
