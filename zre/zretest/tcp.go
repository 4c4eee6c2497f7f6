package zretest

import "time"

// send puts a segment in transit. Segments arrive in order. A segment that the link loses is sent again and delays those behind it.
func (c *conn) send(s segment) {
	l := c.host.lan
	from, to := c.host.machine, c.peer.host.machine
	link := l.linkOf(from, to)
	travel, _ := l.travel(path{from, to}, link, len(s.octets), 0)
	s.due = l.now() + travel
	for again := retransmission; l.chance(link.Loss) && again < time.Minute; again *= 2 {
		s.due += again
	}
	s.due = max(s.due, c.lastDue)
	c.lastDue = s.due
	c.out = append(c.out, s)
	c.outOctets += len(s.octets)
	c.expect(s.due)
}

// expect sets the alarm for the first segment, unless there is one or the path is cut.
func (c *conn) expect(due time.Duration) {
	if !c.open {
		c.hold()
	} else if !c.coming {
		c.coming = true
		c.host.lan.at(due, c.arrive)
	}
}

// arrive delivers the segments that are due to the peer.
func (c *conn) arrive() {
	c.coming = false
	now := c.host.lan.now()
	if !c.open {
		c.hold()
		return
	}
	for len(c.out) > 0 && c.out[0].due <= now {
		if !c.fits() {
			c.update()
			return
		}
		s := c.out[0]
		c.out[0] = segment{}
		c.out = c.out[1:]
		c.outOctets -= len(s.octets)
		c.delivered += int64(len(s.octets))
		c.peer.receive(s)
	}
	if len(c.out) > 0 {
		c.expect(c.out[0].due)
	}
}

// hold records since when segments wait for the path.
func (c *conn) hold() {
	if !c.isHeld && len(c.out) > 0 {
		c.isHeld, c.held = true, c.host.lan.now()
	}
}

// receive handles a segment from the peer. An end that is closed or was given up does not know the connection any more.
func (c *conn) receive(s segment) {
	switch {
	case s.reset:
		c.fail(errReset)
	case c.closed || c.failure != nil:
		if !s.fin {
			c.refuse()
		}
		c.peer.writable.Broadcast()
	case s.fin:
		c.ended = true
		c.readable.Broadcast()
	default:
		c.unread = append(c.unread, s.octets)
		c.unreadOctets += len(s.octets)
		c.readable.Broadcast()
	}
}

// refuse answers data for an unknown connection with a reset.
func (c *conn) refuse() {
	if !c.resetSent {
		c.resetSent = true
		c.send(segment{reset: true})
	}
}

// update checks after a change whether the path is free.
func (c *conn) update() {
	l := c.host.lan
	open := c.isOpen() && c.fits()
	if open == c.open {
		return
	}
	c.open = open
	c.outage++
	outage := c.outage
	if !open {
		c.hold()
		l.at(l.now()+keepaliveEnd, func() { c.giveUp(outage, keepaliveEnd) })
		return
	}
	// TCP sends the segments at its next retry.
	due := l.now()
	if c.isHeld {
		again := c.held
		for wait := retransmission; again < due; wait *= 2 {
			again += wait
		}
		due = again
		c.isHeld = false
	}
	if len(c.out) > 0 {
		c.expect(max(due+l.linkOf(c.host.machine, c.peer.host.machine).Latency, c.out[0].due))
	}
	if c.peer.gone {
		l.at(due+time.Duration(l.rng.Int64N(int64(keepaliveIdle))), func() {
			if c.open {
				c.fail(errReset) // the answer to a probe
			}
		})
	}
}

// fits reports whether the next segment, if any, fits into a packet that passes.
func (c *conn) fits() bool {
	if len(c.out) == 0 || c.out[0].due > c.host.lan.now() {
		return true
	}
	link := c.host.lan.linkOf(c.host.machine, c.peer.host.machine)
	return link.fits(len(c.out[0].octets))
}

// isOpen reports whether both ends reach each other.
func (c *conn) isOpen() bool {
	l, from, to := c.host.lan, c.host.machine, c.peer.host.machine
	return l.reaches(from, c.src, to, c.dst) && l.reaches(to, c.dst, from, c.src)
}

// giveUp ends the connection if the path was cut for that long. An idle connection ends soon, as its probes get no answer.
func (c *conn) giveUp(outage int, after time.Duration) {
	switch {
	case c.outage != outage || c.closed:
	case len(c.out) > 0 && after < sendEnd:
		l := c.host.lan
		l.at(l.now()+sendEnd-after, func() { c.giveUp(outage, sendEnd) })
	default:
		c.gone = true
		c.fail(errTimeout)
	}
}
