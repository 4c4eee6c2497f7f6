package eventqueue

import "github.com/google/uuid"

// NewWithoutMessages is New for an application that gets no WHISPER and SHOUT, and perhaps never comes for events. Where there is no room
// for another event of membership, those are left out that lead to nothing: a peer's coming and going that the application
// heard nothing of, a group joined and left, a state or leader that is not the last one. What is left tells the same in the end.
func NewWithoutMessages(limits Limits) *Queue {
	q := New(limits)
	q.noMessages = true
	return q
}

// worthwhile is how many events may lead to nothing, at least, before they are looked through.
const worthwhile = membershipEvents / 128

// mayVoid counts how many events that wait an event may make void, and itself.
func (q *Queue) mayVoid(e *Event) {
	switch e.Kind {
	case Exit:
		q.void += 2 + len(e.Peer.Groups)
	case Join, Leave, Evasive, Silent, State, HeadersChanged, Leader, EndpointsChanged, ProblemChanged:
		q.void++
	}
}

// condense leaves out what leads to nothing. It tells whether there is room then.
func (q *Queue) condense() bool {
	if !q.noMessages || q.void < worthwhile {
		return false
	}
	c := newCondenser(q.pending)
	kept := q.pending[:0]
	q.membership, q.snapshot, q.taken = 0, nil, nil
	for i, keep := range c.look() {
		if e := &q.pending[i]; keep {
			q.count(e)
			kept = append(kept, *e)
		}
	}
	clear(q.pending[len(kept):])
	q.pending, q.void = kept, 0
	return !q.membershipFull()
}

// A condenser says which of the events that wait are to be kept.
type condenser struct {
	events   []Event
	keep     []bool
	exits    map[uuid.UUID]int  // where the last Exit of a peer is
	untold   map[uuid.UUID]bool // peers that came and go again, before the application hears of it
	sessions map[uuid.UUID]int  // counts those of a peer
	last     map[changeable]int // where the last event about it is, of those that are kept
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
		untold:   make(map[uuid.UUID]bool),
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

// look tells of each event whether it is kept.
func (c *condenser) look() []bool {
	for i := range c.events {
		e := &c.events[i]
		if e.Kind == ProblemChanged {
			p := problem{e.Problem.Kind, e.Problem.About}
			if last, told := c.problems[p]; told {
				c.keep[last] = false
			}
			c.keep[i], c.problems[p] = true, i
			continue
		}
		id := e.Peer.UUID
		exit, exits := c.exits[id]
		switch {
		case e.Kind == Enter && exits && i < exit:
			c.untold[id] = true
		case c.untold[id]:
			c.untold[id] = i < exit
		default:
			c.follow(i, e)
		}
	}
	return c.keep
}

// follow keeps an event of a session that the application hears of, and what it makes void no more.
func (c *condenser) follow(i int, e *Event) {
	about := changeable{peer: e.Peer.UUID, session: c.sessions[e.Peer.UUID], kind: e.Kind}
	switch e.Kind {
	case Join, Leave: // they take turns, so two lead to nothing
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
	case Leader: // of a group there is one
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
	if last, told := c.last[about]; told {
		c.keep[last] = false
		delete(c.last, about)
	}
}
