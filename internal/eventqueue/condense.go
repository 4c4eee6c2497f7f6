package eventqueue

import "github.com/google/uuid"

// NewWithoutMessages is New for an application that gets no WHISPER and SHOUT, and perhaps never reads events. If there is no room for
// another membership event, the queue leaves out events with no lasting effect: the coming and going of a peer that the application never
// heard of, a group joined and left, a state or leader that is not the last one. The remaining events lead to the same result.
func NewWithoutMessages(limits Limits) *Queue {
	q := New(limits)
	q.noMessages = true
	return q
}

// minRedundant is the minimum number of events that may be redundant before the queue looks through them.
const minRedundant = membershipEvents / 128

// countRedundant adds how many waiting events, itself included, an event may make redundant.
func (q *Queue) countRedundant(e *Event) {
	switch e.Kind {
	case Exit:
		q.redundant += 2 + len(e.Peer.Groups)
	case Join, Leave, Evasive, Silent, State, HeadersChanged, Leader, EndpointsChanged, ProblemChanged:
		q.redundant++
	}
}

// dropRedundant leaves out redundant events. It tells whether there is room then.
func (q *Queue) dropRedundant() bool {
	if !q.noMessages || q.redundant < minRedundant {
		return false
	}
	c := newCondenser(q.pending)
	kept := q.pending[:0]
	q.membership, q.snapshot, q.takenSnapshot = 0, nil, nil
	for i, keep := range c.decide() {
		if e := &q.pending[i]; keep {
			q.count(e)
			kept = append(kept, *e)
		}
	}
	clear(q.pending[len(kept):])
	q.pending, q.redundant = kept, 0
	return !q.membershipFull()
}

// A condenser decides which of the waiting events to keep.
type condenser struct {
	events   []Event
	keep     []bool
	exits    map[uuid.UUID]int  // position of the last Exit of a peer
	unseen   map[uuid.UUID]bool // peers that came and go again before the application hears of them
	sessions map[uuid.UUID]int  // number of sessions of a peer
	last     map[changeable]int // position of the last kept event about it
	problems map[problem]int    // likewise
}

// changeable is something that may change and change back.
type changeable struct {
	peer    uuid.UUID
	session int
	kind    Kind // Join, for groups; or Evasive, Silent, State, HeadersChanged; EndpointsChanged; or Leader, of no peer
	group   string
}

type problem struct {
	kind  ProblemKind
	about string
}

func newCondenser(events []Event) *condenser {
	c := &condenser{
		events:   events,
		keep:     make([]bool, len(events)),
		exits:    make(map[uuid.UUID]int),
		unseen:   make(map[uuid.UUID]bool),
		sessions: make(map[uuid.UUID]int),
		last:     make(map[changeable]int),
		problems: make(map[problem]int),
	}
	for i := range events {
		if events[i].Kind == Exit {
			c.exits[events[i].Peer.UUID] = i
		}
	}
	return c
}

// decide tells for each event whether it is kept.
func (c *condenser) decide() []bool {
	for i := range c.events {
		e := &c.events[i]
		if e.Kind == ProblemChanged {
			p := problem{e.Problem.Kind, e.Problem.About}
			if last, has := c.problems[p]; has {
				c.keep[last] = false
			}
			c.keep[i], c.problems[p] = true, i
			continue
		}
		id := e.Peer.UUID
		exit, exits := c.exits[id]
		switch {
		case e.Kind == Enter && exits && i < exit:
			c.unseen[id] = true
		case c.unseen[id]:
			c.unseen[id] = i < exit
		default:
			c.keepNewest(i, e)
		}
	}
	return c.keep
}

// keepNewest keeps an event of a session that the application hears of, and drops earlier events that it makes redundant.
func (c *condenser) keepNewest(i int, e *Event) {
	about := changeable{peer: e.Peer.UUID, session: c.sessions[e.Peer.UUID], kind: e.Kind}
	switch e.Kind {
	case Join, Leave: // they alternate, so two cancel each other
		about.kind, about.group = Join, e.Group
		if last, changed := c.last[about]; changed {
			c.keep[last] = false
			delete(c.last, about)
			return
		}
		fallthrough
	case Silent, State, HeadersChanged, EndpointsChanged:
		c.drop(about)
		c.last[about] = i
	case Evasive:
		c.drop(about)
		c.last[about] = i
		about.kind = Silent
		c.drop(about)
	case Leader: // a group has one
		about = changeable{kind: Leader, group: e.Group}
		c.drop(about)
		c.last[about] = i
	case Exit:
		c.sessions[e.Peer.UUID]++
	}
	c.keep[i] = true
}

// drop leaves out the last event about something.
func (c *condenser) drop(about changeable) {
	if last, has := c.last[about]; has {
		c.keep[last] = false
		delete(c.last, about)
	}
}
