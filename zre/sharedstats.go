package zre

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/node"
)

// SharedStats are the figures that a peer shows of itself: see WithSharedStats. Nothing proves them. Use them for display only.
type SharedStats struct {
	Uptime time.Duration // of the peer when it took the figures; for rates, use the difference between two of them

	// Since it started, as in its Stats.
	Sent     Traffic
	Received Traffic
	Lost     uint64

	// When it took the figures, as in its Stats.
	QueuedMessages int
	QueuedBytes    int64
	WaitingEvents  int
	Peers          int

	// Busiest are those of its peers with the most messages lately, 64 at most.
	Busiest []SharedPeerStats
}

// SharedPeerStats are figures of a peer for one of its own peers, since the session of the two began.
type SharedPeerStats struct {
	UUID             uuid.UUID
	SentMessages     uint64 // to the peer of this UUID
	SentBytes        uint64
	ReceivedMessages uint64 // from it
	ReceivedBytes    uint64
	QueuedMessages   int           // wait to be sent to it
	RTT              time.Duration // of the last PING; 0 if none was answered
}

// SharedStats asks a peer for its figures and waits for them, until ctx ends. Give ctx a timeout: a peer may not answer. A peer answers at most once a
// second; an earlier question waits until then. A program may call it in the loop that reads the events.
//
// Errors: ErrStatsNotShared (at once) and ErrUnknownPeer (also if the peer leaves), both in a *PeerError; ErrNotStarted, ErrClosed, or the context's.
func (n *Node) SharedStats(ctx context.Context, peer uuid.UUID) (SharedStats, error) {
	s, err := n.engine.SharedStats(ctx, peer)
	if err != nil {
		return SharedStats{}, err
	}
	return sharedStatsOf(s), nil
}

func sharedStatsOf(s node.SharedStats) SharedStats {
	st := SharedStats{
		Uptime: s.Uptime, Sent: trafficOf(s.Sent), Received: trafficOf(s.Received), Lost: s.Lost, QueuedMessages: s.QueuedMessages, QueuedBytes: s.QueuedOctets,
		WaitingEvents: s.WaitingEvents, Peers: s.Peers, Busiest: make([]SharedPeerStats, len(s.Busiest)),
	}
	for i, p := range s.Busiest {
		st.Busiest[i] = SharedPeerStats(p)
	}
	return st
}
