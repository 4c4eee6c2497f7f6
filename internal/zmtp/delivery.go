package zmtp

import "net"

// Delivery is what is known about the octets written to a connection.
type Delivery struct {
	// Acknowledged is how many octets the peer's system has acknowledged so far; it says nothing about the peer's program. If the system
	// does not report it (all but Linux, and whatever is not TCP), it is how many octets this system took.
	Acknowledged int64

	// Unacknowledged is how many octets this system took that are not acknowledged yet; 0 if the system does not report it.
	Unacknowledged int64

	// InFlight says that some of those were sent, to a peer that has room for them. If they stay unacknowledged for long, the cause is the
	// network or the peer's host. A peer whose program reads nothing has acknowledged all that it had room for, and acknowledges each probe
	// for more.
	InFlight bool
}

// A deliveryReporter is a net.Conn that reports its Delivery itself, for example a simulated one.
type deliveryReporter interface {
	Delivery() (acknowledged, unacknowledged int64, onWay bool)
}

// Delivery asks the system what became of the octets that were written.
func (c *Conn) Delivery() Delivery {
	if s, ok := c.link.(socket); ok {
		switch nc := s.Conn.(type) {
		case deliveryReporter:
			var d Delivery
			d.Acknowledged, d.Unacknowledged, d.InFlight = nc.Delivery()
			return d
		case *net.TCPConn:
			if d, ok := deliveryOf(nc); ok {
				return d
			}
		}
	}
	written, _ := c.Queue().Position()
	return Delivery{Acknowledged: written}
}

// Heard tells whether octets of the peer have come over a socket since the last call. A message that takes long to arrive is a sign of life
// before it is complete.
func (c *Conn) Heard() bool { return c.heard.Load() && c.heard.Swap(false) }

// Position returns how many octets of the queue were written so far, and how many that will be once all that waits or is in flight now is
// written. A connection's Delivery counts other octets too: those of its handshake, and of encryption.
func (q *Queue) Position() (written, end int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.writtenOctets, q.writtenOctets + q.octets
}
