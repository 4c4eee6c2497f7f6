package node

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
)

const (
	// refusalGrace is how long the Exit of a peer that refuses connections waits for its farewell, which may still be in the
	// socket for beacons; farewellGrace that of one which does not, and may be about to say it.
	refusalGrace  = 30 * time.Millisecond
	farewellGrace = 150 * time.Millisecond

	// endingGrace is how long the connection of a peer that ends may bring nothing and stay open before the session is over
	// all the same. C zyre stays connected for a while after its farewell. Nodes of ours hang up at once: what is still open
	// brings more, or the machine is busy.
	endingGrace    = 250 * time.Millisecond
	ourEndingGrace = 2 * time.Second

	// redialGrace is how long the Exit of a peer with a broken connection waits for the first attempt to dial it again.
	redialGrace = time.Second

	// steady is how long a session must live for its end not to count as flapping.
	steady = 10 * time.Second
)

// All functions here run in the control loop.

// lost: a connection of the session broke, or the peer closed it. Messages to it may be lost, so the session is over.
func (n *Node) lost(p *peer, err error) {
	if n.peers[p.uuid] != p {
		return
	}
	n.log.Debug().AnErr("reason", err).Stringer("peer", p.uuid).Msg("connection lost")
	switch {
	case p.contact != nil:
		n.alias(p)
		n.remove(p, Crashed)
	case p.stranger.IsValid():
		n.dismiss(p)
	case !p.ours && p.ending == 0 && n.candidates() > 0:
		// It may have heard another HELLO of ours, and its answer is on its way. To dial it would make one more.
		n.after(farewellGrace, func() {
			if n.peers[p.uuid] == p {
				n.end(p, Crashed)
			}
		})
	default:
		n.end(p, Crashed)
	}
}

// end ends the session once all that the peer sent before is read: its other connection may bring more, up to its own end.
func (n *Node) end(p *peer, reason Reason) {
	started := p.ending != 0
	if p.ending != Left {
		p.ending = reason
	}
	if p.inbox == nil {
		n.finish(p)
	} else if !started {
		p.spoke.Store(false)
		n.drain(p, time.Now())
	}
}

// drain waits for a session that ends, for as long as its peer's messages come in or wait for the application. One that cannot
// be spoken to any more, and goes on speaking, gets another session soon.
func (n *Node) drain(p *peer, since time.Time) {
	grace := endingGrace
	if p.ours {
		grace = ourEndingGrace
	}
	n.after(grace, func() {
		switch {
		case n.peers[p.uuid] != p:
		case p.connected && p.answered.Load():
			n.log.Debug().Stringer("peer", p.uuid).Msg("farewell ignored: the peer answers")
			p.ending = 0
		case (p.spoke.Swap(false) || p.stuck.Load()) && (p.ending == Left || time.Since(since) < ourEndingGrace):
			n.drain(p, since)
		default:
			n.finish(p)
		}
	})
}

// finish ends the session. After a farewell the peer is gone; otherwise one attempt to dial tells whether it is, and if it
// lives a new session begins.
func (n *Node) finish(p *peer) {
	if p.ending == Left {
		n.remove(p, Left)
		return
	}
	if p.wraps() {
		p.ending = Replaced // the peer ended the session over a number, as it had to
	}
	n.renew(p, p.ending)
}

// meet begins a session with a peer that has none. It returns nil when there is no room for another. call is where its HELLO came
// from, if one did.
func (n *Node) meet(id uuid.UUID, paths []path, sameHost bool, call *inbox) *peer {
	return n.begin(id, paths, sameHost, 0, nil, call)
}

// begin is meet; last is the session before, if that broke, and flaps how many such there were.
func (n *Node) begin(id uuid.UUID, paths []path, sameHost bool, flaps int, last *peer, call *inbox) *peer {
	if n.stopping {
		return nil
	}
	if len(n.peers) >= n.cfg.Limits.Peers {
		n.turnAway(id)
		return nil
	}
	p := n.newPeer(id, paths)
	p.sameHost.Store(sameHost)
	p.flaps = flaps
	if last != nil {
		p.inherit(last)
	}
	n.mu.Lock()
	n.peers[id] = p
	n.mu.Unlock()
	hello := n.hello() // as of now: what changes later follows as JOIN and LEAVE
	p.hello = &hello
	ctx, stop := context.WithCancel(p.ctx)
	p.stopDialling = stop
	if !n.answer(p, call) {
		n.wg.Go(func() {
			defer stop()
			p.run(ctx, id, hello)
		})
	}
	return p
}

