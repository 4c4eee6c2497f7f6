package zre

import (
	"github.com/google/uuid"

	"github.com/go-zre/go-zre/node"
)

// Peer is what was known of a peer at one moment. It does not change; later events have a newer one. Do not modify its map and slice: events share
// them.
type Peer struct {
	UUID      uuid.UUID
	Name      string            // need not be unique
	Endpoint  string            // where it listens, "tcp://address:port"
	Headers   map[string]string // its properties, by name
	Groups    []string          // the groups that it is in, in the order in which it joined them
	Transport string            // how messages reach it: "tcp", "ipc" (a unix socket of this host) or "inproc" (within this process)
	State     State             // StateUnknown for implementations without states
	PublicKey PublicKey         // the key that it has proven; zero if this node has no certificate

	// What waited to be sent to it when Peer, Peers, PeersIn, PeersWith, WaitFor or Choose was called; 0 in events.
	QueuedMessages int
	QueuedBytes    int64 // including frame headers; within a process 24 bytes more for each frame
}

// publicPeer returns the Peer for one of the engine, made once for each snapshot: events share it.
func publicPeer(p *node.Peer) *Peer {
	return &Peer{
		UUID:           p.UUID,
		Name:           p.Name,
		Endpoint:       p.Endpoint,
		Headers:        p.Headers,
		Groups:         p.Groups,
		Transport:      p.Transport,
		State:          State(p.State),
		PublicKey:      PublicKey(p.PublicKey),
		QueuedMessages: p.QueuedMessages,
		QueuedBytes:    p.QueuedBytes,
	}
}

// peerOf returns the Peer for one of the engine, or nil for nil.
func peerOf(p *node.Peer) *Peer {
	if p == nil {
		return nil
	}
	if public, ok := p.Public.(*Peer); ok {
		return public
	}
	return publicPeer(p)
}

func peersOf(list []*node.Peer) []*Peer {
	peers := make([]*Peer, len(list))
	for i, p := range list {
		peers[i] = peerOf(p)
	}
	return peers
}
