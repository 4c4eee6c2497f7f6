package zre

import (
	"context"
	"slices"

	"github.com/go-zre/go-zre/node"
)

// Match says whether a peer is one that is looked for, in WaitFor. Any function of this kind will do. It is called in the goroutine that
// waits, and may call methods of the node.
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

// WaitFor waits until count peers are present that match, and returns all that do, by name. A peer must match every one of the functions; without
// any, all peers do:
//
//	cameras, err := node.WaitFor(ctx, 1, zre.HasHeader("role", "camera"))
//	members, err := node.WaitFor(ctx, 3, zre.InGroup("CHAT"), zre.HasState(zre.StateIdle))
//
// It takes no events, and needs nobody to read them: call it from any goroutine, also in the loop over the events, where those of the peers
// that it returns are still to come. It looks when something about a peer changes, and does not poll. With a count of 0 it does not wait.
//
// Errors: ErrNotStarted, ErrClosed, also if the node is closed meanwhile, or the context's; then the peers are those that matched last.
func (n *Node) WaitFor(ctx context.Context, count int, match ...Match) ([]*Peer, error) {
	peers, err := n.engine.WaitFor(ctx, count, matchAll(match))
	return peersOf(peers), err
}

// PeersWith returns the peers present that have a header of this name and value, by name.
func (n *Node) PeersWith(header, value string) []*Peer {
	return peersOf(n.engine.PeersWhere(matchAll([]Match{HasHeader(header, value)})))
}

// matchAll makes one function for the engine of several for the application.
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
