package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/msg"
)

// A node may share its figures with peers of this implementation (Config.ShareStats). It announces the word "stats" in READY. A peer asks with
// ASK-STATS and gets one STATS, at most one per second, however often it asks. Figures are a peer's own claim; nothing in the engine depends
// on them.

const (
	statsGap   = time.Second     // the least time between two STATS to a peer
	statsFresh = statsGap / 2    // how long figures may be reused for other peers that ask
	statsRetry = 2 * time.Second // when ASK-STATS is sent again, if a caller still waits
)

// ErrStatsNotShared: the peer does not share its figures, is of another implementation, or is not connected yet.
var ErrStatsNotShared = errors.New("the peer does not share its stats")

// SharedStats are the figures that a peer shares. zre.SharedStats documents them.
type SharedStats struct {
	Uptime         time.Duration
	Sent, Received Traffic
	Lost           uint64
	QueuedMessages int
	QueuedOctets   int64
	WaitingEvents  int
	Peers          int
	Busiest        []SharedPeerStats
}

// SharedPeerStats are its figures about one of its peers.
type SharedPeerStats struct {
	UUID                            uuid.UUID
	SentMessages, SentBytes         uint64
	ReceivedMessages, ReceivedBytes uint64
	QueuedMessages                  int
	RTT                             time.Duration
}

// peerFigures is a session's state for figures, in both directions.
type peerFigures struct {
	asked    atomic.Bool // the peer asked for our figures, and they are not sent yet
	answered time.Time   // when they were last sent; owned by the control loop
	shared   atomic.Bool // the peer shares its figures

	mu      sync.Mutex // a leaf
	pending *figuresWait
	askedAt time.Time // when the figures that waits is for were asked for
}

// figuresWait waits for a requested STATS; any number of callers may share it.
type figuresWait struct {
	came  chan struct{}
	stats SharedStats // set before came is closed
}

// SharedStats asks a peer for its figures and waits for them.
func (n *Node) SharedStats(ctx context.Context, id uuid.UUID) (SharedStats, error) {
	fail := func(err error) (SharedStats, error) { return SharedStats{}, fmt.Errorf("shared stats: %w", err) }
	if err := n.lifecycle.checkStarted(); err != nil {
		return fail(err)
	}
	failed := &PeerError{UUID: id, Err: ErrUnknownPeer}
	p := n.addressee(id)
	if p == nil {
		return fail(n.cfg.Public.peerError(failed))
	}
	failed.Name = p.snapshot.Load().Name
	if !p.figures.shared.Load() {
		failed.Err = ErrStatsNotShared
		return fail(n.cfg.Public.peerError(failed))
	}
	for {
		wait, isAsked := p.figures.wait(time.Now())
		if !isAsked {
			p.out.Control(msg.AppendAskStats)
		}
		again := time.NewTimer(statsRetry)
		select {
		case <-wait.came:
			again.Stop()
			return wait.stats, nil
		case <-again.C:
			continue
		case <-ctx.Done():
			again.Stop()
			return fail(context.Cause(ctx))
		case <-p.out.Done():
			failed.Err = errUnanswered
		case <-n.done:
		}
		again.Stop()
		if err := n.lifecycle.checkStarted(); err != nil {
			return fail(err)
		}
		return fail(n.cfg.Public.peerError(failed))
	}
}

// wait returns what to wait for, and whether the figures were already asked for.
func (f *peerFigures) wait(now time.Time) (wait *figuresWait, isAsked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending != nil && now.Sub(f.askedAt) < statsRetry {
		return f.pending, true
	}
	if f.pending == nil {
		f.pending = &figuresWait{came: make(chan struct{})}
	}
	f.askedAt = now
	return f.pending, false
}

// take hands the figures of a STATS to the waiting callers. It reports whether they are well formed. If no caller waits, it ignores them unread.
func (f *peerFigures) take(figures []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending == nil {
		return true
	}
	list, err := msg.ParseFigures(figures)
	if err != nil {
		return false
	}
	f.pending.stats = sharedStatsOf(list)
	close(f.pending.came)
	f.pending = nil
	return true
}

