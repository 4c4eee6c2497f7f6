package node

import (
	"context"
	"time"
)

// An authorizer may change its mind, for example when a certificate is removed from a folder. So it is asked again about present peers.

const (
	// askAgainAfter is the time between two rounds of questions. A peer exits if it is refused in two rounds in a row: a folder may be missing
	// for a moment while another one replaces it.
	askAgainAfter = 3 * time.Second
	// authorizeTimeout is how long the authorizer may take for each peer. No answer is a refusal.
	authorizeTimeout = 2 * time.Second
)

// rounds is the state of the questions to the authorizer. The control loop owns it.
type rounds struct {
	isUnderWay bool
	ended      time.Time // the last one
}

// question is one question of a round, and its answer.
type question struct {
	session *session
	peer    Identity
	err     error
}

// checkAuthorized runs once a tick and begins a round when one is due. It asks the application in a separate goroutine, one peer at a time.
func (n *Node) checkAuthorized(now time.Time) {
	if n.cfg.Authorize == nil || n.rounds.isUnderWay || now.Sub(n.rounds.ended) < askAgainAfter {
		return
	}
	var round []question
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

// finishRound handles the answers of a round. It runs in the control loop.
func (n *Node) finishRound(round []question) {
	n.rounds = rounds{ended: time.Now()}
	for _, q := range round {
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
