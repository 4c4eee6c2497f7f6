package node

import (
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// rivalGrace is how long a peer has to show that its older connection is in use, when another one comes with its identity.
const rivalGrace = 2 * time.Second

// rival says whether a connection takes over from an older one of the same identity. It does, unless the peer answers a PING by the older
// one: then the newcomer is another program with that identity, or an older DEALER of the peer's own (zyre.js keeps one to a node that is gone,
// which connects to whatever listens there now), and would end a session that works. It runs in the newcomer's goroutine and waits.
func (n *Node) rival(older, newer *zmtp.Conn) bool {
	id, _ := parseIdentity(newer.Identity())
	var s *session
	var answered <-chan struct{}
	err := n.do(func() {
		s = n.sessions[id]
		if s == nil || s.mailbox == nil || s.inbox == nil || s.inbox.conn != older || !s.state.isPresent() {
			return
		}
		answered, _ = s.out.Ask() // where too many are asked for already, time tells
	})
	if err != nil || answered == nil {
		return true
	}
	timeout := time.NewTimer(rivalGrace)
	defer timeout.Stop()
	select {
	case <-answered:
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
	n.log.Debug().Stringer("peer", id).Stringer("remote", newer.RemoteAddr()).Msg("connection refused: the peer answers by its older one")
	n.after(0, func() { n.twin(s, older, newer) })
	return false
}
