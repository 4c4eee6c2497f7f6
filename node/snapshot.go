package node

import (
	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
)

// Peer is what is known of a peer at one moment. It never changes after it was made: many events share one. Treat its map and
// slice as read-only.
type Peer struct {
	UUID      uuid.UUID
	Name      string            // as its HELLO gave it
	Endpoint  string            // where its mailbox is on the network, "tcp://address:port"
	Headers   map[string]string // as its HELLO gave them
	Groups    []string          // the groups it is in, sorted
	Transport string            // how messages reach it: "tcp", "ipc" or "inproc"
	State     beacon.State      // what it told last; beacon.Unknown if it tells no state

	// What waited to be sent to it when Peer, Peers or PeersIn was called; 0 in events.
	QueuedMessages int
	QueuedOctets   int64 // with the headers of frames
}
