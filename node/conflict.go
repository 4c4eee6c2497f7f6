package node

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// conflictPause is how long no other node with our UUID must show itself before the conflict is over. A lasting conflict is reported once.
const conflictPause = time.Minute

var errDuplicateUUID = errors.New("give each node a UUID of its own")

// noteConflict: another node uses our UUID. Peers cannot tell the two nodes apart, so the application must know. The node does nothing else about
// it: answering would start a storm. The address has no port if only a connection came from it.
func (n *Node) noteConflict(at netip.AddrPort) {
	where, p := at.Addr().String(), &Peer{UUID: n.cfg.UUID, Transport: TCP, State: beacon.Unknown}
	switch {
	case at.Port() != 0:
		where = paths.Format(at)
		p.Endpoint = where
	case !n.conflictAt.IsZero():
		p = nil // a beacon may have shown its endpoint
	}
	n.conflictAt = time.Now()
	n.problems.raiseAt(zerolog.ErrorLevel, ProblemConflict, n.cfg.UUID.String(), p,
		fmt.Errorf("this node has that UUID, and so has another one at %s: %w", where, errDuplicateUUID))
}

// noteDuplicate: a connection has the identity of a present peer, but is not that peer's. If it comes from another host, it is another node with
// the same UUID. The first node is kept until it exits.
func (n *Node) noteDuplicate(s *session, older, newer *zmtp.Conn) {
	if paths.AddrOf(older.RemoteAddr()) == paths.AddrOf(newer.RemoteAddr()) || n.sessions[s.uuid] != s {
		return
	}
	n.noteRival(s, fmt.Errorf("a peer at %v has that UUID, and another one at %v, which is refused: %w",
		older.RemoteAddr(), paths.AddrOf(newer.RemoteAddr()), errDuplicateUUID))
}
