package node

import "github.com/go-zre/go-zre/msg"

// Unwanted data is dropped as it arrives (zmtp.Screener): the content of a SHOUT to a group that we are not in, of all messages if the node
// discards them, and everything before a HELLO.

// otherHeadSize is one more than the size of the longest header frame of any message but HELLO.
const otherHeadSize = 1 << 10

// HeadSize returns the limit for the header frame of a message. Only a HELLO may be that long; a longer one is discarded.
func (in *inbox) HeadSize() int { return max(in.node.cfg.Limits.HelloSize, otherHeadSize) }

// Wants reports, from its header frame, whether the content of a message is wanted. If not, the message is still handled, with empty frames,
// because its number counts. A group may be joined or left meanwhile: a delivered message was wanted both here and in the end.
func (in *inbox) Wants(header []byte) bool {
	if h := in.held.Load(); h != nil {
		if h.isHeld() {
			return true // its session is not known yet
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

// isHeld reports whether messages are still held. It waits while they are handled.
func (h *held) isHeld() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.messages != nil
}

// HeadSize and Wants of a connection without incoming messages want nothing.
func (m *mailbox) HeadSize() int {
	if m.in == nil {
		return 0
	}
	return m.in.HeadSize()
}

func (m *mailbox) Wants(header []byte) bool { return m.in != nil && m.in.Wants(header) }
