package node

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// conflictPause is how long nothing more is said of other nodes with our UUID, wherever they are: one that has several addresses is seen at
// each, and datagrams are forged for any.
const conflictPause = time.Minute

// conflict: another node uses our UUID. Neither can be told from the other by their peers, so the application must know.
// Nothing else is done about it: whoever answers would start a storm.
func (n *Node) conflict(at netip.AddrPort) {
	now := time.Now()
	if !n.conflicted.IsZero() && now.Sub(n.conflicted) < conflictPause {
		return
	}
	n.conflicted = now
	n.log.Error().Stringer("uuid", n.cfg.UUID).Stringer("address", at.Addr()).Msg("another node has our UUID")
	p := &Peer{UUID: n.cfg.UUID, Endpoint: paths.Format(at), Transport: TCP}
	n.events.Announce(Event{Kind: Conflict, Peer: p})
}

// twin: a connection came with the identity of a peer that is present, and is not that peer's. From another host it is another node with the
// same UUID: the first one is kept until it exits.
func (n *Node) twin(s *session, older, newer *zmtp.Conn) {
	if paths.AddrOf(older.RemoteAddr()) == paths.AddrOf(newer.RemoteAddr()) || n.sessions[s.uuid] != s {
		return
	}
	err := fmt.Errorf("it answers at %v; a connection with its UUID came from %v and is refused", older.RemoteAddr(), paths.AddrOf(newer.RemoteAddr()))
	n.problems.raise(ProblemConflict, s.uuid.String(), s.snapshot.Load(), err)
}
