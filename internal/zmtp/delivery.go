package zmtp

import "net"

// Delivery is what is known of the octets that were written to a connection.
type Delivery struct {
	// Acknowledged is how many octets the peer's system has acknowledged so far; it tells nothing of the peer's program. Where the system
	// does not tell (all but Linux, and whatever is not TCP) it is how many this system took.
	Acknowledged int64

	// Unacknowledged is how many octets this system took that are not acknowledged yet; 0 where it does not tell.
	Unacknowledged int64

	// OnWay says that some of those were sent, to a peer that has room for them: if they are not acknowledged for long it is for the
	// way, or the peer's host. A peer whose program reads nothing has acknowledged all that it had room for, and acknowledges each
	// probe for more.
	OnWay bool
}

// A teller is a net.Conn that tells its Delivery itself, as a simulated one may.
type teller interface {
	Delivery() (acknowledged, unacknowledged int64, onWay bool)
}

// Delivery looks at what has become of the octets that were written. It asks the system.
func (c *Conn) Delivery() Delivery {
	if s, ok := c.link.(socket); ok {
		switch nc := s.Conn.(type) {
		case teller:
			var d Delivery
			d.Acknowledged, d.Unacknowledged, d.OnWay = nc.Delivery()
			return d
		case *net.TCPConn:
			if d, ok := deliveryOf(nc); ok {
				return d
			}
		}
	}
	return Delivery{Acknowledged: c.Queue().out()}
}

// Heard tells whether octets of the peer have come by a socket since it was last called. A message that takes long to arrive shows life
// before it is whole.
func (c *Conn) Heard() bool { return c.heard.Load() && c.heard.Swap(false) }

// out returns how many octets of the queue are written.
func (q *Queue) out() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sent
}