// connected: our connection to the peer's mailbox is up.
func (n *Node) connected(p *peer, conn *zmtp.Conn) {
	n.log.Debug().Stringer("peer", p.uuid).Stringer("endpoint", conn.RemoteAddr()).Msg("connected")
	p.connected, p.linked = true, time.Now()
	p.hello, p.stopDialling = nil, nil
	p.transport, p.reached, p.local = transportOf(conn), addrPortOf(conn.RemoteAddr()), addrOf(conn.LocalAddr())
	if p.entered {
		p.publish()
	}
	if p.transport == Inproc {
		p.mu.Lock()
		p.conn = conn
		p.mu.Unlock()
	}
	_, p.ours = parseIdentity(conn.Identity()) // libzmq's ROUTERs have none
	p.extensions, p.told = extensionsOf(conn), stateIn(conn.Told(stateProperty))
	if p.ours {
		p.counts(fullCycle)
	}
	n.tellState(p)
	if p.contact != nil {
		n.ask()
	}
	// The peer lives. Its HELLO tells the Exit of the session before, or its farewell: zyre.js hangs up before it says farewell,
	// and only then stops listening.
	if p.previous != nil && p.previous.heir == nil {
		n.after(farewellGrace, func() { n.settle(p) })
	}
}

// dialFailed: an attempt to connect failed; peer.run will try again. A stranger is forgotten until it beacons
// after a while.
func (n *Node) dialFailed(p *peer, err error) {
	switch {
	case n.peers[p.uuid] != p:
		return
	case p.contact != nil:
		p.failure = err
		n.remove(p, Crashed)
		return
	case p.stranger.IsValid():
		n.dismiss(p)
		return
	case p.entered || !isRefused(err) && !errors.Is(err, zmtp.ErrWrongPeer):
		return // it has another endpoint, or it may be us who lack something
	}
	// The process is gone. Its farewell may still wait in the socket for beacons.
	n.after(refusalGrace, func() {
		if !p.entered && !p.connected {
			n.remove(p, Crashed)
		}
	})
}

// renew replaces a session by a new one with the same peer. The Exit of the old one, if it needs one, waits a little.
func (n *Node) renew(p *peer, reason Reason) {
	flaps := 1
	if time.Since(p.began) < steady {
		flaps += p.flaps
	}
	previous := p
	if !p.entered {
		previous, reason = p.previous, p.reason
		p.previous = nil
	}
	n.unlist(p)
	if !p.wraps() {
		n.hide(p)
	} // else it stays to be seen, and sent to, until its Exit: its heir sends all
	q := n.begin(p.uuid, p.unproven(), p.sameHost.Load(), flaps, p, nil)
	p.close(errSessionOver)
	if q == nil {
		n.exit(previous, reason)
		return
	}
	q.state.Store(p.state.Load()) // HELLO does not tell it
	if previous != nil {
		q.previous, q.reason = previous, reason
		if previous.heir == nil { // else it is sent to until its heir enters, or ends
			n.after(redialGrace, func() { n.settle(q) })
		}
	}
}

// settle tells the Exit of the session before this one.
func (n *Node) settle(p *peer) {
	previous := p.previous
	p.previous = nil
	n.exit(previous, p.reason)
}

// remove ends a session for good.
func (n *Node) remove(p *peer, reason Reason) {
	if n.peers[p.uuid] != p {
		return
	}
	if reason == Left {
		n.farewells.add(p.uuid, p.endpoints())
	}
	n.forget(p)
	n.settle(p)
	n.exit(p, reason)
}

// exit tells the application that a session ended, if it was told of its beginning.
func (n *Node) exit(p *peer, reason Reason) {
	if p == nil {
		return
	}
	n.hide(p)
	if !p.entered || n.stopping { // while we close it is we who leave
		return
	}
	n.log.Debug().Stringer("peer", p.uuid).Str("name", p.name).Stringer("reason", reason).Msg("exit")
	n.events.push(p, Event{Kind: Exit, Peer: p.snapshot.Load(), Reason: reason})
	if reason != Left && len(n.former) < n.cfg.Limits.Peers {
		n.former[p.uuid] = struct{}{}
	}
}

// dismiss ends the session with a stranger that could not be reached, or hung up before its HELLO.
func (n *Node) dismiss(p *peer) {
	n.strangers.failed(p.stranger, time.Now())
	n.remove(p, Crashed)
}

// acquaint: a peer that a beacon revealed is no stranger any more, or gone.
func (n *Node) acquaint(p *peer) {
	if p.stranger.IsValid() {
		n.strangers.release(p.stranger.Addr())
		p.stranger = netip.AddrPort{}
	}
}

// forget takes a session out of all tables and closes it.
func (n *Node) forget(p *peer) {
	n.unlist(p)
	n.hide(p)
	p.close(errSessionOver)
}

