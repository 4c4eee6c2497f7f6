package election

import (
	"bytes"
	"maps"
	"slices"
	"time"
)

// SelfGrace is how long a node must be the lowest contestant before it names itself: a beacon's interval, in which it meets the members
// that are there.
const SelfGrace = time.Second

// An ID is a node's UUID. C zyre compares UUIDs as upper-case hexadecimal digits, which is the order of these octets.
type ID = [16]byte

// Kind says what an [Output] is.
type Kind int

// The kinds of outputs.
const (
	SendElect   Kind = iota + 1 // send ELECT to the member To, with the UUID Node
	SendLeader                  // send LEADER to the member To, with the UUID Node
	LeaderNamed                 // Node leads the group from now on; it may be this node
	LeaderLost                  // no leader is known, though one was
)

// An Output is what the node must do, in order.
type Output struct {
	Kind Kind
	To   ID
	Node ID
}

// An Election is one group as one of its members sees it. Make one when the node joins the group, and call Join for each member that is
// there; drop it when the node leaves. Its methods return what to do after the JOIN or the HELLO that tells a member about this node's
// membership. They are not safe for concurrent use.
type Election struct {
	self     ID
	all      bool
	contests bool
	members  map[ID]*member

	lowest    ID // the lowest contestant
	hasLowest bool
	stale     bool // the lowest contestant may have changed: the search takes time if there are many members
	named     ID   // what was last reported
	isNamed   bool
	selfAt    time.Time // when this node names itself, if it is still the lowest contestant then
	declared  bool      // the wave of C zyre's nodes has reached LEADER

	joined   time.Time // when the last member came
	waveAt   time.Time // when this node began its last wave
	repeats  int       // how many more times this node's wave is repeated
	repeatAt time.Time // when this node's wave is repeated; zero: it is not
	answerAt time.Time // when the next foreign member is answered; zero: none waits
	out      []Output
}

// member is another node in the group.
type member struct {
	ours     bool
	contests bool

	// Of foreign members. The rest is the wave as that member sees it, since it last started again.
	knowsElections bool      // it knows ELECT and LEADER
	supports       ID        // the challenger that it last sent
	hasChallenger  bool      // it has sent one
	sentLeader     bool      // it has sent LEADER
	toldChallenger ID        // the challenger that we sent
	isAnswered     bool      // we have sent one
	toldLeader     bool      // we have sent LEADER
	electDue       time.Time // when we send ELECT, if that is still to be sent; zero: not on our own
}

// New begins with a group without other members. If all is true, foreign members are sent ELECT and LEADER unasked: for groups with C zyre
// nodes that do not contest, and without pyre, zyre.js and gyre.
func New(self ID, all bool) *Election {
	return &Election{self: self, all: all, members: map[ID]*member{}}
}

// Leader returns the leader that Named last reported.
func (e *Election) Leader() (leader ID, ok bool) { return e.named, e.isNamed }

// Next returns when to call Tick; ok is false if that is not needed.
func (e *Election) Next() (at time.Time, ok bool) {
	if e.answerAt.IsZero() || !e.selfAt.IsZero() && e.selfAt.Before(e.answerAt) {
		return e.selfAt, !e.selfAt.IsZero()
	}
	return e.answerAt, true
}

// Contest makes this node contest, from now on. A second call does nothing.
func (e *Election) Contest(now time.Time) []Output {
	if e.contests {
		return nil
	}
	e.contests, e.stale = true, true
	for _, id := range e.sorted() {
		if e.members[id].ours {
			e.send(SendElect, id, e.self)
		}
	}
	return e.result(now)
}

// Join notes that a node is a member now: its HELLO listed the group, or it joined. ours says that it is a node of ours. If it is a member
// already, it has begun a new session.
func (e *Election) Join(now time.Time, id ID, ours bool) []Output {
	if id == e.self {
		return nil
	}
	e.remove(id)
	m := &member{ours: ours, knowsElections: !ours && e.all}
	e.members[id], e.joined = m, now
	for _, m := range e.members {
		if !m.electDue.IsZero() {
			e.answerIn(now, answerGrace, m)
		}
	}
	if m.knowsElections {
		e.answerIn(now, answerGrace, m)
	}
	if ours && e.contests {
		e.send(SendElect, id, e.self)
	}
	return e.result(now)
}

