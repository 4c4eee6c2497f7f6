package node

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/eventqueue"
	"github.com/go-zre/go-zre/msg"
)

// held is a HELLO that waits, with the messages behind it. It waits for the answer to one of two questions:
//
//   - Does the peer know our last HELLO (state confirming)?
//   - Which of our HELLOs does it answer? An unknown peer's HELLO may answer a HELLO of ours to an address whose peer has not told its UUID,
//     although it names another endpoint: a second address, or one behind a NAT. A session of its own would then be a second one for zyre
//     and pyre. They break off the first session for it, and it leads nowhere.
//
// In both cases a PING of ours is on its way. The PING-OK comes behind the HELLO and decides.
//
// mu guards all of it, and the inbox while its HELLO is held.
type held struct {
	mu       sync.Mutex
	messages [][][]byte // the HELLO and the messages behind it; nil once released
	bytes    int
	released chan struct{} // closed on release
	unknown  bool          // it is unknown which HELLO of ours this one answers
}

const (
	// askGrace is how long a peer has to answer our question, if others wait to be asked.
	askGrace = 2 * time.Second
	// answerGrace is how long a session without its peer's UUID may wait for its connection. The peer's answer may arrive before the event that
	// reports the connection.
	answerGrace = 2 * time.Second
	// unknownGrace is how long a HELLO waits while it is unknown which HELLO of ours it answers. That is enough to ask two peers.
	unknownGrace = 5 * time.Second

	// Limits of the number of waiting HELLOs, and of the messages held with each. Beyond the latter the reader waits.
	maxUndecided    = 64
	maxHeldMessages = 1_000
	maxHeldBytes    = 256 << 10
)

// hold begins to hold a HELLO. It runs in the control loop. The reader, which waits for the verdict, adds the HELLO and unlocks.
func (in *inbox) hold(unknown bool) {
	in.verdict = holdHello
	h := &held{released: make(chan struct{}), unknown: unknown}
	h.mu.Lock()
	in.held.Store(h)
	if unknown {
		time.AfterFunc(unknownGrace, in.release)
	}
}

// handleHeld handles a message while the HELLO is held. If there is no room for more, it waits until the HELLO is released.
func (in *inbox) handleHeld(h *held, frames [][]byte) error {
	in.noteAlive()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, frame := range frames {
		h.bytes += eventqueue.FrameCost + len(frame)
	}
	if len(h.messages) >= maxHeldMessages || h.bytes > maxHeldBytes {
		h.mu.Unlock()
		select {
		case <-h.released:
		case <-in.conn.Done():
		}
		h.mu.Lock()
	}
	if h.messages == nil {
		in.held.Store(nil)
		return in.receive(frames, in.node.zmtp.Memory.Once())
	}
	h.messages = append(h.messages, frames)
	var m msg.Message
	if m.Decode(frames, in.node.cfg.Limits.msg()) != nil || m.ID != msg.PingOK {
		return nil
	}
	in.verdict = holdHello
	if err := in.node.do(func() { in.node.pingOKHeld(in, h) }); err != nil || in.verdict != accept {
		return err
	}
	return in.replay(h)
}

// replay handles the held messages, unless that was done. It needs the lock.
func (in *inbox) replay(h *held) error {
	if h.messages == nil {
		return nil
	}
	messages := h.messages
	h.messages = nil
	close(h.released)
	in.isDecided = true
	if h.unknown {
		if err := in.node.do(func() { in.node.noteDecided(in) }); err != nil {
			return err
		}
	}
	select {
	case <-in.conn.Done():
		return errSessionOver
	default:
	}
	defer func() { in.message = msg.Message{} }()
	for _, frames := range messages {
		if err := in.receive(frames, in.node.zmtp.Memory.Once()); err != nil {
			return err
		}
	}
	return nil
}

// release ends the wait of a HELLO, whatever the outcome.
func (in *inbox) release() {
	h := in.held.Load()
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := in.replay(h); err != nil {
		in.conn.Close(err)
	}
}

// releaseSoon is release for the control loop, which must not wait for readers.
func (in *inbox) releaseSoon() { in.node.wg.Go(in.release) }

// waitForSession waits while held messages are handled, and returns the session of the inbox. It is for the reader goroutine outside of Receive.
func (in *inbox) waitForSession() *session {
	if h := in.held.Load(); h != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	return in.session
}

// Everything below runs in the control loop.

// pingOKHeld handles a PING-OK that came behind a held HELLO.
func (n *Node) pingOKHeld(in *inbox, h *held) {
	if h.unknown {
		n.takeAnswer(in)
	} else if s := n.sessions[in.uuid]; s != nil && s.inbox == in {
		n.handle(s, pingOKCame, detail{in: in})
	}
}

