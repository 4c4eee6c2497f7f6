package zre

import (
	"math/rand/v2"
	"slices"
)

// Choose picks a member of a group to give work to: one whose state is the first of those given that any member has, and of
// several such the one with the fewest messages waiting to be sent to it, or any of them. Members in other states are left
// alone, be the group ever so small; then, as in a group without members, ok is false: try again on the next StateChange or Join.
//
// Without states it takes StateIdle, then StateUnknown (implementations that have no states), then StateReceiving.
func (n *Node) Choose(group string, states ...State) (peer *Peer, ok bool) {
	if len(states) == 0 {
		states = []State{StateIdle, StateUnknown, StateReceiving}
	}
	var best []*Peer
	for _, p := range n.PeersIn(group) {
		if !slices.Contains(states, p.State) {
			continue
		}
		if len(best) > 0 {
			switch c := compare(states, p, best[0]); {
			case c > 0:
				continue
			case c < 0:
				best = best[:0]
			}
		}
		best = append(best, p)
	}
	if len(best) == 0 {
		return nil, false
	}
	return best[rand.IntN(len(best))], true
}

// compare is negative if a is the better choice, 0 if both are as good.
func compare(states []State, a, b *Peer) int {
	if c := slices.Index(states, a.State) - slices.Index(states, b.State); c != 0 {
		return c
	}
	return a.QueuedMessages - b.QueuedMessages
}
