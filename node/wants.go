package node

import "github.com/go-zre/go-zre/msg"

// What a connection brings that is not wanted is dropped as it arrives (zmtp.Screener): the content of a SHOUT to a group that we are
// not in, of all of them where the node discards them, and all that comes before a HELLO.

// shortestHead is an octet more than the header frame of any message but HELLO can have.
const shortestHead = 1 << 10

// HeadSize is how long the header frame of a message may be. A HELLO alone may be that long: one that is longer is discarded.
func (in *inbox) HeadSize() int { return max(in.node.cfg.Limits.HelloSize, shortestHead) }

// Wants tells whether the content of a message is wanted, by its header frame. Where it is not, the message is taken all the same, with empty
// frames, since its number counts. A group may be joined or left meanwhile: what is delivered was wanted both here and in the end.
func (in *inbox) Wants(header []byte) bool {
	if h := in.held.Load(); h != nil {
		if h.isHeld() {
			return true // it is not known yet to which session it belongs
		}
		in.held.Store(nil)
	}
	in.unwanted = !in.wants(header)
	return !in.unwanted
}

func (in *inbox) wants(header []byte) bool {
	m := &in.message
	if m.DecodeHeader(header, in.node.cfg.Limits.msg()) != nil || m.ID == msg.Hello {
		return false
	}
	if in.session == nil && !in.resumes() {
		return false
	}
	switch m.ID {
	case msg.Whisper:
		return !in.node.cfg.Discard || in.node.requests.isWaiting() // it may be a reply
	case msg.Shout:
		_, isOurs := (*in.node.ownGroups.Load())[string(m.Group)]
		return isOurs && !in.node.cfg.Discard
	}
	return false
}

// isHeld tells whether messages are held still. It waits while they are taken.
func (h *held) isHeld() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.messages != nil
}

// HeadSize and Wants of a connection that nothing comes in by want nothing.
func (m *mailbox) HeadSize() int {
	if m.in == nil {
		return 0
	}
	return m.in.HeadSize()
}

func (m *mailbox) Wants(header []byte) bool { return m.in != nil && m.in.Wants(header) }