// unlist takes a session out of the table of sessions.
func (n *Node) unlist(p *peer) {
	n.acquaint(p)
	n.mu.Lock()
	delete(n.peers, p.uuid)
	n.mu.Unlock()
	n.freed(p)
}

// hide takes a session out of the tables that the application sees.
func (n *Node) hide(p *peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.withdraw(p)
}

// withdraw is hide for who holds mu.
func (n *Node) withdraw(p *peer) {
	if n.present[p.uuid] == p {
		delete(n.present, p.uuid)
		n.recent.Store(nil)
	}
	for group := range p.groups {
		n.removeMember(group, p)
	}
	clear(p.groups)
}

// What greeted returns for a HELLO that must wait.
var (
	doubted   = new(peer) // for a better one, see doubts
	suspected = new(peer) // until it is known whose it is, see doubt
)

// greeted takes a HELLO; it returns the session that it begins, nil if the peer is refused, doubted or suspected.
func (n *Node) greeted(in *inbox) *peer {
	endpoints := in.endpoints()
	p := n.peers[in.uuid]
	offer := n.isOffer(in)
	switch {
	case n.stopping:
		return nil
	case in.caller != nil && (in.caller != p || p.entered):
		return nil
	case offer && p != nil && p.connected && p.ending == 0:
		return nil // it has our HELLO on another connection, and goes on there
	}
	if n.suspects(in, p) {
		n.doubtful++
		n.ask()
		return suspected
	}
	if p == nil {
		p = n.recognise(in.uuid, endpoints)
	}
	doubt := p != nil && p.entered && n.doubts(in, p)
	switch {
	case p == nil:
		// Not seen by a beacon: its HELLO says where to connect.
		if len(endpoints) > 0 {
			p = n.meet(in.uuid, n.paths(endpoints, len(endpoints) == 1), in.isLocal(), in)
		}
	case p.entered:
		// It began a new session: it restarted, or it lost ours. It waits for a HELLO of ours.
		if p.inbox == in {
			p.inbox = nil // this connection stays
		}
		p.follow(endpoints, true)
		old, reason := p, Replaced
		if p.ending != 0 {
			reason = p.ending
		}
		n.remove(old, reason)
		if p = n.meet(in.uuid, *old.paths.Load(), old.sameHost.Load() || in.isLocal(), in); p != nil {
			p.state.Store(old.state.Load()) // HELLO does not tell it
		}
	default:
		p.follow(endpoints, false)
		n.answer(p, in)
	}
	switch {
	case p == nil:
		n.log.Debug().Stringer("peer", in.uuid).Msg("HELLO refused: no usable endpoint, or too many peers")
		return nil
	case doubt:
		return doubted
	case !in.both && (offer || in.caller != nil || in.conn.Err() != nil):
		return nil // it speaks elsewhere, or is gone
	}
	n.enter(p, in)
	return p
}

// enter tells the application of a peer whose HELLO came.
func (n *Node) enter(p *peer, in *inbox) {
	hello := &in.message.Hello
	if s := stateIn(in.conn.Property(stateProperty)); in.extensions.has(extState) && in.last == 0 {
		n.stated(p, s, true)
	}
	delete(n.strangers.failing, p.stranger)
	n.acquaint(p)
	p.inbox = in
	p.entered, p.greeted = true, time.Now()
	if !p.connected {
		p.transport = transportOf(in.conn) // as it came, so shall we go
	}
	p.alive.Store(true)
	p.name = string(hello.Name)
	p.headers = make(map[string]string, len(hello.Headers))
	for _, h := range hello.Headers {
		p.headers[string(h.Name)] = string(h.Value)
	}
	snapshot := p.publish()
	n.mu.Lock()
	if p.previous != nil {
		n.withdraw(p.previous) // in one step: who sends finds one session, never none or both
	}
	n.present[p.uuid] = p
	n.recent.Store(nil)
	joined := n.admit(p, hello.Groups)
	n.mu.Unlock()
	n.settle(p)
	n.log.Debug().Stringer("peer", p.uuid).Str("name", p.name).Str("endpoint", snapshot.Endpoint).Msg("enter")
	n.events.push(p, Event{Kind: Enter, Peer: snapshot})
	n.tellJoined(p, joined)
	// A session after one that broke: zyre.js, if it still had the old one, has dropped us for our HELLO and greets us at our next
	// beacon, but now waits for another HELLO. It drops us again for whatever else we send, so we notice and begin anew.
	// Others answer.
	if _, former := n.former[p.uuid]; former {
		delete(n.former, p.uuid)
		p.ping()
	}
}
