package node

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// inbox receives what one peer's DEALER sends to our ROUTER. All its fields belong to the reader goroutine of the connection; while
// there is a doubt, to who holds its lock.
type inbox struct {
	node *Node
	conn *zmtp.Conn
	uuid uuid.UUID

	extensions extensions // what the peer may use
	sure       bool       // its HELLO has waited for a better one
	doubt      *doubt     // whose its HELLO is; nil mostly. The reader goroutine's
	caller     *peer      // the session that made the connection, if we did
	both       bool       // the connection carries both directions; the control loop's, once it runs

	peer    *peer // the session that its last HELLO began; nil before
	last    uint16
	message msg.Message
}

var (
	errIdentity = errors.New("routing id is not %x01 and a UUID")
	errOwnUUID  = errors.New("peer has our own UUID")
	errSequence = errors.New("message out of sequence")
	errRefused  = errors.New("HELLO refused")
	errAgain    = errors.New("another HELLO on a connection for both directions")
)

// accept begins the inbox of a connection that shook hands.
func (n *Node) accept(conn *zmtp.Conn) (zmtp.Receiver, error) {
	id, ok := parseIdentity(conn.Identity())
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %x", errIdentity, conn.Identity())
	case id == n.cfg.UUID:
		n.post(func() { n.conflict(addrPortOf(conn.RemoteAddr())) })
		return nil, errOwnUUID
	}
	return &inbox{node: n, conn: conn, uuid: id, extensions: extensionsOf(conn)}, nil
}

// Greeted says whether a HELLO came. Until then the Router counts the connection as one in its handshake.
func (in *inbox) Greeted() bool { return in.doubt != nil || in.peer != nil }

// Receive takes one message. An error ends the connection.
func (in *inbox) Receive(frames [][]byte) error {
	if d := in.doubt; d != nil {
		return in.consider(d, frames)
	}
	return in.receive(frames, in.conn.Slab())
}

// receive takes a message for which there is no doubt; it is of that slab.
func (in *inbox) receive(frames [][]byte, from *memory.Slab) error {
	m := &in.message
	err := m.Decode(frames, in.node.cfg.Limits.msg())
	if err != nil && !errors.Is(err, msg.ErrUnknownID) {
		// RFC 36: discard silently. If its sender counted it, the next number shows that.
		in.node.log.Debug().Err(err).Stringer("peer", in.uuid).Msg("message discarded")
		return nil
	}
	if m.ID == msg.Hello {
		return in.hello(frames)
	}
	if in.peer == nil {
		return nil // RFC 36: ignore what precedes HELLO
	}
	if !in.peer.cycle.follows(in.last, m.Sequence) {
		return in.invalid(fmt.Errorf("%w: %v with sequence %d after %d", errSequence, m.ID, m.Sequence, in.last))
	}
	in.last = m.Sequence
	if !in.peer.spoke.Load() {
		in.peer.spoke.Store(true)
	}
	return in.traffic(from)
}

// hello begins a session.
func (in *inbox) hello(frames [][]byte) error {
	if in.message.Sequence != 1 {
		return in.invalid(fmt.Errorf("%w: HELLO with sequence %d", errSequence, in.message.Sequence))
	}
	if in.both && in.peer != nil {
		return in.invalid(errAgain)
	}
	if !in.node.events.Admit(in.conn.Done()) {
		return errSessionOver
	}
	var p *peer
	err := in.node.do(func() { p = in.node.greeted(in) })
	if err == nil && p == suspected {
		in.suspect(frames)
		return nil
	}
	if err == nil && p == doubted {
		// If it was the answer to a HELLO of ours, the one that we say now gets another answer, on a connection that ends this.
		select {
		case <-in.conn.Done():
			return errSessionOver
		case <-time.After(doubtGrace):
		}
		in.sure = true
		err = in.node.do(func() { p = in.node.greeted(in) })
	}
	switch {
	case err != nil:
		return err
	case p == nil:
		return errRefused
	}
	in.peer, in.last = p, 1
	in.message = msg.Message{} // its octets need not stay
	return nil
}

