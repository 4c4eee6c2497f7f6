package node

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/election"
	"github.com/go-zre/go-zre/msg"
)

// groupElection is the election in a group that this node is in. The control loop owns it. It begins when this node or a member contests, or
// when a member sends ELECT or LEADER. A group without contestants costs nothing.
type groupElection struct {
	*election.Election
	group string
	timer *time.Timer // for Tick
	at    time.Time   // when the timer fires; zero if it is stopped
}

// Contest makes this node contest the leadership of a group. The node joins the group if it is not in it. The contest ends when the node
// leaves the group. A second call does nothing. Contest may be called before Start.
func (n *Node) Contest(group string) error {
	if err := checkGroup(group); err != nil {
		return fmt.Errorf("contest: %w", err)
	}
	return n.change(func() error {
		if err := n.enterGroup(group); err != nil {
			return fmt.Errorf("contest %q: %w", group, err)
		}
		n.contests[n.groups[group]] = true
		if n.agent != nil {
			n.beginContest(group)
		}
		return nil
	})
}

// Leader returns the leader of a group; false if no member is known to contest, or if this node is not in the group.
func (n *Node) Leader(group string) (*Peer, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	leader := n.leaders[group]
	if leader == nil || leader.UUID == n.cfg.UUID {
		return leader, leader != nil
	}
	p := n.present[leader.UUID]
	if p == nil {
		return nil, false // it exited just now
	}
	return p.currentSnapshot(), true
}

// beginContests begins the contests that were requested before Start.
func (n *Node) beginContests() {
	for _, group := range slices.Sorted(maps.Keys(n.contests)) {
		n.beginContest(group)
	}
}

func (n *Node) beginContest(group string) {
	e := n.electionIn(group)
	n.carryOut(e, e.Contest(time.Now()))
}

// electionIn returns the election in a group that this node is in. It begins one if there is none.
func (n *Node) electionIn(group string) *groupElection {
	e := n.elections[group]
	if e != nil {
		return e
	}
	e = &groupElection{Election: election.New(n.cfg.UUID, n.cfg.ElectAll), group: n.groups[group]}
	n.elections[e.group] = e
	if r := n.members[group]; r != nil {
		for _, p := range r.list {
			n.carryOut(e, e.Join(time.Now(), p.uuid, p.isExtended))
		}
	}
	return e
}

// endElection ends the election of a group that this node has left.
func (n *Node) endElection(group string) {
	delete(n.contests, group)
	if e := n.elections[group]; e != nil {
		e.stop()
		delete(n.elections, group)
		n.setLeader(group, nil)
	}
}

// admitToElections adds a peer to the elections of the groups that it has entered.
func (n *Node) admitToElections(p *session, groups []string) {
	if len(n.elections) == 0 {
		return
	}
	for _, group := range groups {
		if e := n.elections[group]; e != nil {
			n.carryOut(e, e.Join(time.Now(), p.uuid, p.isExtended))
		}
	}
}

// withdrawFromElections removes a peer that is about to be removed from its groups. It takes effect after the current step: the application
// learns of a new leader after the Exit, and not at all if the peer enters again in the same step. It may be called with mu held.
func (n *Node) withdrawFromElections(p *session) {
	var groups []string
	for group := range n.elections {
		if _, in := p.groups[group]; in {
			groups = append(groups, group)
		}
	}
	if groups == nil {
		return
	}
	slices.Sort(groups)
	n.after(0, func() {
		for _, group := range groups {
			if q := n.present[p.uuid]; q == nil || !q.isIn(group) {
				n.removeFromElection(p.uuid, group)
			}
		}
	})
}

func (s *session) isIn(group string) bool {
	_, in := s.groups[group]
	return in
}

// removeFromElection handles a peer that is no longer a member of a group.
func (n *Node) removeFromElection(id uuid.UUID, group string) {
	if e := n.elections[group]; e != nil {
		n.carryOut(e, e.Election.Leave(time.Now(), id))
	}
}

