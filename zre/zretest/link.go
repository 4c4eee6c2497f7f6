package zretest

import (
	"slices"
	"time"
)

// Link describes how bytes travel from one host to another, in each direction. Between processes of one host they take 20 µs, and nothing
// else happens to them.
type Link struct {
	// Latency is the travel time. A random part of Jitter is added to it each time. Datagrams can overtake each other within the
	// jitter.
	Latency, Jitter time.Duration

	// Loss, Duplicate and Reorder are the shares, from 0 to 1, of datagrams that get lost, arrive twice, or are delayed by 1 to 10 ms
	// so that others overtake them. A connection hides them: where segments were lost its bytes are late by 200 ms and more, as TCP
	// sends them again.
	Loss, Duplicate, Reorder float64

	// Bandwidth is the number of bytes per second from one host to another; 0 means unlimited. A datagram that would have to wait for
	// more than a second is lost.
	Bandwidth int

	// MaxPacket is the longest packet that arrives, in bytes; 0 means any. A longer one is silently lost each time, as in a tunnel whose
	// router sends no ICMP: a datagram, or all that one Write sends to a connection. That connection takes nothing more in this direction.
	// Other connections and shorter packets pass.
	MaxPacket int
}

// The behaviour of TCP, with the values of Linux and of the keepalive settings of package zre.
const (
	firstRetransmit  = 200 * time.Millisecond  // the first one; it doubles each time
	synRetry         = time.Second             // until a connection attempt is retried; it doubles each time
	resolveTimeout   = 2990 * time.Millisecond // until an address without a host is found unreachable; a node gives up after 3 s
	keepaliveIdle    = 15 * time.Second        // until a silent connection is probed
	keepaliveTimeout = 30 * time.Second        // until it is given up without an answer
	sendTimeout      = 15 * time.Minute        // until it is given up while data is unacknowledged
	window           = 256 << 10               // bytes sent and not yet read
	backlog          = 128                     // connections not yet accepted
)

var localLink = Link{Latency: 20 * time.Microsecond}

// maxQueueDelay is the maximum time that a datagram waits for others.
const maxQueueDelay = time.Second

// SetLink sets all links, including those set between two hosts.
func (l *LAN) SetLink(link Link) {
	defer l.lock()()
	clear(l.links)
	l.link = link
	l.topologyChanged()
}

// SetLinkBetween sets the link between two hosts, in both directions.
func (l *LAN) SetLinkBetween(a, b *Host, link Link) {
	defer l.lock()()
	l.links[path{a.machine, b.machine}] = link
	l.links[path{b.machine, a.machine}] = link
	l.topologyChanged()
}

func (l *LAN) linkOf(from, to *machine) Link {
	if from == to {
		return localLink
	}
	if link, ok := l.links[path{from, to}]; ok {
		return link
	}
	return l.link
}

// passes tells whether that many bytes pass as one packet.
func (l *Link) passes(size int) bool { return l.MaxPacket == 0 || size <= l.MaxPacket }

// chance is true with that probability.
func (l *LAN) chance(share float64) bool { return share > 0 && l.rng.Float64() < share }

// transitTime returns the travel time of data. A path of limited bandwidth is busy while it sends the data. If bound is positive and the data
// would wait for longer than that, it is not sent.
func (l *LAN) transitTime(p path, link Link, size int, bound time.Duration) (total time.Duration, ok bool) {
	total = link.Latency
	if link.Jitter > 0 {
		total += time.Duration(l.rng.Int64N(int64(link.Jitter)))
	}
	if link.Bandwidth > 0 {
		now := l.now()
		end := max(l.busyUntil[p], now) + time.Duration(size)*time.Second/time.Duration(link.Bandwidth)
		if bound > 0 && end > now+bound {
			return 0, false
		}
		l.busyUntil[p] = end
		total += end - now
	}
	return total, true
}

// Partition cuts these hosts off from all others, in both directions. They stay connected among themselves, and so do the others, including
// hosts added later. Several partitions add up, until Heal. Connections across the cut stay; what is sent on them waits.
func (l *LAN) Partition(side ...*Host) {
	defer l.lock()()
	for _, in := range l.machines {
		for _, out := range l.machines {
			if isIn(side, in) != isIn(side, out) {
				l.blocked[path{in, out}] = true
			}
		}
	}
	l.topologyChanged()
}

// Block stops all traffic from one host to another, in this direction only, until Heal.
func (l *LAN) Block(from, to *Host) {
	defer l.lock()()
	l.blocked[path{from.machine, to.machine}] = true
	l.topologyChanged()
}

// Heal ends all partitions and blocks. Data on connections arrives when TCP retries: the longer the cut was, the longer that takes, up to
// the length of the cut.
func (l *LAN) Heal() {
	defer l.lock()()
	clear(l.blocked)
	l.topologyChanged()
}

func isIn(side []*Host, m *machine) bool {
	return slices.ContainsFunc(side, func(h *Host) bool { return h.machine == m })
}