// Leave notes that a node is no longer a member: it left the group, or exited.
func (e *Election) Leave(now time.Time, id ID) []Output {
	e.remove(id)
	return e.result(now)
}

// remove removes a member that is gone, or starts again.
func (e *Election) remove(id ID) {
	if m := e.members[id]; m != nil {
		e.stale = e.stale || m.contests
		delete(e.members, id)
	}
}

// noteContestant notes that a member says that it contests.
func (e *Election) noteContestant(m *member) {
	e.stale = e.stale || !m.contests
	m.contests = true
}

// HandleElect handles an ELECT of a member.
func (e *Election) HandleElect(now time.Time, from, challenger ID) []Output {
	m := e.members[from]
	if m == nil {
		return nil // it has left; if it comes back it says so again
	}
	if challenger == from {
		e.noteContestant(m)
	}
	if !m.ours {
		m.knowsElections = true
		if challenger == from || m.sentLeader || m.hasChallenger && bytes.Compare(challenger[:], m.supports[:]) > 0 {
			m.resetWave()
			e.declared = false
			e.beginWave(now)
		}
		m.supports, m.hasChallenger = challenger, true
		e.answerIn(now, e.answerDelay(now, m), m)
	}
	return e.result(now)
}

// HandleLeader handles a LEADER of a member.
func (e *Election) HandleLeader(now time.Time, from, leader ID) []Output {
	m := e.members[from]
	if m == nil || m.ours {
		return nil
	}
	if leader == from {
		e.noteContestant(m)
	}
	m.knowsElections, m.sentLeader = true, true
	e.declared = e.declared || e.hasLowest && leader == e.lowest
	e.tickIn(now, answerGrace)
	return e.result(now)
}

// Tick does what was put off until now.
func (e *Election) Tick(now time.Time) []Output {
	if !e.answerAt.IsZero() && !now.Before(e.answerAt) {
		e.answerDue(now)
	}
	if !e.selfAt.IsZero() && !now.Before(e.selfAt) {
		e.selfAt = time.Time{}
		e.nameLeader(e.self)
	}
	return e.result(now)
}

// result finds the lowest contestant, and returns what to do.
func (e *Election) result(now time.Time) []Output {
	best, has := e.lowest, e.hasLowest
	if e.stale {
		best, has = e.findLowest()
		e.stale = false
	}
	if best != e.lowest || has != e.hasLowest {
		gone := e.hasLowest && (!has || bytes.Compare(best[:], e.lowest[:]) > 0)
		e.lowest, e.hasLowest, e.declared = best, has, false
		e.updateLeader(now)
		e.inform(now, gone)
	}
	out := e.out
	e.out = nil
	return out
}

// updateLeader reports a new lowest contestant.
func (e *Election) updateLeader(now time.Time) {
	e.selfAt = time.Time{}
	switch {
	case !e.hasLowest:
		e.loseLeader()
	case e.lowest == e.self:
		e.loseLeader()
		e.selfAt = now.Add(SelfGrace)
	default:
		e.nameLeader(e.lowest)
	}
}

func (e *Election) findLowest() (best ID, has bool) {
	if e.contests {
		best, has = e.self, true
	}
	for id, m := range e.members {
		if m.contests && (!has || bytes.Compare(id[:], best[:]) < 0) {
			best, has = id, true
		}
	}
	return best, has
}

func (e *Election) nameLeader(leader ID) {
	if !e.isNamed || e.named != leader {
		e.named, e.isNamed = leader, true
		e.out = append(e.out, Output{Kind: LeaderNamed, Node: leader})
	}
}

func (e *Election) loseLeader() {
	if e.isNamed {
		e.named, e.isNamed = ID{}, false
		e.out = append(e.out, Output{Kind: LeaderLost})
	}
}

func (e *Election) send(kind Kind, to, node ID) {
	e.out = append(e.out, Output{Kind: kind, To: to, Node: node})
}

// sorted returns the members in a fixed order.
func (e *Election) sorted() []ID {
	return slices.SortedFunc(maps.Keys(e.members), func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
}
