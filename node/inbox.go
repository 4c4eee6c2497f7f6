package node

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/eventqueue"
	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/request"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// inbox receives what one peer's DEALER sends to our ROUTER. All its fields belong to the reader goroutine of the connection; while the
// HELLO is held, to the holder of that lock.
type inbox struct {
	node *Node
	conn *zmtp.Conn
	uuid uuid.UUID

	extensions extensions           // what the peer may use
	isDecided  bool                 // its HELLO does not have to wait (any more)
	held       atomic.Pointer[held] // its HELLO, while that waits
	dialledBy  *session             // the session that made the connection, if this node made it
	isDuplex   bool                 // the connection carries both directions; the control loop owns it, once it runs

	verdict      verdict            // the control loop writes it while the reader waits
	session      *session           // the session that its last HELLO began, or that it resumes; nil before
	stream       *eventqueue.Stream // of the events of that session
	hasSkipped   bool               // messages without a HELLO before them were ignored
	lastSequence uint16
	message      msg.Message

	unwanted bool // the content of the arriving message: see Wants
	kept     bool // the message's frames were handed on
}

var (
	errIdentity    = errors.New("routing id is not %x01 and a UUID")
	errOwnUUID     = errors.New("peer has our own UUID")
	errSequence    = errors.New("message out of sequence")
	errRefused     = errors.New("HELLO refused")
	errSecondHello = errors.New("another HELLO on a connection for both directions")
)

// key returns the key that the peer has proven; zero for a plain node.
func (in *inbox) key() PublicKey { return keyOf(in.conn) }

// claim returns the peer that said HELLO.
func (in *inbox) claim() peerClaim { return peerClaim{in.uuid, in.key(), in.node.isSecure()} }

// accept makes the inbox of a connection after its handshake.
func (n *Node) accept(conn *zmtp.Conn) (zmtp.Receiver, error) {
	id, ok := parseIdentity(conn.Identity())
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %x", errIdentity, conn.Identity())
	case id == n.cfg.UUID:
		n.post(func() { n.noteConflict(netip.AddrPortFrom(paths.AddrOf(conn.RemoteAddr()), 0)) })
		return nil, errOwnUUID
	}
	in := &inbox{node: n, conn: conn, uuid: id, extensions: extensionsOf(conn)}
	if in.extensions == 0 {
		n.post(func() { n.promptReconnected(in) })
	}
	return in, nil
}

// Greeted reports whether a HELLO came. Until then the Router counts the connection among its pending handshakes.
func (in *inbox) Greeted() bool { return in.held.Load() != nil || in.session != nil }

// Receive handles one message. An error ends the connection.
func (in *inbox) Receive(frames [][]byte) error {
	if h := in.held.Load(); h != nil {
		return in.handleHeld(h, frames)
	}
	return in.receive(frames, in.conn.Origin())
}

// receive handles a message while no HELLO is held; from is the message's origin. Unless the message is handed on, no reference to it stays,
// neither here nor in the list of frames, which the connection's reader may share.
func (in *inbox) receive(frames [][]byte, from memory.Origin) error {
	in.kept = false
	err := in.decode(frames, from)
	if in.held.Load() != nil { // the HELLO is still needed, and all this now belongs to the holder of the lock
		return err
	}
	if in.kept {
		in.message.Content, in.message.Group = nil, nil // no other field refers to the frames
	} else {
		clear(frames)
		in.message = msg.Message{}
	}
	in.unwanted = false
	return err
}

func (in *inbox) decode(frames [][]byte, from memory.Origin) error {
	m := &in.message
	err := m.Decode(frames, in.node.cfg.Limits.msg())
	if err != nil && !errors.Is(err, msg.ErrUnknownID) {
		// RFC 36: discard silently. If the sender counted it, the next sequence number shows that.
		in.node.figures.invalid.Add(1)
		in.node.log.Debug().Err(err).Stringer("peer", in.uuid).Msg("message discarded")
		return nil
	}
	if m.ID == msg.Hello {
		return in.hello(frames)
	}
	if in.session == nil {
		in.noteAlive()
		if !in.resumes() {
			return nil // RFC 36: ignore what precedes HELLO
		}
	}
	if !in.session.out.Follows(in.lastSequence, m.Sequence) {
		return in.endForGap(fmt.Errorf("%w: %v with sequence %d after %d", errSequence, m.ID, m.Sequence, in.lastSequence))
	}
	in.lastSequence = m.Sequence
	if !in.session.spoke.Load() {
		in.session.spoke.Store(true)
	}
	return in.handleMessage(from)
}

