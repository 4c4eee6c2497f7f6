package zre

import (
	"github.com/google/uuid"

	"github.com/go-zre/go-zre/node"
)

// Peer is what is known of a peer at one moment. It does not change: a later event brings another. Treat its map and slice as
// read-only, since events share them.
type Peer struct {
	UUID      uuid.UUID
	Name      string            // as its HELLO gave it; not unique
	Endpoint  string            // where its mailbox is on the network, "tcp://address:port"
	Headers   map[string]string // the properties that its HELLO gave
	Groups    []string          // the groups it is in, as it joined them: the newest last; sort a copy to show them by name
	Transport string            // how messages reach it: "tcp", "ipc" on this host, "inproc" in this process
	State     State             // what it told last; StateUnknown for implementations without states

	// What waited to be sent to it when Peer, Peers, PeersIn or Choose was called; 0 in events.
	QueuedMessages int
	QueuedBytes    int64 // with the headers of frames; for a node of this process 24 more a frame
}

// publicPeer makes the Peer of an engine's, once for each snapshot: events share it.
func publicPeer(p *node.Peer) *Peer {
	return &Peer{
		UUID:           p.UUID,
		Name:           p.Name,
		Endpoint:       p.Endpoint,
		Headers:        p.Headers,
		Groups:         p.Groups,
		Transport:      p.Transport,
		State:          State(p.State),
		QueuedMessages: p.QueuedMessages,
		QueuedBytes:    p.QueuedBytes,
	}
}

// peerOf returns the Peer of an engine's; nil for nil.
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
