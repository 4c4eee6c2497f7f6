package zre

import "github.com/go-zre/go-zre/beacon"

// Choose picks a member of a group to give work to, by Whisper: one whose state is the first of those given that any member has. Of several it is
// the one that has the fewest messages before it, which wait to be sent to it, or were whispered to it since it last spoke; of equal ones the
// one that was not chosen for the longest time. Members in other states are left alone, be the group ever so small.
//
// A member's state lags behind what it was just given. So one that is idle, was chosen and was sent a whisper is not chosen again before it
// speaks: it tells a state, or sends a message, such as the result. If it does neither within a second it had nothing to tell, and may be chosen.
// This way each idle worker has one job, and none gets a whole backlog before it can say that it is busy.
//
// If nobody is to be chosen, ok is false: try again when a StateChange, a Join or a message comes, and after a second.
//
// Without states it takes StateIdle, then StateUnknown (implementations that have no states), then StateReceiving. Members in these last two
// may have several jobs each. Choose looks at each member once, without waiting.
func (n *Node) Choose(group string, states ...State) (peer *Peer, ok bool) {
	if len(states) == 0 {
		states = chosenFirst[:]
	}
	list := make([]beacon.State, len(states))
	for i, state := range states {
		list[i] = beacon.State(state)
	}
	p, ok := n.engine.Choose(group, list)
	return peerOf(p), ok
}

var chosenFirst = [...]State{StateIdle, StateUnknown, StateReceiving}
