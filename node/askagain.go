package node

import (
	"context"
	"errors"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// An authorizer may change its mind, for example when a certificate is removed from a folder. So it is asked again about present peers, and
// about both ends of gossip.

const (
	// askAgainAfter is the time between two rounds of questions. A peer exits if it is refused in two rounds in a row: a folder may be missing
	// for a moment while another one replaces it.
	askAgainAfter = 3 * time.Second
	// authorizeTimeout is how long the authorizer may take for each peer. No answer is a refusal.
	authorizeTimeout = 2 * time.Second
)

var errNoLonger = errors.New("the authorizer no longer lets it in")

// rounds is the state of the questions to the authorizer. The control loop owns it.
type rounds struct {
	isUnderWay bool
	ended      time.Time           // the last one
	refused    map[*zmtp.Conn]bool // the connections of gossip that it refused
}

// question is one question of a round, and its answer.
type question struct {
	session *session   // nil for gossip
	conn    *zmtp.Conn // of gossip
	peer    Identity
	err     error
}

// checkAuthorized runs once a tick and begins a round when one is due. It asks the application in a separate goroutine, one peer at a time.
func (n *Node) checkAuthorized(now time.Time) {
	if n.cfg.Authorize == nil || n.rounds.isUnderWay || now.Sub(n.rounds.ended) < askAgainAfter {
		return
	}
	round := n.questionsOfGossip()
	for _, s := range n.sessions {
		if s.state.isPresent() && s.inbox != nil {
			round = append(round, question{session: s, peer: s.inbox.identity()})
		}
	}
	if round == nil {
		return
	}
	n.rounds.isUnderWay = true
	n.wg.Go(func() {
		for i := range round {
			if n.life.Err() != nil {
				return
			}
			ctx, cancel := context.WithTimeout(n.life, authorizeTimeout)
			round[i].err = n.cfg.Authorize(ctx, round[i].peer)
			cancel()
		}
		n.post(func() { n.finishRound(round) })
	})
}

// questionsOfGossip returns the questions about clients of our hub, and about the hubs of others.
func (n *Node) questionsOfGossip() (round []question) {
	if n.gossip == nil {
		return nil
	}
	clients, hubs := n.gossip.Conns()
	for i, conn := range append(clients, hubs...) {
		key, _ := conn.PublicKey()
		peer := identityOf(zmtp.Candidate{RemoteAddr: conn.RemoteAddr(), PublicKey: key})
		peer.Gossip, peer.Outgoing = true, i >= len(clients)
		round = append(round, question{conn: conn, peer: peer})
	}
	return round
}

// finishRound handles the answers of a round. It runs in the control loop.
func (n *Node) finishRound(round []question) {
	before := n.rounds.refused
	n.rounds = rounds{ended: time.Now()}
	for _, q := range round {
		if q.conn != nil {
			n.concludeGossip(q, before[q.conn])
			continue
		}
		s := q.session
		switch wasRefused := s.refusal != nil; {
		case n.sessions[s.uuid] != s || n.stopping:
		case q.err != nil && wasRefused:
			s.refusal = q.err
			n.noteRefused(q.peer, q.err)
			n.remove(s, Refused)
		default:
			s.refusal = q.err
		}
	}
}

// concludeGossip closes a connection of gossip that is refused for the second time.
func (n *Node) concludeGossip(q question, wasRefused bool) {
	switch {
	case q.err == nil || n.stopping:
	case wasRefused:
		n.noteRefused(q.peer, q.err)
		q.conn.Close(errNoLonger)
	default:
		if n.rounds.refused == nil {
			n.rounds.refused = make(map[*zmtp.Conn]bool)
		}
		n.rounds.refused[q.conn] = true
	}
}
