package zmtp

import (
	"math/bits"
	"net"
	"time"
)

// How much may wait unread in the kernel on a connection within this host: what was read within localBufferTime, in octets. (Linux doubles the
// value.) The system's own bound adapts to what is read in a round trip. On one host a round trip takes as long as the waiting data, so
// that bound grows to its limit, 6 MiB and more: 60 ms of a flood of small messages (100 MB/s), and a PING waits behind them. Large
// messages come at 2 GB/s and get slower with a small bound. To a distant host a window must hold bandwidth times delay, which may be MiBs
// (1 Gb/s with 100 ms: 12 MB), so there the bound is the system's; a reader takes more than most links bring, and little waits.
const (
	localBufferTime = time.Millisecond / 2
	minLocalBuffer  = 64 << 10 // also the bound for what may wait unsent
	maxLocalBuffer  = 256 << 10
	adaptOctets     = 16 << 20 // the bound is adapted after that many octets: fewer may come out of a buffer at once
)

// localConn is a connection within this host, with a bound that follows the messages.
type localConn struct {
	*net.TCPConn
	bound  int
	octets int // read since then
	since  time.Time
}

// localSource returns the connection with its bound, if it is within this host.
func localSource(nc net.Conn) source {
	tcp, ok := nc.(*net.TCPConn)
	if !ok || !isSameHost(nc) {
		return nc
	}
	n := &localConn{TCPConn: tcp, since: time.Now()}
	n.raiseBound(minLocalBuffer)
	return n
}

func (n *localConn) Read(p []byte) (int, error) {
	count, err := n.TCPConn.Read(p)
	if n.octets += count; n.octets >= adaptOctets {
		now := time.Now()
		perTime := float64(n.octets) * float64(localBufferTime) / float64(max(now.Sub(n.since), 1))
		n.raiseBound(1 << bits.Len(uint(min(perTime, maxLocalBuffer))) >> 1)
		n.octets, n.since = 0, now
	}
	return count, err
}

// raiseBound raises the bound, and never lowers it: a lower bound while octets are on their way makes the kernel drop them, and wait for 200 ms.
// If the call fails, messages just wait longer.
func (n *localConn) raiseBound(octets int) {
	if octets = min(max(octets, minLocalBuffer), maxLocalBuffer); octets > n.bound {
		n.bound = octets
		_ = n.SetReadBuffer(octets)
	}
}

// isSameHost tells whether both ends are on this host: a host that connects to an address of its own also has it as the local address.
func isSameHost(nc net.Conn) bool {
	remote := ipOf(nc.RemoteAddr())
	return remote.IsValid() && (remote.IsLoopback() || remote == ipOf(nc.LocalAddr()))
}