// handleElection handles an ELECT or LEADER of a peer.
func (n *Node) handleElection(p *session, group string, id msg.ID, node uuid.UUID) {
	if _, in := n.groups[group]; !in || n.present[p.uuid] != p || !p.isIn(group) {
		return
	}
	e := n.electionIn(group)
	if id == msg.Elect {
		n.carryOut(e, e.HandleElect(time.Now(), p.uuid, node))
	} else {
		n.carryOut(e, e.HandleLeader(time.Now(), p.uuid, node))
	}
}

// carryOut carries out the outputs of an election. All peers that they name know of our membership: HELLO or JOIN was queued before.
func (n *Node) carryOut(e *groupElection, outputs []election.Output) {
	for _, o := range outputs {
		switch o.Kind {
		case election.SendElect:
			n.sendElection(e.group, o, msg.AppendElect)
		case election.SendLeader:
			n.sendElection(e.group, o, msg.AppendLeader)
		case election.LeaderNamed:
			n.reportLeader(e.group, o.Node)
		case election.LeaderLost: // no event of its own: an Exit or Leave reports it
			n.setLeader(e.group, nil)
		}
	}
	n.setElectionTimer(e)
}

func (n *Node) sendElection(group string, o election.Output, encode func([]byte, uint16, string, [16]byte) ([]byte, error)) {
	p := n.present[o.To]
	if p == nil || !p.isIn(group) {
		return
	}
	p.out.Control(func(dst []byte, sequence uint16) []byte {
		dst, err := encode(dst, sequence, group, o.Node)
		if err != nil {
			panic(err) // the group's name was checked
		}
		return dst
	})
}

// reportLeader reports a leader to the application.
func (n *Node) reportLeader(group string, id uuid.UUID) {
	leader, stream := n.asPeer(), &n.ownStream
	if id != n.cfg.UUID {
		p := n.present[id]
		if p == nil {
			n.setLeader(group, nil)
			return // it exited in this step; the election learns that next
		}
		leader, stream = p.snapshot.Load(), p.stream.Load()
	}
	n.setLeader(group, leader)
	if !n.stopping {
		n.figures.leaderChanges.Add(1)
		n.events.Push(stream, Event{Kind: Leader, Peer: leader, Group: group})
	}
}

func (n *Node) setLeader(group string, leader *Peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if leader == nil {
		delete(n.leaders, group)
	} else {
		n.leaders[group] = leader
	}
}

// asPeer returns this node as its peers see it.
func (n *Node) asPeer() *Peer {
	return &Peer{
		UUID: n.cfg.UUID, Name: n.cfg.Name, Headers: *n.headers.Load(), Groups: n.Groups(), Endpoint: n.endpoint(), State: n.State(),
	}
}

// setElectionTimer sets the timer of an election.
func (n *Node) setElectionTimer(e *groupElection) {
	at, ok := e.Next()
	if ok && e.at.Equal(at) {
		return
	}
	e.stop()
	if !ok {
		return
	}
	e.at = at
	e.timer = time.AfterFunc(time.Until(at), func() { n.post(func() { n.tickElection(e, at) }) })
}

func (n *Node) tickElection(e *groupElection, at time.Time) {
	if n.elections[e.group] == e && e.at.Equal(at) {
		e.at = time.Time{}
		n.carryOut(e, e.Tick(time.Now()))
	}
}

func (e *groupElection) stop() {
	e.at = time.Time{}
	if e.timer != nil {
		e.timer.Stop()
	}
}

// parseHexUUID reads the UUID in an ELECT or LEADER, 32 hex digits.
func parseHexUUID(text []byte) (id uuid.UUID, ok bool) {
	if len(text) != 2*len(id) {
		return uuid.Nil, false
	}
	_, err := hex.Decode(id[:], text)
	return id, err == nil
}
