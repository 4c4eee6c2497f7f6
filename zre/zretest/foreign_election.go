package zretest

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/msg"
	"github.com/go-zre/go-zre/zre"
)

// ForeignContests puts a model of C zyre in groups from the beginning and makes it contest for their leadership. The elections are those of
// zyre_node.c, zyre_group.c and zyre_election.c of C zyre d8370f7, with their faults: waves have no number, and are counted by equality
// with the number of members, so some never end.
func ForeignContests(groups ...string) ForeignOption {
	return func(f *Foreign) {
		for _, group := range groups {
			f.election(group).contests = true
			if !slices.Contains(f.groups, group) {
				f.groups = append(f.groups, group)
				f.status++
			}
		}
	}
}

// A foreignElection is the election in one group, as a C zyre node sees it. The loop owns it.
type foreignElection struct {
	f         *Foreign
	group     string
	contests  bool
	leader    uuid.UUID // if that is another node
	hasLeader bool

	running bool
	caw     uuid.UUID // C zyre's word, "currently active wave": the challenger that it supports
	hasCaw  bool
	father  *foreignPeer // from which the first ELECT of the wave came
	elects  int
	leaders int
}

func (f *Foreign) election(group string) *foreignElection {
	if f.elections == nil {
		f.elections = make(map[string]*foreignElection)
	}
	e := f.elections[group]
	if e == nil {
		e = &foreignElection{f: f, group: group}
		f.elections[group] = e
	}
	return e
}

// members returns the peers in the group.
func (e *foreignElection) members() []*foreignPeer {
	return slices.DeleteFunc(e.f.sortedPeers(), func(p *foreignPeer) bool { return !p.groups[e.group] })
}

func (e *foreignElection) reset() {
	e.running, e.hasCaw, e.elects, e.leaders = false, false, 0, 0
}

func (e *foreignElection) send(to *foreignPeer, message func([]byte, uint16, string, [16]byte) ([]byte, error), node uuid.UUID) {
	e.f.send(to, func(sequence uint16) [][]byte {
		frame, err := message(nil, sequence, e.group, node)
		return e.f.checkEncoded(frame, err)
	})
}

func (e *foreignElection) sendAll(message func([]byte, uint16, string, [16]byte) ([]byte, error), node uuid.UUID, except *foreignPeer) {
	for _, p := range e.members() {
		if p != except {
			e.send(p, message, node)
		}
	}
}

func (e *foreignElection) report(id uuid.UUID) {
	leader := &zre.Peer{UUID: id}
	if p := e.f.peers[id]; p != nil {
		leader = p.snapshot()
	}
	e.f.recordEvent(zre.Leader{Peer: leader, Group: e.group})
}

// challenge starts a wave.
func (e *foreignElection) challenge() {
	e.reset()
	e.running, e.caw, e.hasCaw, e.hasLeader = true, e.f.id, true, false
	e.sendAll(msg.AppendElect, e.f.id, nil)
}

func (e *foreignElection) memberJoined() {
	if e.contests {
		e.challenge()
	}
}

func (e *foreignElection) memberLeft(p *foreignPeer) {
	if !e.contests || !e.hasLeader || e.leader != p.id {
		return
	}
	if e.reset(); len(e.members()) > 0 {
		e.challenge()
		return
	}
	e.hasLeader = false
	e.report(e.f.id)
}

// memberExits handles a member that is about to be removed: a wave begins before its removal.
func (e *foreignElection) memberExits(p *foreignPeer) {
	count := len(e.members())
	if !e.contests || !slices.Contains(e.f.groups, e.group) || !(e.running && e.leaders != count || e.hasLeader && e.leader == p.id) {
		return
	}
	if e.reset(); count > 1 {
		e.challenge()
		return
	}
	e.hasLeader = false
	e.report(e.f.id)
}

func (e *foreignElection) handleElect(from *foreignPeer, challenger uuid.UUID) {
	e.running = true
	if !e.hasCaw || bytes.Compare(challenger[:], e.caw[:]) < 0 {
		e.reset()
		e.running, e.caw, e.hasCaw, e.father = true, challenger, true, from
		e.sendAll(msg.AppendElect, challenger, from)
	}
	if challenger != e.caw {
		return
	}
	if e.elects++; e.elects != len(e.members()) {
		return
	}
	if e.caw == e.f.id {
		e.sendAll(msg.AppendLeader, e.caw, nil)
	} else {
		e.send(e.father, msg.AppendElect, e.caw)
	}
}

func (e *foreignElection) handleLeader(leader uuid.UUID) {
	e.running = true
	if !e.hasCaw {
		return
	}
	if leader != e.f.id && e.leaders == 0 {
		e.sendAll(msg.AppendLeader, e.caw, nil)
	}
	if e.leaders++; e.leaders != len(e.members()) {
		return
	}
	if e.reset(); leader != e.f.id {
		e.leader, e.hasLeader = leader, true
	}
	e.report(leader)
}

// handleElection handles an ELECT or LEADER.
func (f *Foreign) handleElection(p *foreignPeer, m *msg.Message) {
	node, err := uuid.ParseBytes(m.Node)
	switch {
	case !f.elects:
		f.wouldDie("%v of %s: it drops the peer, or the process ends", m.ID, p.name)
	case err != nil:
		f.t.Errorf("%s: %v of %s names %q", f, m.ID, p.name, m.Node)
	case m.ID == msg.Elect:
		f.election(string(m.Group)).handleElect(p, node)
	default:
		f.election(string(m.Group)).handleLeader(node)
	}
}
