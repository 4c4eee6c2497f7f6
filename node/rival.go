package node

import (
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
)

const (
	// When another connection with a peer's identity arrives, the peer has this long to show that its older connection is in use: at least
	// five times the round trip that we measured when we connected to it.
	shortestRivalGrace = 300 * time.Millisecond
	longestRivalGrace  = 2 * time.Second
	// helloGrace protects a peer that has said HELLO on its older connection, but cannot be asked before our own connection is up.
	helloGrace = 6 * time.Second
	// rivalPause is the time between two checks.
	rivalPause = 100 * time.Millisecond
)

// rival reports whether a connection replaces an older one with the same identity. It does, unless the peer answers a PING on the older one.
// Then the newer one belongs to another program with that identity, or is an older DEALER of the peer itself, and would end a working session.
// (zyre.js keeps a DEALER to a node that is gone, which connects to whatever listens there now.) It runs in the goroutine of the newer
// connection and blocks.
func (n *Node) rival(older, newer *zmtp.Conn) bool {
	if isSameRun(older, newer) {
		return true // the peer has begun a new session, or is on another path now
	}
	id, _ := parseIdentity(newer.Identity())
	deadline := time.Now().Add(helloGrace)
	for {
		s, answered, grace, err := n.askRival(id, older)
		switch {
		case s == nil || err != nil:
			return err == nil
		case answered == nil && time.Now().After(deadline):
			return true
		case answered != nil:
			return n.awaitRival(s, answered, grace, older, newer)
		}
		select {
		case <-older.Done():
			return true
		case <-newer.Done():
			return false
		case <-n.done:
			return false
		case <-time.After(rivalPause):
		}
	}
}

// askRival asks the peer of the older connection's session for a sign of life, if our own connection to it is up. The session is nil if the
// older connection belongs to none, or to one that is over.
func (n *Node) askRival(id uuid.UUID, older *zmtp.Conn) (s *session, answered <-chan struct{}, grace time.Duration, err error) {
	err = n.do(func() {
		if s = n.sessions[id]; s == nil || s.inbox == nil || s.inbox.conn != older {
			s = nil
		} else if s.state == ready {
			answered, _ = s.out.Ask() // if too many answers are awaited already, the time limit decides
			grace = min(max(2*s.connectTime, shortestRivalGrace), longestRivalGrace)
		}
	})
	return s, answered, grace, err
}

// awaitRival waits for the answer.
func (n *Node) awaitRival(s *session, answered <-chan struct{}, grace time.Duration, older, newer *zmtp.Conn) bool {
	timeout := time.NewTimer(grace)
	defer timeout.Stop()
	select {
	case <-answered:
		n.log.Debug().Stringer("peer", s.uuid).Stringer("remote", newer.RemoteAddr()).Msg("connection refused: the peer answers by its older one")
		n.after(0, func() { n.noteDuplicate(s, older, newer) })
		return false
	case <-older.Done():
		return true
	case <-timeout.C:
		s.out.GiveUp(answered)
		return true
	case <-newer.Done():
		s.out.GiveUp(answered)
		return false
	case <-n.done:
		return false
	}
}

// promptGrace is how long a foreign peer may be silent on its new connection before it is asked for a sign of life.
const promptGrace = 100 * time.Millisecond

// promptReconnected: a foreign peer has made a connection. If its older one broke and it says no HELLO on this one, libzmq has connected again by
// itself and continues with the next message. An idle peer would have no message in time. A HELLO would come a round trip after the handshake.
func (n *Node) promptReconnected(in *inbox) {
	s := n.sessions[in.uuid]
	if s == nil || s.key != in.key() || s.mailbox == nil || !s.state.isPresent() {
		return
	}
	if s.state == awaiting && !s.hasReconnected && n.mayNotKnowHello(s) {
		s.hasReconnected = true
		n.startGrace(s)
	}
	n.after(max(promptGrace, s.connectTime), func() {
		if n.sessions[in.uuid] == s && s.state == awaiting && in.held.Load() == nil && in.conn.Err() == nil {
			s.out.Ping()
		}
	})
}
