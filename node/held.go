package node

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/eventqueue"
	"github.com/go-zre/go-zre/msg"
)

// held is a HELLO that waits, and what came behind it. It waits for one of two things:
//
//   - whether the peer knows our last HELLO (state confirming), or
//   - whose answer it is: a HELLO of somebody unknown, while there is a session whose peer has not told its UUID, may be that peer's
//     answer to our HELLO, though it names another endpoint than the one where we found it: a second address, or one behind a NAT. Then
//     a session of its own would be a second one for zyre and pyre, which break off the first for it, and lead nowhere besides.
//
// In both cases a PING of ours is on its way, and the PING-OK, which comes behind the HELLO, decides.
//
// mu guards all of it, and the inbox, while its HELLO is held.
type held struct {
	mu       sync.Mutex
	messages [][][]byte // the HELLO, and what came behind it; nil once it was released
	octets   int
	over     chan struct{} // closed then
	unknown  bool          // it is not known whose answer it is
}

const (
	// askGrace is how long a peer that was asked has to answer, if others wait to be asked.
	askGrace = 2 * time.Second
	// answerGrace is how long a session without its peer's UUID may wait for its connection, as its answer may overtake the word that it is up.
	answerGrace = 2 * time.Second
	// unknownGrace is how long a HELLO of which it is not known whose answer it is waits: two may be asked.
	unknownGrace = 5 * time.Second

	// Bounds of the HELLOs that wait so, and of what is held of each and what came behind it; the reader waits beyond.
	maxUndecided   = 64
	mostHeld       = 1_000
	mostHeldOctets = 256 << 10
)

// hold begins to hold a HELLO, in the control loop. The reader, which waits for the verdict, puts the HELLO in and unlocks.
func (in *inbox) hold(unknown bool) {
	in.verdict = hold
	h := &held{over: make(chan struct{}), unknown: unknown}
	h.mu.Lock()
	in.held.Store(h)
	if unknown {
		time.AfterFunc(unknownGrace, in.release)
	}
}

