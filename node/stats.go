package node

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/internal/traffic"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Figures cost messages nothing. Sent messages are counted under the lock of the outbox, received ones under that of the event queue, which
// each message takes anyway. Everything else is counted where it is rare.

// Traffic counts WHISPER and SHOUT in one direction, and the bytes of their content.
type Traffic = traffic.Count

// TransportStats are the figures of one transport.
type TransportStats struct {
	Peers          int
	Sent, Received Traffic
}

// Stats are the figures of a node. zre.Stats documents them.
type Stats struct {
	Started    time.Time
	Transports map[string]TransportStats
	Sent       Traffic
	Received   Traffic

	Lost, Discarded, Unwanted, Invalid uint64

	QueuedMessages int
	QueuedOctets   int64
	QueueMemory    int64
	ReceiveMemory  int64
	WaitingEvents  int
	WaitingOctets  int64
	Limits         Limits

	Peers    int
	Sessions map[string]int
	Enters   uint64
	Exits    map[Reason]uint64

	Dials, DialsFailed uint64
	Connections        zmtp.Tally
	Beacons            beacon.Counts
	LeaderChanges      uint64
	Requests           RequestStats
}

// PeerStats are the figures of one peer. zre.PeerStats documents them.
type PeerStats struct {
	Session        string
	Since          time.Time
	Sent, Received Traffic
	QueuedMessages int
	QueuedOctets   int64
	RTT            time.Duration
}

// figures are the counters for Stats that are kept nowhere else.
type figures struct {
	unwanted      atomic.Uint64 // SHOUTs
	invalid       atomic.Uint64 // malformed messages
	dials         atomic.Uint64
	dialsFailed   atomic.Uint64
	enters        atomic.Uint64
	exits         [Refused + 1]atomic.Uint64
	leaderChanges atomic.Uint64

	mu      sync.Mutex
	started time.Time
	open    map[*session]struct{} // sessions that are not closed
	sent    traffic.Table         // by closed sessions
	closed  [2][]*outbox.Outbox   // of sessions that were closed since the last call of settle, and before it
	lost    uint64
}

func newFigures() figures { return figures{open: make(map[*session]struct{})} }

// start records when the node started.
func (f *figures) start(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = now
}

// begin adds a session.
func (f *figures) begin(s *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[s] = struct{}{}
}

// close records that a session is closed and sends no more. It is one step: no reader misses its sent messages, or counts them twice.
func (f *figures) close(s *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, isOpen := f.open[s]; !isOpen {
		return
	}
	delete(f.open, s)
	f.sent.Add(s.out.Accepted())
	f.closed[0] = append(f.closed[0], s.out)
}

// countLost counts the messages lost in sessions that were closed before the last call. Their connections have ended since, so nothing is on its
// way any more. It is called once a tick, and at the end of the node.
func (f *figures) countLost() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, out := range f.closed[1] {
		messages, _ := out.Lost()
		f.lost += uint64(max(messages, 0))
	}
	f.closed[0], f.closed[1] = nil, f.closed[0]
}

// trafficTransport returns the counter's name for a transport.
func trafficTransport(transport string) traffic.Transport {
	switch transport {
	case IPC:
		return traffic.IPC
	case Inproc:
		return traffic.Inproc
	}
	return traffic.TCP
}

// Stats returns the node's figures since New. It may be called at any time, also before Start and after Close. It does not block.
func (n *Node) Stats() Stats {
	st := Stats{
		Discarded:     n.discarded.Load(),
		Unwanted:      n.figures.unwanted.Load(),
		Invalid:       n.figures.invalid.Load(),
		QueueMemory:   n.queues.Used(),
		Limits:        n.cfg.Limits,
		Enters:        n.figures.enters.Load(),
		Exits:         make(map[Reason]uint64),
		DialsFailed:   n.figures.dialsFailed.Load(), // before Dials, so that it is not larger
		Dials:         n.figures.dials.Load(),
		LeaderChanges: n.figures.leaderChanges.Load(),
	}
	st.ReceiveMemory, _ = n.zmtp.ReceiveBudget.Held()
	st.WaitingEvents, st.WaitingOctets = n.events.Depth()
	for reason := Left; reason <= Refused; reason++ {
		st.Exits[reason] = n.figures.exits[reason].Load()
	}
	n.lifecycle.mu.Lock()
	agent, router := n.agent, n.router
	n.lifecycle.mu.Unlock()
	if agent != nil {
		st.Beacons, st.Connections = agent.Counts(), router.Tally()
	}
	sent := n.sumSessions(&st)
	n.sumTransports(&st, sent)
	return st
}

// sumSessions adds up the figures of the sessions, and returns the sent traffic.
func (n *Node) sumSessions(st *Stats) traffic.Table {
	f := &n.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	st.Started, st.Lost, st.Sessions = f.started, f.lost, make(map[string]int, stateCount)
	for _, name := range stateNames {
		st.Sessions[name] = 0
	}
	sent := f.sent
	for s := range f.open {
		sent.Add(s.out.Accepted())
		messages, bytes := s.out.Depth()
		st.QueuedMessages += messages
		st.QueuedOctets += bytes
		st.Sessions[state(s.shown.Load()).String()]++
	}
	st.Sent = sent.Sum()
	return sent
}

// sumTransports splits the sums by transport.
func (n *Node) sumTransports(st *Stats, sent traffic.Table) {
	var received traffic.Table
	st.Requests, received = n.requests.stats()
	received.Add(n.events.Received())
	st.Received, st.Transports = received.Sum(), make(map[string]TransportStats, len(allTransports))
	peers := make(map[string]int)
	n.mu.RLock()
	st.Peers = len(n.present)
	for _, s := range n.present {
		peers[s.snapshot.Load().Transport]++
	}
	n.mu.RUnlock()
	for _, name := range allTransports {
		st.Transports[name] = TransportStats{Peers: peers[name], Sent: sent[trafficTransport(name)], Received: received[trafficTransport(name)]}
	}
}

// PeerStats returns the figures of a peer, and whether it is present.
func (n *Node) PeerStats(id uuid.UUID) (PeerStats, bool) {
	n.mu.RLock()
	s := n.present[id]
	n.mu.RUnlock()
	if s == nil {
		return PeerStats{}, false
	}
	sent := s.out.Accepted()
	st := PeerStats{
		Session:  state(s.shown.Load()).String(),
		Since:    s.began,
		Sent:     sent.Sum(),
		Received: n.events.ReceivedFrom(s.stream.Load()),
		RTT:      s.out.RTT(),
	}
	st.Received.Add(n.requests.repliesOf(s))
	st.QueuedMessages, st.QueuedOctets = s.out.Depth()
	return st, true
}
