package election

import (
	"bytes"
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// world is a few nodes and the connections between them, with its own time. Each pair has two ordered streams, as ZRE has, with varying
// delays. A stream that breaks loses what is on its way, and each end notices in its own time.
type world struct {
	random *rand.Rand
	now    time.Time
	queue  events
	number int
	nodes  []*node
	quiet  time.Time // of the last change, or of when a node of ours learnt of one
	log    func(format string, args ...any)
}

type event struct {
	at     time.Time
	number int
	do     func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].number < q[j].number
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// node is one of ours, or a C zyre node, or one without elections.
type node struct {
	id       ID
	kind     kind
	world    *world
	alive    bool
	side     int // of a partition
	contests bool
	joined   bool

	ours  *Election // while it is in the group
	zyre  *zyreNode
	ticks int

	peers map[ID]*peer
}

type kind string

const (
	ours   kind = "ours"
	zyre   kind = "zyre"
	silent kind = "silent" // pyre, which must never be sent ELECT or LEADER
)

// peer is a node's state about another one.
type peer struct {
	*node
	session int // the stream towards us whose HELLO we have taken; 0: none
	member  bool
	last    time.Time // when the last message arrives there
	stream  int       // ours towards it, counted from 1; 0: none
	arrived bool      // its HELLO was taken
}

func newWorld(seed uint64) *world {
	return &world{
		random: rand.New(rand.NewPCG(seed, 0)),
		now:    time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
		log:    func(string, ...any) {},
	}
}

func (w *world) after(d time.Duration, do func()) {
	w.number++
	heap.Push(&w.queue, event{w.now.Add(d), w.number, do})
}

// run runs for that time.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

// upTo returns a random time.
func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.random.Int64N(int64(d))) }

func (w *world) add(k kind, contests, joined bool) *node {
	n := &node{kind: k, world: w, contests: contests, peers: map[ID]*peer{}}
	for i := range n.id {
		n.id[i] = byte(w.random.Uint32())
	}
	w.nodes = append(w.nodes, n)
	n.start(joined)
	return n
}

// start starts a process with that UUID, in the group or not.
func (n *node) start(joined bool) {
	n.alive, n.joined = true, joined
	n.zyre = &zyreNode{self: n.id, contests: n.contests, joined: joined, peers: map[ID]bool{}}
	n.zyre.send = func(kind Kind, to, id ID) { n.send(to, kind, id) }
	if joined && n.kind == ours {
		n.enterGroup()
	}
	for _, other := range n.world.nodes {
		n.world.meet(n, other)
	}
}

// reach tells whether two nodes have a network between them.
func (w *world) reach(a, b *node) bool { return a != b && a.alive && b.alive && a.side == b.side }

// meet makes both send HELLO, each when it sees the other's beacon.
func (w *world) meet(a, b *node) {
	for _, way := range [2][2]*node{{a, b}, {b, a}} {
		if from, to := way[0], way[1]; from != to {
			w.after(w.upTo(time.Second), func() {
				if w.reach(from, to) && (from.peers[to.id] == nil || from.peers[to.id].stream == 0) {
					from.greet(to)
				}
			})
		}
	}
}

// greet opens a stream and sends HELLO on it.
func (n *node) greet(to *node) {
	p := n.peers[to.id]
	if p == nil {
		p = &peer{node: to}
		n.peers[to.id] = p
	}
	n.world.number++
	p.stream = n.world.number
	joined, answers := n.joined, p.session
	n.deliver(p, func(q *node) {
		p.arrived = true
		q.hello(n, p.stream, answers, joined)
	})
}

// deliver makes the other end do something, after what was sent before.
func (n *node) deliver(p *peer, do func(*node)) {
	w, stream := n.world, p.stream
	at := w.now.Add(w.upTo(30 * time.Millisecond))
	if at.Before(p.last) {
		at = p.last
	}
	p.last = at
	w.after(at.Sub(w.now), func() {
		if w.reach(n, p.node) && p.stream == stream && n.peers[p.id] == p {
			do(p.node)
		}
	})
}

// hello handles a HELLO. If there was a session with that peer it ends, and a new one begins, with a HELLO that says which one it answers:
// that one ends no session.
func (n *node) hello(from *node, session, answers int, joined bool) {
	p := n.peers[from.id]
	if p != nil && (p.session != 0 || p.arrived) && answers != p.stream {
		n.exited(p)
		p = nil
	}
	if p == nil {
		p = &peer{node: from, session: session}
		n.peers[from.id] = p
		n.greet(from)
	}
	p.session = session
	if joined {
		n.member(p)
	}
}

// member notes that a peer is in the group.
func (n *node) member(p *peer) {
	p.member = true
	switch n.kind {
	case zyre:
		n.zyre.join(p.id)
	case ours:
		if n.ours != nil {
			n.changed()
			n.act(n.ours.Join(n.world.now, p.id, p.kind == ours))
		}
	}
}

func (n *node) left(p *peer) {
	if p.member = false; n.kind == zyre {
		n.zyre.leave(p.id)
	} else if n.ours != nil {
		n.changed()
		n.act(n.ours.Leave(n.world.now, p.id))
	}
}

