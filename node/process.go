package node

import (
	"sync"

	"github.com/google/uuid"
)

// process holds the listening nodes of this process, so that they reach each other without a socket.
var process = struct {
	sync.RWMutex // guards nodes; held only for the lookup
	nodes        map[processKey]*Node
}{nodes: make(map[processKey]*Node)}

// A processKey identifies a node in the process: nodes with equal networks count as one process.
type processKey struct {
	network Network
	uuid    uuid.UUID
}

// registerInProcess registers the node in its process. If two nodes have one UUID, the first one counts.
func (n *Node) registerInProcess() {
	process.Lock()
	defer process.Unlock()
	home := processKey{n.cfg.Network, n.cfg.UUID}
	if process.nodes[home] == nil {
		process.nodes[home] = n
	}
}

// unregisterFromProcess removes that registration.
func (n *Node) unregisterFromProcess() {
	process.Lock()
	defer process.Unlock()
	if home := (processKey{n.cfg.Network, n.cfg.UUID}); process.nodes[home] == n {
		delete(process.nodes, home)
	}
}

// neighbour returns the node with that UUID in our process, or nil.
func (n *Node) neighbour(id uuid.UUID) *Node {
	if !n.cfg.uses(Inproc) {
		return nil
	}
	process.RLock()
	defer process.RUnlock()
	return process.nodes[processKey{n.cfg.Network, id}]
}