// mayAnswerUnnamed reports whether a HELLO may answer one of ours that went to an address whose peer is unknown. s is the session with the
// HELLO's UUID, if there is one; its peer must have entered.
func (n *Node) mayAnswerUnnamed(in *inbox, s *session) bool {
	if in.isDecided || in.extensions != 0 || len(n.undecided) >= maxUndecided || s != nil && (s.isOurs || !s.state.isPresent()) {
		return false
	}
	n.mergeOlder(s)
	known := n.findGreeting(in.claim(), in.endpoints())
	candidates := n.countUnnamedOf(in.key())
	return candidates > 1 || candidates == 1 && known == nil
}

// mergeOlder draws a conclusion from the HELLO of a foreign peer that has entered. The peer greets again although we sent it one HELLO, so
// another HELLO of ours has reached it before, at another of its addresses.
func (n *Node) mergeOlder(s *session) {
	if s == nil || s.mailbox == nil || n.countUnnamed() != 1 {
		return
	}
	if o := n.unnamed[len(n.unnamed)-1]; o.key == s.key && o.mailbox != nil && o.connectedAt.Before(s.connectedAt) {
		n.mergeInto(o, s.uuid)
	}
}

// mergeInto ends a session that leads to a peer which already has another session.
func (n *Node) mergeInto(o *session, id uuid.UUID) {
	c := o.candidate
	n.removeCandidate(o)
	n.seeker.Identified(c, id)
	if n.asking == o {
		n.asking = nil
	}
	n.end(o)
	n.releaseUndecided()
}

// countUnnamed counts the sessions whose peer has not told its UUID and may answer a HELLO of ours now.
func (n *Node) countUnnamed() (count int) {
	for _, u := range n.unnamed {
		if u.mayAnswer() {
			count++
		}
	}
	return count
}

// countUnnamedOf counts those of them whose peer has the given key.
func (n *Node) countUnnamedOf(key PublicKey) (count int) {
	for _, u := range n.unnamed {
		if u.key == key && u.mayAnswer() {
			count++
		}
	}
	return count
}

// mayAnswer reports whether the peer of a session without UUID may have our HELLO. Its answer may arrive before the event that reports our
// connection.
func (s *session) mayAnswer() bool { return s.mailbox != nil || time.Since(s.began) < answerGrace }

// mayHaveAnswered reports whether a waiting HELLO may be the answer of a session's peer.
func (n *Node) mayHaveAnswered(s *session) bool {
	for in := range n.undecided {
		if in.key() == s.key {
			return true
		}
	}
	return false
}

// askUnnamed asks the peers of unnamed sessions for a sign of life, one at a time, while a HELLO waits. The newest session comes first. If two
// lead to one peer, the peer hears only the newer one, because a ROUTER of libzmq is deaf to older connections.
func (n *Node) askUnnamed() {
	if n.asking != nil || len(n.undecided) == 0 {
		return
	}
	var newest *session
	for _, s := range n.unnamed {
		if s.mailbox != nil && n.mayHaveAnswered(s) && (newest == nil || s.connectedAt.After(newest.connectedAt)) {
			newest = s
		}
	}
	if newest == nil {
		return
	}
	n.asking = newest
	newest.out.Ping()
	n.awaitAnswer(newest)
}

// awaitAnswer gives a session time to answer, and then asks once more. If another session is to be asked, this one ends, because its late
// answer must not be taken for the other's.
func (n *Node) awaitAnswer(s *session) {
	n.after(askGrace, func() {
		switch {
		case n.asking != s:
		case len(n.undecided) == 0:
			n.asking = nil
		case slices.ContainsFunc(n.unnamed, func(o *session) bool { return o != s && o.mailbox != nil }):
			n.asking = nil
			n.remove(s, Crashed)
			n.askUnnamed()
		default:
			s.out.Ping()
			n.awaitAnswer(s)
		}
	})
}

// takeAnswer gives the session that was asked the UUID of the peer that answered. Other sessions with that peer are over: it does not hear them.
func (n *Node) takeAnswer(in *inbox) {
	s := n.asking
	if s == nil || n.sessions[s.uuid] != s || s.candidate == nil || s.key != in.key() {
		return
	}
	n.asking = nil
	if old := n.sessions[in.uuid]; old != nil {
		if old.key != in.key() && old.isBound.Load() {
			return
		}
		n.remove(old, Replaced)
	}
	n.assignUUID(s, in.uuid)
	endpoints := in.endpoints()
	for _, o := range slices.Clone(n.unnamed) {
		if o.key == s.key && slices.Contains(endpoints, o.candidate.At()) {
			n.mergeInto(o, in.uuid)
		}
	}
	in.verdict = accept
}

// noteDecided: it is now known which HELLO a waiting HELLO answers, or it is too late to ask.
func (n *Node) noteDecided(in *inbox) {
	delete(n.undecided, in)
	n.askUnnamed()
}

// releaseUndecided: one session fewer may be answered by a waiting HELLO. After the last one, waiting HELLOs are released.
func (n *Node) releaseUndecided() {
	if n.countUnnamed() > 0 {
		return
	}
	for in := range n.undecided {
		in.releaseSoon()
	}
}