// resumes reports whether a connection resumes a session, though it does not begin with a HELLO. After a reset, a DEALER of libzmq connects
// again by itself and continues with the next message.
func (in *inbox) resumes() bool {
	if in.hasSkipped {
		return false
	}
	in.hasSkipped = true
	number := in.message.Sequence
	_ = in.node.do(func() {
		s := in.node.sessions[in.uuid]
		if s == nil || s.key != in.key() {
			return
		}
		in.verdict = ignore
		in.node.handle(s, resumed, detail{in: in, isNext: s.continuesWith(number)})
		if in.verdict == accept {
			in.session, in.stream, in.lastSequence = s, s.stream.Load(), s.lastSequence
		}
	})
	return in.session != nil
}

// continuesWith reports whether a message is the next one of a session whose connection from the peer has closed. After HELLO alone, with number
// 1, that is not certain: the peer may have begun a new session whose HELLO is lost.
func (s *session) continuesWith(number uint16) bool {
	return s.state == awaiting && s.lastSequence > 1 && s.out.Follows(s.lastSequence, number)
}

// hello begins a session.
func (in *inbox) hello(frames [][]byte) error {
	if in.message.Sequence != 1 {
		return in.endForGap(fmt.Errorf("%w: HELLO with sequence %d", errSequence, in.message.Sequence))
	}
	if in.isDuplex && in.session != nil {
		return in.endForGap(errSecondHello)
	}
	if err := in.checkKey(); err != nil {
		return err
	}
	if !in.node.events.AwaitMembershipRoom(in.expectedStream(), in.conn.Done()) {
		return errSessionOver
	}
	if err := in.node.do(func() { in.node.handleHello(in) }); err != nil {
		return err
	}
	switch in.verdict {
	case holdHello:
		h := in.held.Load()
		h.messages = append(h.messages, frames)
		h.mu.Unlock()
		return nil
	case refuse:
		return errRefused
	}
	in.lastSequence = 1
	return nil
}

// noteAlive records that a peer is not silent although its message is not handled: its HELLO waits or is missing.
func (in *inbox) noteAlive() {
	in.node.mu.RLock()
	s := in.node.sessions[in.uuid]
	in.node.mu.RUnlock()
	if s != nil && s.key == in.key() && s.snapshot.Load() == nil && !s.alive.Load() { // once it has entered, its own connection shows this
		s.alive.Store(true)
	}
}

// expectedStream returns the stream of the session for which a HELLO comes; an empty stream if there is none.
func (in *inbox) expectedStream() *eventqueue.Stream {
	in.node.mu.RLock()
	defer in.node.mu.RUnlock()
	if s := in.node.sessions[in.uuid]; s != nil {
		return s.stream.Load()
	}
	return new(eventqueue.Stream)
}

// handleMessage handles every message after HELLO.
func (in *inbox) handleMessage(from memory.Origin) error {
	n, m, s := in.node, &in.message, in.session
	switch m.ID {
	case msg.Whisper:
		kind := Whisper
		if request.LooksLike(m.Content) {
			switch n.classify(s, m.Content, from, !in.unwanted) {
			case aRequest:
				kind = Request
			case keptReply:
				in.kept = true
				return nil
			case unusedReply:
				return nil
			}
		}
		return in.deliver(Event{Kind: kind, Origin: from})
	case msg.Shout:
		// We may have left the group while the message was on its way, or the sender is wrong. If the message was not wanted when it began to
		// arrive, it is not whole, even if we have joined the group meanwhile.
		if group, ok := (*n.ownGroups.Load())[string(m.Group)]; ok && (!in.unwanted || n.cfg.Discard) {
			return in.deliver(Event{Kind: Shout, Group: group, Origin: from})
		}
		n.figures.unwanted.Add(1)
	case msg.Join:
		return in.passGroupChange(n.handleJoin)
	case msg.Leave:
		return in.passGroupChange(n.handleLeave)
	case msg.Elect, msg.Leader:
		return in.passElection()
	case msg.Ping:
		s.out.SendPingOK()
		runtime.Gosched() // let the writer run: otherwise it waits until this goroutine does
	case msg.PingOK:
		s.answered.Store(true)
		s.out.NotePingOK()
		if s.isAsked.Load() {
			n.post(func() { n.handle(s, pingOKCame, detail{in: in}) })
		}
	case msg.State:
		if in.extensions.has(extState) {
			state := beacon.State(m.State)
			return n.do(func() { n.handleState(s, state, true) })
		}
	case msg.Headers:
		if in.extensions.has(extHeaders) {
			return in.passHeaders()
		}
	case msg.AskStats:
		if n.cfg.ShareStats && in.extensions != 0 && m.Version > 0 && !s.figures.asked.Swap(true) {
			n.post(func() { n.answerStats(s) })
		}
	case msg.Stats:
		if !s.figures.take(m.Figures) {
			n.figures.invalid.Add(1)
		}
	case msg.Goodbye:
		if in.extensions.has(extGoodbye) {
			n.post(func() { n.handle(s, goodbyeCame, detail{}) })
			return errSessionOver
		}
		// C zyre sends it if it uses gossip, even to peers that know it from beacons. Such peers believe only its beacons.
		n.post(func() {
			if n.seeker.IsGossiped(s.uuid) {
				n.handle(s, goodbyeCame, detail{})
			}
		})
	}
	// Unknown IDs only count in the sequence.
	return nil
}