// sharedStatsOf converts figures from a peer. They may be any numbers, so they are limited to the range of their types.
func sharedStatsOf(f *msg.Figures) SharedStats {
	s := SharedStats{
		Uptime:         time.Duration(min(f.Uptime, math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond,
		Sent:           Traffic(f.Sent),
		Received:       Traffic(f.Received),
		Lost:           f.Lost,
		QueuedMessages: int(min(f.QueuedMessages, math.MaxInt32)),
		QueuedOctets:   int64(min(f.QueuedOctets, math.MaxInt64)),
		WaitingEvents:  int(min(f.WaitingEvents, math.MaxInt32)),
		Peers:          int(min(f.Peers, math.MaxInt32)),
		Busiest:        make([]SharedPeerStats, len(f.List)),
	}
	for i, p := range f.List {
		s.Busiest[i] = SharedPeerStats{
			UUID: p.UUID, SentMessages: p.SentMessages, SentBytes: p.SentOctets, ReceivedMessages: p.ReceivedMessages, ReceivedBytes: p.ReceivedOctets,
			QueuedMessages: int(min(p.QueuedMessages, math.MaxInt32)), RTT: time.Duration(p.RTT) * time.Microsecond,
		}
	}
	return s
}

// answerStats answers a peer that asked for our figures, now or as soon as statsGap allows.
func (n *Node) answerStats(s *session) {
	if n.sessions[s.uuid] != s || s.mailbox == nil {
		s.figures.asked.Store(false) // it may ask again
		return
	}
	if wait := statsGap - time.Since(s.figures.answered); wait > 0 {
		n.after(wait, func() { n.answerStats(s) })
		return
	}
	s.figures.asked.Store(false)
	s.figures.answered = time.Now()
	if messages, _ := s.out.Depth(); messages >= n.cfg.Limits.QueueMessages/2 {
		return // a peer that does not read its answers gets no more of them
	}
	figures := n.sharing.figures(n)
	s.out.Control(func(dst []byte, sequence uint16) []byte { return msg.AppendStats(dst, sequence, figures) })
}

// sharing makes the figures that are shared with peers. The control loop owns it.
type sharing struct {
	taken  time.Time
	last   *msg.Figures
	counts map[uuid.UUID]uint64 // messages of each peer at that time
}

// figures returns figures that are at most statsFresh old.
func (s *sharing) figures(n *Node) *msg.Figures {
	now := time.Now()
	if s.last != nil && now.Sub(s.taken) < statsFresh {
		return s.last
	}
	st := n.Stats()
	s.taken, s.last = now, &msg.Figures{
		Uptime:         uint64(max(now.Sub(st.Started).Milliseconds(), 0)),
		Sent:           msg.TrafficFigures(st.Sent),
		Received:       msg.TrafficFigures(st.Received),
		Lost:           st.Lost,
		QueuedMessages: uint64(st.QueuedMessages),
		QueuedOctets:   uint64(st.QueuedOctets),
		WaitingEvents:  uint32(st.WaitingEvents),
		Peers:          uint32(st.Peers),
		List:           s.busiest(n),
	}
	return s.last
}

// busiest lists the peers with the most messages since the last list, then those with the most in all.
func (s *sharing) busiest(n *Node) []msg.PeerFigures {
	type peer struct {
		msg.PeerFigures
		lately, all uint64
	}
	counts := make(map[uuid.UUID]uint64, len(n.present))
	list := make([]peer, 0, len(n.present))
	for id := range n.present {
		st, ok := n.PeerStats(id)
		if !ok {
			continue
		}
		p := peer{PeerFigures: peerFiguresOf(id, st)}
		p.all = p.SentMessages + p.ReceivedMessages
		p.lately = p.all - min(s.counts[id], p.all)
		counts[id] = p.all
		list = append(list, p)
	}
	s.counts = counts
	slices.SortFunc(list, func(a, b peer) int {
		return cmp.Or(cmp.Compare(b.lately, a.lately), cmp.Compare(b.all, a.all), slices.Compare(a.UUID[:], b.UUID[:]))
	})
	list = list[:min(len(list), msg.MaxFiguresPeers)]
	figures := make([]msg.PeerFigures, len(list))
	for i := range list {
		figures[i] = list[i].PeerFigures
	}
	return figures
}

func peerFiguresOf(id uuid.UUID, st PeerStats) msg.PeerFigures {
	return msg.PeerFigures{
		UUID:             id,
		SentMessages:     st.Sent.Whispers + st.Sent.Shouts,
		SentOctets:       st.Sent.Octets,
		ReceivedMessages: st.Received.Whispers + st.Received.Shouts,
		ReceivedOctets:   st.Received.Octets,
		QueuedMessages:   uint32(st.QueuedMessages),
		RTT:              uint32(min(max(st.RTT.Microseconds(), 0), math.MaxUint32)),
	}
}
