package netmap

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

const (
	askTimeout = 5 * time.Second // how long an answer may take
	retryAfter = 5 * time.Second // after this a peer that does not share is asked again
	ratesStale = 6 * time.Second // maximum age of figures
	maxAsking  = 64              // how many peers are asked at a time
	maxRate    = 1e9             // limit for figures of a peer
)

// A Poller asks peers for their figures and computes rates from two answers. Its methods may be called from any goroutine.
type Poller struct {
	node *zre.Node

	mu     sync.Mutex
	peers  map[uuid.UUID]*pollState
	asking int
}

// pollState is the state of one peer.
type pollState struct {
	busy     bool
	next     time.Time // do not ask before
	received time.Time // when last arrived
	last     zre.SharedStats
	rates    *Shared
}

// Shared is what a peer shows of itself.
type Shared struct {
	Rates
	Links map[uuid.UUID]SharedLink // to its busiest peers
}

// SharedLink holds the rates at which a peer sends to one of its own peers, and receives from it, in messages a second.
type SharedLink struct {
	Sent, Received float64
	RTT            time.Duration
}

// NewPoller makes a Poller for the peers of a node.
func NewPoller(node *zre.Node) *Poller {
	return &Poller{node: node, peers: make(map[uuid.UUID]*pollState)}
}

// Poll asks the peers that are due, and forgets those that left. It does not wait. What it started ends with ctx, or within 5 s.
func (p *Poller) Poll(ctx context.Context, peers []*zre.Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	present := make(map[uuid.UUID]bool, len(peers))
	for _, peer := range peers {
		id := peer.UUID
		present[id] = true
		s := p.peers[id]
		if s == nil {
			s = new(pollState)
			p.peers[id] = s
		}
		if s.busy || now.Before(s.next) || p.asking >= maxAsking {
			continue
		}
		s.busy = true
		p.asking++
		go p.ask(ctx, id, s)
	}
	for id := range p.peers {
		if !present[id] {
			delete(p.peers, id)
		}
	}
}

func (p *Poller) ask(ctx context.Context, id uuid.UUID, s *pollState) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	st, err := p.node.SharedStats(ctx, id)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asking--
	s.busy = false
	now := time.Now()
	if err != nil {
		s.next = now.Add(retryAfter)
		return
	}
	if !s.received.IsZero() && st.Uptime > s.last.Uptime {
		s.rates = ratesOf(&s.last, &st)
	}
	s.last, s.received = st, now
}

// Of returns what a peer shows, or nil if it shows nothing, or nothing recent.
func (p *Poller) Of(id uuid.UUID) *Shared {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.peers[id]
	if s == nil || s.rates == nil || time.Since(s.received) > ratesStale {
		return nil
	}
	return s.rates
}

// ratesOf computes rates from two answers of a peer, which may contain anything.
func ratesOf(before, after *zre.SharedStats) *Shared {
	seconds := (after.Uptime - before.Uptime).Seconds()
	r := &Shared{
		Rates: Rates{
			Sent:           rate(before.Sent.Whispers+before.Sent.Shouts, after.Sent.Whispers+after.Sent.Shouts, seconds),
			SentBytes:      rate(before.Sent.Bytes, after.Sent.Bytes, seconds),
			Received:       rate(before.Received.Whispers+before.Received.Shouts, after.Received.Whispers+after.Received.Shouts, seconds),
			ReceivedBytes:  rate(before.Received.Bytes, after.Received.Bytes, seconds),
			QueuedMessages: after.QueuedMessages,
			WaitingEvents:  after.WaitingEvents,
			Peers:          after.Peers,
			Uptime:         after.Uptime.Seconds(),
		},
		Links: make(map[uuid.UUID]SharedLink, len(after.Busiest)),
	}
	old := make(map[uuid.UUID]zre.SharedPeerStats, len(before.Busiest))
	for _, b := range before.Busiest {
		old[b.UUID] = b
	}
	for _, a := range after.Busiest {
		b, known := old[a.UUID]
		if !known {
			b = a // it was not among the busiest, so how much of this is new is unknown
		}
		r.Links[a.UUID] = SharedLink{
			Sent:     rate(b.SentMessages, a.SentMessages, seconds),
			Received: rate(b.ReceivedMessages, a.ReceivedMessages, seconds),
			RTT:      a.RTT,
		}
	}
	return r
}

// rate is 0 if a count decreased, as after a new session.
func rate(before, after uint64, seconds float64) float64 {
	if after <= before || seconds <= 0 {
		return 0
	}
	return min(float64(after-before)/seconds, maxRate)
}