// traffic handles all that follows a HELLO.
func (in *inbox) traffic(from *memory.Slab) error {
	n, m, p := in.node, &in.message, in.peer
	switch m.ID {
	case msg.Whisper:
		return in.deliver(Event{Kind: Whisper, Slab: from})
	case msg.Shout:
		// A group that we left while the message was on its way; or its sender's mistake.
		if group, ok := (*n.ownGroups.Load())[string(m.Group)]; ok {
			return in.deliver(Event{Kind: Shout, Group: group, Slab: from})
		}
	case msg.Join:
		return in.change(n.joined)
	case msg.Leave:
		return in.change(n.departed)
	case msg.Ping:
		p.pong()
		runtime.Gosched() // to the writer: else it waits until this goroutine does
	case msg.PingOK:
		p.ponged()
	case msg.State:
		if in.extensions.has(extState) {
			state := beacon.State(m.State)
			return n.do(func() { n.stated(p, state, true) })
		}
	case msg.Goodbye:
		if in.extensions.has(extGoodbye) {
			n.post(func() { n.depart(p) })
			return errSessionOver
		}
		// C zyre says it where it uses gossip, to those too who know it by beacons: these believe its beacons alone.
		n.post(func() {
			if n.isGossiped(p.uuid) {
				n.depart(p)
			}
		})
	}
	// ELECT, LEADER and ids that we don't know count in the sequence only.
	return nil
}

// change has the control loop take a JOIN or LEAVE.
func (in *inbox) change(take func(p *peer, group string)) error {
	if !in.node.events.Admit(in.conn.Done()) {
		return errSessionOver
	}
	return in.node.do(func() { take(in.peer, string(in.message.Group)) })
}

// frameCost is what a frame holds beside its octets.
const frameCost = 24

func (in *inbox) deliver(e Event) error {
	e.Peer, e.Frames = in.peer.snapshot.Load(), in.message.Content
	if len(e.Frames) == 0 { // RFC 36 allows it, and applications look at the first one. What is handed over has one: see outgoing
		e.Frames = [][]byte{{}}
	}
	in.message.Content, in.message.Group = nil, nil // while the peer is silent they need not stay
	var octets int64
	for _, frame := range e.Frames {
		octets += frameCost + int64(len(frame))
	}
	if !in.node.events.Deliver(&in.peer.stream, &e, octets, in.conn.Done()) {
		return errSessionOver
	}
	return nil
}

// invalid ends the session with a peer that broke the sequence (RFC 36, "ZRE Commands").
func (in *inbox) invalid(err error) error {
	if p := in.peer; p != nil {
		in.node.post(func() { in.node.remove(p, LostMessages) })
	}
	return err
}

// Closed ends the inbox.
func (in *inbox) Closed(err error) {
	if p := in.settled(); p != nil {
		in.node.post(func() {
			switch {
			case in.both:
				in.node.hungUp(p, in, err)
			case p.inbox == in:
				p.inbox = nil
				in.node.lost(p, err)
			}
		})
	}
	in.node.log.Debug().AnErr("reason", err).Stringer("peer", in.uuid).Msg("connection from peer closed")
}

// isLocal tells whether the peer is on this machine.
func (in *inbox) isLocal() bool {
	addr := addrOf(in.conn.RemoteAddr())
	return !addr.IsValid() || in.node.agent.IsLocal(addr) // inproc and ipc have no IP address
}

// endpoints gives where the sender of a HELLO may be reached: at the endpoint that it names, and at the address that it
// connects from, for an endpoint that is a host name of its own network (C zyre with interface "*") or not routed to us.
func (in *inbox) endpoints() []netip.AddrPort {
	host, port, err := cutEndpoint(string(in.message.Hello.Endpoint))
	if err != nil {
		return nil
	}
	var endpoints []netip.AddrPort // the best last
	seen := netip.AddrPortFrom(addrPortOf(in.conn.RemoteAddr()).Addr(), port)
	named := seen
	if addr, err := netip.ParseAddr(host); err == nil && !addr.IsUnspecified() && !addr.IsMulticast() {
		named = zoned(netip.AddrPortFrom(addr.Unmap(), port), in.conn.RemoteAddr())
	}
	if seen.IsValid() && seen != named {
		endpoints = append(endpoints, seen)
	}
	if named.IsValid() {
		endpoints = append(endpoints, named)
	}
	return endpoints
}