// passElection makes the control loop handle an ELECT or LEADER. An ignored message only counts in the sequence.
func (in *inbox) passElection() error {
	n, m := in.node, &in.message
	group, joined := (*n.ownGroups.Load())[string(m.Group)]
	node, ok := parseHexUUID(m.Node)
	if !joined || !ok {
		return nil
	}
	if !n.events.AwaitMembershipRoom(in.stream, in.conn.Done()) {
		return errSessionOver
	}
	return n.do(func() { n.handleElection(in.session, group, m.ID, node) })
}

// passGroupChange makes the control loop handle a JOIN or LEAVE.
func (in *inbox) passGroupChange(take func(s *session, group string)) error {
	if !in.node.events.AwaitMembershipRoom(in.stream, in.conn.Done()) {
		return errSessionOver
	}
	return in.node.do(func() { take(in.session, string(in.message.Group)) })
}

func (in *inbox) deliver(e Event) error {
	in.session.work.noteSent()
	if in.node.cfg.Discard {
		in.node.discarded.Add(1)
		return nil
	}
	e.Peer, e.Frames = in.session.snapshot.Load(), in.message.Content
	if len(e.Frames) == 0 { // RFC 36 allows no frames, and applications look at the first one. A message handed over directly has one: see checkMessage
		e.Frames = [][]byte{{}}
	}
	in.kept = true
	if !in.node.events.Deliver(in.stream, &e, eventqueue.Size(e.Frames), in.conn.Done()) {
		return errSessionOver
	}
	return nil
}

// endForGap ends the session with a peer that broke the sequence (RFC 36, "ZRE Commands").
func (in *inbox) endForGap(err error) error {
	if s := in.session; s != nil {
		in.node.post(func() { in.node.handle(s, gapCame, detail{}) })
	}
	return err
}

// Closed ends the inbox.
func (in *inbox) Closed(err error) {
	s, last := in.waitForSession(), in.lastSequence
	in.node.post(func() {
		if s == nil { // its HELLO waited
			s = in.node.sessions[in.uuid]
		}
		switch {
		case s == nil:
		case in.isDuplex:
			in.node.mailboxEnded(s, in, err)
		case s.inbox == in:
			s.inbox, s.lastSequence = nil, last
			in.node.endUndelivered(s, in.node.checked, hangUpTime) // zyre hangs up if it hears nothing
			in.node.handle(s, inboxClosed, detail{in: in})
		}
	})
	in.node.log.Debug().AnErr("reason", err).Stringer("peer", in.uuid).Msg("connection from peer closed")
}

// isLocal reports whether the peer is on this machine.
func (in *inbox) isLocal() bool {
	addr := paths.AddrOf(in.conn.RemoteAddr())
	return !addr.IsValid() || in.node.agent.IsLocal(addr) // inproc and ipc have no IP address
}

// endpoints returns where the sender of a HELLO may be reached: the endpoint that it names, and the address that it connects from. The
// latter helps if the endpoint is a host name of the sender's network (C zyre with interface "*"), is not routed to us, or does not belong
// to the sender.
func (in *inbox) endpoints() []netip.AddrPort {
	host, port, err := paths.Split(string(in.message.Hello.Endpoint))
	if err != nil {
		return nil
	}
	var endpoints []netip.AddrPort // the best last
	from := paths.AddrPortOf(in.conn.RemoteAddr()).Addr()
	seen := netip.AddrPortFrom(from, port)
	named := seen
	if addr, err := netip.ParseAddr(host); err == nil {
		at := paths.OnLinkOf(in.conn.RemoteAddr(), netip.AddrPortFrom(addr.Unmap(), port))
		if paths.Usable(at, from, in.node.agent.IsLocal) {
			named = at
		}
	}
	if seen.IsValid() && seen != named {
		endpoints = append(endpoints, seen)
	}
	if named.IsValid() {
		endpoints = append(endpoints, named)
	}
	return endpoints
}
