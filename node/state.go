package node

import (
	"fmt"
	"time"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/msg"
)

// updateGap is the least time between two STATE messages to a peer, so that an application that changes its state in a loop does not flood
// its peers. The last state always gets through.
const updateGap = 20 * time.Millisecond

// SetState sets the node's state, and sends it to the network at once: by beacon, and by message to the peers that understand it.
// With Config.AutoState, any state but IDLE holds until IDLE is set, which makes it automatic again.
func (n *Node) SetState(s beacon.State) error {
	if s == beacon.Exit || s > beacon.Processing {
		return fmt.Errorf("state %v: %w; choose init, error, idle, receiving or processing", s, ErrInvalidState)
	}
	return n.change(func() error {
		n.chosenState = s
		if s == beacon.Idle && n.cfg.AutoState {
			s = n.auto.State()
		}
		n.changeState(s)
		return nil
	})
}

// State returns the node's state: INIT until it is started, then IDLE unless another one was set, EXIT after it is closed.
func (n *Node) State() beacon.State { return beacon.State(n.state.Load()) }

// sampleState takes a sample for the automatic state, in the control loop.
func (n *Node) sampleState() {
	if s := n.auto.Sample(n.events.Activity()); n.chosenState == beacon.Idle {
		n.changeState(s)
	}
}

// changeState changes the state. It runs in the control loop, or before the start.
func (n *Node) changeState(s beacon.State) {
	if beacon.State(n.state.Swap(uint32(s))) == s || n.agent == nil || n.stopping {
		return
	}
	n.stateChanges++
	n.agent.SetState(s)
	n.noteChange()
	n.sendState()
}

// sendState sends our state to the peers, now or as soon as updateGap allows.
func (n *Node) sendState() {
	if n.stateJustSent {
		return
	}
	n.stateJustSent = true
	sent, changes := n.State(), n.stateChanges
	for _, p := range n.sessions {
		n.sendStateTo(p)
	}
	n.after(updateGap, func() {
		n.stateJustSent = false
		switch {
		case n.State() != sent:
			n.sendState()
		case n.stateChanges != changes: // and back: the peers must learn that the work they sent meanwhile is done
			for _, p := range n.sessions {
				p.sentState = beacon.Unknown
			}
			n.sendState()
		}
	})
}

// sendStateTo sends our state to one peer, if it understands STATE and does not have that state.
func (n *Node) sendStateTo(p *session) {
	state := n.State()
	if p.mailbox != nil && p.extensions.has(extState) && p.sentState != state {
		p.sentState = state
		p.out.Control(func(dst []byte, sequence uint16) []byte { return msg.AppendState(dst, sequence, uint8(state)) })
	}
}

// handleState handles a state from a peer's beacon or message. If a peer sends states in messages, only these count: they come in order.
func (n *Node) handleState(p *session, s beacon.State, byMessage bool) {
	switch {
	case s > beacon.Processing || s == beacon.Exit || n.sessions[p.uuid] != p || p.statesByMessage && !byMessage:
		return
	case byMessage:
		p.statesByMessage = true
	}
	changed := p.peerState.Swap(uint32(s)) != uint32(s)
	p.work.noteSent() // after the swap: a reader of the note sees the new state
	if changed && p.state.isPresent() {
		n.events.Push(p.stream.Load(), Event{Kind: State, Peer: p.updateSnapshot(), State: s})
	}
}
