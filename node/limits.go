package node

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// Limits bounds what peers, and any host that can reach the node, can make it hold. A field that is 0 means its default.
// zre.Limits is the same type; its documentation gives the defaults and their reasons.
type Limits struct {
	FrameSize            int64
	MessageSize          int64
	Frames               int
	HelloSize            int
	Headers              int
	GroupsPerPeer        int
	Peers                int
	Unverified           int
	UnverifiedPerAddress int
	Handshakes           int
	HandshakesPerAddress int
	QueueMessages        int
	QueueBytes           int64
	TotalQueueBytes      int64
	Events               int
	EventBytes           int64
	PartialBytes         int64
	Requests             int
}

var defaultLimits = Limits{
	FrameSize:            64 << 20,
	MessageSize:          64 << 20,
	Frames:               1_024,
	HelloSize:            256 << 10,
	Headers:              1_000,
	GroupsPerPeer:        1_000,
	Peers:                4_096,
	Unverified:           512,
	UnverifiedPerAddress: 128,
	Handshakes:           512,
	HandshakesPerAddress: 128,
	QueueMessages:        10_000,
	QueueBytes:           64 << 20,
	TotalQueueBytes:      128 << 20,
	Events:               1_024,
	EventBytes:           64 << 20,
	PartialBytes:         64 << 20,
	Requests:             65_536,
}

// complete checks the limits and fills in the defaults.
func (l *Limits) complete() error {
	return errors.Join(
		limit("FrameSize", &l.FrameSize, defaultLimits.FrameSize),
		limit("MessageSize", &l.MessageSize, defaultLimits.MessageSize),
		limit("Frames", &l.Frames, defaultLimits.Frames),
		limit("HelloSize", &l.HelloSize, defaultLimits.HelloSize),
		limit("Headers", &l.Headers, defaultLimits.Headers),
		limit("GroupsPerPeer", &l.GroupsPerPeer, defaultLimits.GroupsPerPeer),
		limit("Peers", &l.Peers, defaultLimits.Peers),
		limit("Unverified", &l.Unverified, defaultLimits.Unverified),
		limit("UnverifiedPerAddress", &l.UnverifiedPerAddress, defaultLimits.UnverifiedPerAddress),
		limit("Handshakes", &l.Handshakes, defaultLimits.Handshakes),
		limit("HandshakesPerAddress", &l.HandshakesPerAddress, defaultLimits.HandshakesPerAddress),
		limit("QueueMessages", &l.QueueMessages, defaultLimits.QueueMessages),
		limit("QueueBytes", &l.QueueBytes, defaultLimits.QueueBytes),
		limit("TotalQueueBytes", &l.TotalQueueBytes, max(defaultLimits.TotalQueueBytes, 2*l.QueueBytes)),
		limit("Events", &l.Events, defaultLimits.Events),
		limit("EventBytes", &l.EventBytes, defaultLimits.EventBytes),
		limit("PartialBytes", &l.PartialBytes, defaultLimits.PartialBytes),
		limit("Requests", &l.Requests, defaultLimits.Requests),
	)
}

func limit[N int | int64](name string, field *N, standard N) error {
	if *field == 0 {
		*field = standard
	}
	if *field < 0 {
		return fmt.Errorf("node: limit %s is %d; it must be positive, or 0 for the default, %d", name, *field, standard)
	}
	return nil
}

var errTooManyPeers = errors.New("too many peers")

// noteTooManyPeers records a new peer for which there is no room. It runs in the control loop.
func (n *Node) noteTooManyPeers(id uuid.UUID) {
	n.hasTurnedAway = true
	n.log.Debug().Stringer("peer", id).Msg("peer ignored: too many")
	n.problems.raise(ProblemTooManyPeers, "Limits.Peers", nil, fmt.Errorf("%w: there is room for %d", errTooManyPeers, n.cfg.Limits.Peers))
}

// checkPeerLimit runs once a tick. It solves that problem once there is room and no peer was turned away for a tick.
func (n *Node) checkPeerLimit() {
	if len(n.sessions) < n.cfg.Limits.Peers && !n.hasTurnedAway {
		n.problems.solve(ProblemTooManyPeers, "Limits.Peers")
	}
	n.hasTurnedAway = false
}

// msg returns the limits of the message decoder.
func (l *Limits) msg() msg.Limits {
	return msg.Limits{Hello: l.HelloSize, Groups: l.GroupsPerPeer, Headers: l.Headers}
}

// zmtp returns the limits of the connections: one connection per peer, and as many again that are about to replace one.
func (l *Limits) zmtp() zmtp.Limits {
	return zmtp.Limits{
		FrameSize:         l.FrameSize,
		MessageSize:       l.MessageSize,
		Frames:            l.Frames,
		PendingHandshakes: l.Handshakes,
		PendingPerAddress: l.HandshakesPerAddress,
		Connections:       2 * l.Peers,
	}
}
