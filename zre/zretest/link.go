package zretest

import (
	"slices"
	"time"
)

// Link says how octets travel from one host to another, in each direction. Between the processes of one host they take 20 µs,
// and nothing happens to them.
type Link struct {
	// Latency is the time of travel. Jitter is added to it, a random part of it each time. Datagrams overtake each other
	// where the jitter lets them.
	Latency, Jitter time.Duration

	// Loss, Duplicate and Reorder are the shares, from 0 to 1, of datagrams that get lost, arrive twice, and are held up
	// by 1 to 10 ms, so that others overtake them. A connection hides them: its octets are late where segments were lost,
	// by 200 ms and more, as TCP sends them again.
	Loss, Duplicate, Reorder float64

	// Bandwidth is how many octets a second go from one host to another; 0 means any number. A datagram that would have
	// to wait for more than a second is lost.
	Bandwidth int

	// MaxPacket is the longest packet that arrives, in octets; 0 for any. A longer one gets lost, each time, and nobody is told, as in a
	// tunnel whose router sends no ICMP: a datagram, or all that one Write sends to a connection. That connection takes nothing more in
	// this direction; others, and what is shorter, pass.
	MaxPacket int
}

// What TCP does, with the values of Linux and of the keepalive that package zre asks for.
const (
	retransmission = 200 * time.Millisecond  // the first one, and then twice as long each time
	synWait        = time.Second             // until a connection is tried again, then twice as long
	resolveWait    = 2990 * time.Millisecond // until an address that no host has is found unreachable; 3 s are the end of a node's patience
	keepaliveIdle  = 15 * time.Second        // until a silent connection is probed
	keepaliveEnd   = 30 * time.Second        // until it is given up for want of an answer
	sendEnd        = 15 * time.Minute        // the same, while octets wait for their acknowledgement
	window         = 256 << 10               // octets sent and not yet read
	backlog        = 128                     // connections not yet accepted
)

var onHost = Link{Latency: 20 * time.Microsecond}

// queueing is how long a datagram may wait for others at most.
const queueing = time.Second

// SetLink makes all links be like this, those too that were set for two hosts.
func (l *LAN) SetLink(link Link) {
	defer l.lock()()
	clear(l.links)
	l.link = link
	l.changed()
}

// SetLinkBetween makes the link between two hosts be like this, in both directions.
func (l *LAN) SetLinkBetween(a, b *Host, link Link) {
	defer l.lock()()
	l.links[path{a.machine, b.machine}] = link
	l.links[path{b.machine, a.machine}] = link
	l.changed()
}

func (l *LAN) linkOf(from, to *machine) Link {
	if from == to {
		return onHost
	}
	if link, ok := l.links[path{from, to}]; ok {
		return link
	}
	return l.link
}

// fits tells whether so many octets pass as one packet.
func (l *Link) fits(octets int) bool { return l.MaxPacket == 0 || octets <= l.MaxPacket }

// chance decides by the dice.
func (l *LAN) chance(share float64) bool { return share > 0 && l.rng.Float64() < share }

// travel returns how long octets are on their way. A path of bounded bandwidth is busy with them until then, unless bound is
// positive and they would wait for longer than that: then they don't go.
func (l *LAN) travel(p path, link Link, octets int, bound time.Duration) (total time.Duration, ok bool) {
	total = link.Latency
	if link.Jitter > 0 {
		total += time.Duration(l.rng.Int64N(int64(link.Jitter)))
	}
	if link.Bandwidth > 0 {
		now := l.now()
		end := max(l.busy[p], now) + time.Duration(octets)*time.Second/time.Duration(link.Bandwidth)
		if bound > 0 && end > now+bound {
			return 0, false
		}
		l.busy[p] = end
		total += end - now
	}
	return total, true
}

// Partition cuts the hosts named off from all others, in both directions. Among themselves they stay connected, and so do
// the others, and hosts added later. Several partitions add up, until Heal. Connections across the cut stay as they are: what
// is sent waits.
func (l *LAN) Partition(side ...*Host) {
	defer l.lock()()
	for _, in := range l.machines {
		for _, out := range l.machines {
			if isIn(side, in) != isIn(side, out) {
				l.blocked[path{in, out}] = true
			}
		}
	}
	l.changed()
}

// Block stops all that goes from one host to another, in this direction alone, until Heal.
func (l *LAN) Block(from, to *Host) {
	defer l.lock()()
	l.blocked[path{from.machine, to.machine}] = true
	l.changed()
}

// Heal ends all partitions and blocks. What connections have to send arrives when TCP tries again: the longer the cut was,
// the longer that takes, up to as long as the cut itself.
func (l *LAN) Heal() {
	defer l.lock()()
	clear(l.blocked)
	l.changed()
}

func isIn(side []*Host, m *machine) bool {
	return slices.ContainsFunc(side, func(h *Host) bool { return h.machine == m })
}