// exited notes that the session with a peer is over.
func (n *node) exited(p *peer) {
	delete(n.peers, p.id)
	if n.kind == zyre {
		n.zyre.exit(p.id)
	} else if n.ours != nil {
		n.changed()
		n.act(n.ours.Leave(n.world.now, p.id))
	}
}

func (n *node) changed() { n.world.quiet = n.world.now }

// join enters the group, leave leaves it.
func (n *node) join() {
	n.joined, n.zyre.joined = true, true
	n.tell(func(q *node, p *peer) { q.member(p) })
	if n.kind == ours {
		n.enterGroup()
	}
}

func (n *node) leave() {
	n.joined, n.zyre.joined, n.ours = false, false, nil
	n.changed()
	n.tell(func(q *node, p *peer) { q.left(p) })
}

// tell sends a JOIN or LEAVE to all peers.
func (n *node) tell(do func(q *node, p *peer)) {
	for _, id := range sortedIDs(n.peers) {
		if p := n.peers[id]; p.stream != 0 {
			n.deliver(p, func(q *node) {
				if back := q.peers[n.id]; back != nil && back.session == p.stream {
					do(q, back)
				}
			})
		}
	}
}

func (n *node) enterGroup() {
	n.ours = New(n.id, false)
	n.changed()
	for _, id := range sortedIDs(n.peers) {
		if p := n.peers[id]; p.member {
			n.act(n.ours.Join(n.world.now, id, p.kind == ours))
		}
	}
	if n.contests {
		n.act(n.ours.Contest(n.world.now))
	}
}

// crash ends a process; the others notice in their own time, C zyre's later.
func (n *node) crash() {
	n.alive, n.ours = false, nil
	n.changed()
	for _, other := range n.world.nodes {
		other.lose(n)
	}
	n.peers = map[ID]*peer{}
}

// lose breaks the stream to a peer, or lets it expire.
func (n *node) lose(other *node) {
	p := n.peers[other.id]
	if p == nil {
		return
	}
	patience := 500 * time.Millisecond
	if n.kind == zyre {
		patience = 3 * time.Second // all of them check at about the same time
	}
	n.world.after(patience-n.world.upTo(min(patience, time.Second)), func() {
		if n.alive && n.peers[other.id] == p {
			n.exited(p)
			if n.world.reach(n, other) { // a beacon comes
				n.world.meet(n, other)
			}
		}
	})
}

// part puts nodes on two sides; merge joins them.
func (w *world) part() {
	w.quiet = w.now
	for _, n := range w.nodes {
		n.side = w.random.IntN(2)
	}
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if a.side != b.side {
				a.lose(b)
			}
		}
	}
	w.meetAll()
}

func (w *world) merge() {
	w.quiet = w.now
	for _, n := range w.nodes {
		n.side = 0
	}
	w.meetAll()
}

func (w *world) meetAll() {
	for i, a := range w.nodes {
		for _, b := range w.nodes[:i] {
			w.meet(a, b)
		}
	}
}

func (n *node) send(to ID, k Kind, id ID) {
	p := n.peers[to]
	if p == nil || p.stream == 0 {
		return
	}
	if n.kind == ours && p.kind == silent {
		panic(fmt.Sprintf("%x sends %d to a node that dies from it", n.id[:2], k))
	}
	n.world.log("%v %x -> %x: %v %x", n.world.now.Format("05.000"), n.id[:2], to[:2], k, id[:2])
	n.deliver(p, func(q *node) {
		back := q.peers[n.id]
		if back == nil || back.session != p.stream {
			return
		}
		switch {
		case q.kind == zyre && k == SendElect:
			q.zyre.elect(n.id, id)
		case q.kind == zyre:
			q.zyre.led(n.id, id)
		case q.ours == nil:
		case k == SendElect:
			before, had := q.ours.findLowest()
			q.act(q.ours.HandleElect(q.world.now, n.id, id))
			if after, has := q.ours.findLowest(); after != before || has != had {
				q.changed()
			}
		default:
			q.act(q.ours.HandleLeader(q.world.now, n.id, id))
		}
	})
}

// act does what an Election asks for.
func (n *node) act(out []Output) {
	for _, o := range out {
		switch o.Kind {
		case SendElect, SendLeader:
			if p := n.peers[o.To]; p == nil || !p.member {
				panic(fmt.Sprintf("%x sends to %x, which is no member", n.id[:2], o.To[:2]))
			}
			n.send(o.To, o.Kind, o.Node)
		default:
			n.world.log("%v %x: %v %x", n.world.now.Format("05.000"), n.id[:2], o.Kind, o.Node[:2])
		}
	}
	n.ticks++
	mine, at := n.ticks, time.Time{}
	e := n.ours
	if t, ok := e.Next(); ok {
		at = t
		n.world.after(at.Sub(n.world.now), func() {
			if n.alive && n.ours == e && n.ticks == mine {
				n.act(e.Tick(n.world.now))
			}
		})
	}
}

func sortedIDs[V any](m map[ID]V) []ID {
	return slices.SortedFunc(maps.Keys(m), func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
}