// consider takes a message while the HELLO is held. It waits for the end of that if there is no room for more.
func (in *inbox) consider(h *held, frames [][]byte) error {
	in.live()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, frame := range frames {
		h.octets += eventqueue.FrameCost + len(frame)
	}
	if len(h.messages) >= mostHeld || h.octets > mostHeldOctets {
		h.mu.Unlock()
		select {
		case <-h.over:
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
	in.verdict = hold
	if err := in.node.do(func() { in.node.pingOKHeld(in, h) }); err != nil || in.verdict != accept {
		return err
	}
	return in.replay(h)
}

// replay takes what was held, unless that was done. It needs the lock.
func (in *inbox) replay(h *held) error {
	if h.messages == nil {
		return nil
	}
	messages := h.messages
	h.messages = nil
	close(h.over)
	in.sure = true
	if h.unknown {
		if err := in.node.do(func() { in.node.decided(in) }); err != nil {
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

// release ends the wait of a HELLO, whatever came of it.
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

// releaseSoon is release for the control loop, which must not wait for the readers.
func (in *inbox) releaseSoon() { in.node.wg.Go(in.release) }

// settled waits while what was held is taken, and tells the session of the inbox: for the reader goroutine, when it is not in Receive.
func (in *inbox) settled() *session {
	if h := in.held.Load(); h != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	return in.session
}

// The rest runs in the control loop.

// pingOKHeld takes a PING-OK that came behind a HELLO which is held.
func (n *Node) pingOKHeld(in *inbox, h *held) {
	if h.unknown {
		n.takeAnswer(in)
	} else if s := n.sessions[in.uuid]; s != nil && s.inbox == in {
		n.handle(s, pingOKCame, detail{in: in})
	}
}

// mayAnswerAnother tells whether a HELLO, for which there is no session but perhaps s, of a peer that entered, may be the answer to one of
// ours that went to an address unknown so far.
func (n *Node) mayAnswerAnother(in *inbox, s *session) bool {
	if in.sure || in.extensions != 0 || len(n.undecided) >= maxUndecided || s != nil && (s.isOurs || !s.state.isPresent()) {
		return false
	}
	n.mergeOlder(s)
	known := n.recognised(in.whose(), in.endpoints())
	candidates := n.countUnnamedOf(in.key())
	return candidates > 1 || candidates == 1 && known == nil
}

// mergeOlder takes the HELLO of a foreign peer that entered for what it tells: it greets anew although we said one HELLO to it, so another of
// ours has reached it before, by another of its addresses.
func (n *Node) mergeOlder(s *session) {
	if s == nil || s.mailbox == nil || n.countUnnamed() != 1 {
		return
	}
	if o := n.unnamed[len(n.unnamed)-1]; o.key == s.key && o.mailbox != nil && o.linked.Before(s.linked) {
		n.mergeInto(o, s.uuid)
	}
}

// mergeInto ends a session that leads to a peer whose session is another one.
func (n *Node) mergeInto(o *session, id uuid.UUID) {
	c := o.candidate
	n.takeCandidate(o)
	n.seeker.Proved(c, id)
	if n.asking == o {
		n.asking = nil
	}
	n.end(o)
	n.settleUndecided()
}

// countUnnamed counts the sessions whose peer may answer a HELLO of ours now, and has not told its UUID.
func (n *Node) countUnnamed() (count int) {
	for _, u := range n.unnamed {
		if u.mayAnswer() {
			count++
		}
	}
	return count
}

// countUnnamedOf counts those of them whose peer has a key.
func (n *Node) countUnnamedOf(key PublicKey) (count int) {
	for _, u := range n.unnamed {
		if u.key == key && u.mayAnswer() {
			count++
		}
	}
	return count
}

// mayAnswer tells whether the peer of a session without UUID may have our HELLO: its answer may overtake the word that our connection is up.
func (s *session) mayAnswer() bool { return s.mailbox != nil || time.Since(s.began) < answerGrace }

// mayBeOfUndecided tells whether a HELLO waits that may be the answer of a session's peer.
func (n *Node) mayBeOfUndecided(s *session) bool {
	for in := range n.undecided {
		if in.key() == s.key {
			return true
		}
	}
	return false
}

// askWhose asks a session whose peer is not known for a sign of life, one at a time, while a HELLO waits. The newest comes
// first: of two with one peer that is the one which the peer hears, since a ROUTER of libzmq is deaf to the others.
func (n *Node) askWhose() {
	if n.asking != nil || len(n.undecided) == 0 {
		return
	}
	var newest *session
	for _, s := range n.unnamed {
		if s.mailbox != nil && n.mayBeOfUndecided(s) && (newest == nil || s.linked.After(newest.linked)) {
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

// awaitAnswer gives a session that was asked some time, and asks once more. Where another is to be asked the answer must not be taken for
// that one's: the session ends.
func (n *Node) awaitAnswer(s *session) {
	n.after(askGrace, func() {
		switch {
		case n.asking != s:
		case len(n.undecided) == 0:
			n.asking = nil
		case slices.ContainsFunc(n.unnamed, func(o *session) bool { return o != s && o.mailbox != nil }):
			n.asking = nil
			n.remove(s, Crashed)
			n.askWhose()
		default:
			s.out.Ping()
			n.awaitAnswer(s)
		}
	})
}

// takeAnswer gives the session that was asked the UUID of the peer that answered. Other sessions with that one are over: it does not hear them.
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

// decided: it is known now what a HELLO that waited was, or too late to ask.
func (n *Node) decided(in *inbox) {
	delete(n.undecided, in)
	n.askWhose()
}

// settleUndecided: there is one session less whose HELLO a HELLO that waits may answer. After the last one there is nothing to wait for.
func (n *Node) settleUndecided() {
	if n.countUnnamed() > 0 {
		return
	}
	for in := range n.undecided {
		in.releaseSoon()
	}
}
