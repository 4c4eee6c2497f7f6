package zre

import "github.com/go-zre/go-zre/beacon"

// Choose picks a member of a group to give work to. It takes the first of the given states that any member has, and of the members in that state
// the one with the fewest messages ahead of it: those that wait to be sent to it, or that were whispered to it since it last said anything. Among
// equals it takes the one that was chosen the longest time ago. Members in other states are never chosen.
//
// The state of a member lags behind what it was just given. Therefore an idle member that was chosen and got a whisper is not chosen again until it
// says something: it changes its state, or sends a message, such as the result. If it says nothing for a second it may be chosen again. This way
// each idle worker has one job, and none gets a whole backlog before it can say that it is busy.
//
// If no member can be chosen, ok is false. Try again on the next StateChange, Join or message, and after a second.
//
// Without states, Choose takes StateIdle, then StateUnknown (other implementations), then StateReceiving. Members in the last two may get
// several jobs each. Choose does not wait.
func (n *Node) Choose(group string, states ...State) (peer *Peer, ok bool) {
	if len(states) == 0 {
		states = defaultChoice[:]
	}
	list := make([]beacon.State, len(states))
	for i, state := range states {
		list[i] = beacon.State(state)
	}
	p, ok := n.engine.Choose(group, list)
	return peerOf(p), ok
}

var defaultChoice = [...]State{StateIdle, StateUnknown, StateReceiving}
