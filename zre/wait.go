package zre

import (
	"context"
	"slices"

	"github.com/go-zre/go-zre/node"
)

// Match says whether WaitFor is to count a peer. HasHeader, HasName, HasState and InGroup return such functions; write others yourself. A Match
// runs in the goroutine that waits, and may call methods of the node.
type Match func(*Peer) bool

// HasHeader matches peers that have a header of this name and value.
func HasHeader(name, value string) Match {
	return func(p *Peer) bool {
		got, ok := p.Headers[name]
		return ok && got == value
	}
}

// HasName matches peers of this name.
func HasName(name string) Match { return func(p *Peer) bool { return p.Name == name } }

// HasState matches peers in one of these states.
func HasState(states ...State) Match {
	return func(p *Peer) bool { return slices.Contains(states, p.State) }
}

// InGroup matches peers that are in a group.
func InGroup(group string) Match {
	return func(p *Peer) bool { return slices.Contains(p.Groups, group) }
}

// WaitFor waits until at least count peers match, and returns all that do, sorted by name. A peer must match all functions that are given; without
// one, every peer matches:
//
//	cameras, err := node.WaitFor(ctx, 1, zre.HasHeader("role", "camera"))
//	members, err := node.WaitFor(ctx, 3, zre.InGroup("CHAT"), zre.HasState(zre.StateIdle))
//
// WaitFor takes no events and does not need them to be read. Call it from any goroutine, also in the loop that reads the events; the events of the
// peers that it returns may still be to come. It is woken by changes and does not poll. If count is 0 it does not wait.
//
// Errors: ErrNotStarted; ErrClosed, also if the node is closed meanwhile; or the context's, with the peers that matched last.
func (n *Node) WaitFor(ctx context.Context, count int, match ...Match) ([]*Peer, error) {
	peers, err := n.engine.WaitFor(ctx, count, matchAll(match))
	return peersOf(peers), err
}

// PeersWith returns the peers that have a header of this name and value, sorted by name.
func (n *Node) PeersWith(header, value string) []*Peer {
	return peersOf(n.engine.PeersWhere(matchAll([]Match{HasHeader(header, value)})))
}

// matchAll combines the application's functions into one for the engine.
func matchAll(list []Match) func(*node.Peer) bool {
	return func(p *node.Peer) bool {
		public := peerOf(p)
		for _, match := range list {
			if !match(public) {
				return false
			}
		}
		return true
	}
}
