package zretest

import "time"

// send puts a segment in transit. Segments arrive in order. A segment that the link loses is sent again and delays those behind it.
func (c *conn) send(s segment) {
	l := c.host.lan
	from, to := c.host.machine, c.peer.host.machine
	link := l.linkOf(from, to)
	travel, _ := l.transitTime(path{from, to}, link, len(s.data), 0)
	s.due = l.now() + travel
	for delay := firstRetransmit; l.chance(link.Loss) && delay < time.Minute; delay *= 2 {
		s.due += delay
	}
	s.due = max(s.due, c.lastDue)
	c.lastDue = s.due
	c.out = append(c.out, s)
	c.outBytes += len(s.data)
	c.scheduleArrival(s.due)
}

// scheduleArrival sets the alarm for the first segment, unless there is one or the path is cut.
func (c *conn) scheduleArrival(due time.Duration) {
	if !c.pathOpen {
		c.recordHeld()
	} else if !c.arrivalScheduled {
		c.arrivalScheduled = true
		c.host.lan.schedule(due, c.arrive)
	}
}

// arrive delivers the segments that are due to the peer.
func (c *conn) arrive() {
	c.arrivalScheduled = false
	now := c.host.lan.now()
	if !c.pathOpen {
		c.recordHeld()
		return
	}
	for len(c.out) > 0 && c.out[0].due <= now {
		if !c.nextFits() {
			c.checkPath()
			return
		}
		s := c.out[0]
		c.out[0] = segment{}
		c.out = c.out[1:]
		c.outBytes -= len(s.data)
		c.delivered += int64(len(s.data))
		c.peer.receive(s)
	}
	if len(c.out) > 0 {
		c.scheduleArrival(c.out[0].due)
	}
}

// recordHeld records since when segments wait for the path.
func (c *conn) recordHeld() {
	if !c.isHeld && len(c.out) > 0 {
		c.isHeld, c.heldSince = true, c.host.lan.now()
	}
}

// receive handles a segment from the peer. An end that is closed or was given up does not know the connection any more.
func (c *conn) receive(s segment) {
	switch {
	case s.reset:
		c.fail(errReset)
	case c.closed || c.failure != nil:
		if !s.fin {
			c.sendReset()
		}
		c.peer.writable.Broadcast()
	case s.fin:
		c.peerClosed = true
		c.readable.Broadcast()
	default:
		c.unread = append(c.unread, s.data)
		c.unreadBytes += len(s.data)
		c.readable.Broadcast()
	}
}

// sendReset answers data for an unknown connection with a reset.
func (c *conn) sendReset() {
	if !c.resetSent {
		c.resetSent = true
		c.send(segment{reset: true})
	}
}

// checkPath checks after a change whether the path is free.
func (c *conn) checkPath() {
	l := c.host.lan
	open := c.reachesBothWays() && c.nextFits()
	if open == c.pathOpen {
		return
	}
	c.pathOpen = open
	c.pathChanges++
	outage := c.pathChanges
	if !open {
		c.recordHeld()
		l.schedule(l.now()+keepaliveTimeout, func() { c.giveUp(outage, keepaliveTimeout) })
		return
	}
	// TCP sends the segments at its next retry.
	due := l.now()
	if c.isHeld {
		again := c.heldSince
		for wait := firstRetransmit; again < due; wait *= 2 {
			again += wait
		}
		due = again
		c.isHeld = false
	}
	if len(c.out) > 0 {
		c.scheduleArrival(max(due+l.linkOf(c.host.machine, c.peer.host.machine).Latency, c.out[0].due))
	}
	if c.peer.vanished {
		l.schedule(due+time.Duration(l.rng.Int64N(int64(keepaliveIdle))), func() {
			if c.pathOpen {
				c.fail(errReset) // the answer to a probe
			}
		})
	}
}

// nextFits reports whether the next segment, if any, fits into a packet that passes.
func (c *conn) nextFits() bool {
	if len(c.out) == 0 || c.out[0].due > c.host.lan.now() {
		return true
	}
	link := c.host.lan.linkOf(c.host.machine, c.peer.host.machine)
	return link.passes(len(c.out[0].data))
}

// reachesBothWays reports whether both ends reach each other.
func (c *conn) reachesBothWays() bool {
	l, from, to := c.host.lan, c.host.machine, c.peer.host.machine
	return l.reaches(from, c.src, to, c.dst) && l.reaches(to, c.dst, from, c.src)
}

// giveUp ends the connection if the path was cut for that long. An idle connection ends soon, as its probes get no answer.
func (c *conn) giveUp(outage int, after time.Duration) {
	switch {
	case c.pathChanges != outage || c.closed:
	case len(c.out) > 0 && after < sendTimeout:
		l := c.host.lan
		l.schedule(l.now()+sendTimeout-after, func() { c.giveUp(outage, sendTimeout) })
	default:
		c.vanished = true
		c.fail(errTimeout)
	}
}
