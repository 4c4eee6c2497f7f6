package node

import (
	"slices"
	"sync"
	"time"

	"github.com/go-zre/go-zre/msg"
)

// A doubt is about a HELLO of somebody unknown, while there is a session whose peer has not told its UUID. It may be that peer's
// answer to our HELLO, though it names another endpoint than the one where we found it: a second address, or one behind a NAT. Then a
// session of its own would be a second one for C zyre and pyre, which break off the first for it, and lead nowhere besides.
//
// So we ask such a session by PING. Who answers with PING-OK is who is there. Until then, or for suspectGrace, what comes behind
// the HELLO is held.
//
// mu guards all of it, and the inbox, while it is in doubt.
type doubt struct {
	mu     sync.Mutex
	held   [][][]byte // the HELLO, and what came behind it
	octets int
	over   chan struct{} // closed when it is
}

const (
	// askGrace is how long who was asked has to answer, if others wait to be asked.
	askGrace = 2 * time.Second
	// suspectGrace is how long a HELLO is held: two may be asked.
	suspectGrace = 5 * time.Second

	// Bounds of the HELLOs in doubt, and of what is held of each and what came behind it; the reader waits beyond.
	maxDoubtful    = 64
	mostHeld       = 1_000
	mostHeldOctets = 256 << 10
)

// suspect begins a doubt with a HELLO.
func (in *inbox) suspect(hello [][]byte) {
	d := &doubt{held: [][][]byte{hello}, over: make(chan struct{})}
	in.doubt = d
	time.AfterFunc(suspectGrace, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if err := in.trust(d, in.node.certain); err != nil {
			in.conn.Close(err)
		}
	})
}

// consider takes a message while there is a doubt. It waits for its end if there is no room to hold more.
func (in *inbox) consider(d *doubt, frames [][]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, frame := range frames {
		d.octets += frameCost + len(frame)
	}
	if len(d.held) >= mostHeld || d.octets > mostHeldOctets {
		d.mu.Unlock()
		select {
		case <-d.over:
		case <-in.conn.Done():
		}
		d.mu.Lock()
	}
	if len(d.held) == 0 { // it is over
		in.doubt = nil
		return in.receive(frames, nil)
	}
	d.held = append(d.held, frames)
	var m msg.Message
	if m.Decode(frames, in.node.cfg.Limits.msg()) != nil || m.ID != msg.PingOK {
		return nil
	}
	placed := false
	if err := in.node.do(func() { placed = in.node.place(in) }); err != nil || !placed {
		return err
	}
	return in.trust(d, nil)
}

// trust ends the doubt, if it is not over: what was held is taken. It needs mu.
func (in *inbox) trust(d *doubt, certain func()) error {
	if len(d.held) == 0 {
		return nil
	}
	held := d.held
	d.held = nil
	close(d.over)
	in.sure = true
	if certain != nil {
		if err := in.node.do(certain); err != nil {
			return err
		}
	}
	select {
	case <-in.conn.Done():
		return errSessionOver
	default:
	}
	for _, frames := range held {
		if err := in.receive(frames, nil); err != nil {
			return err
		}
	}
	return nil
}

// settled waits while what was held is taken, and tells the session of the inbox: for the reader goroutine, when it is not in Receive.
func (in *inbox) settled() *peer {
	if d := in.doubt; d != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
	}
	return in.peer
}

// The rest runs in the control loop.

// suspects tells whether a HELLO, for which there is no session but perhaps p, which entered, may be the answer to one of ours that
// went to an address unknown so far.
func (n *Node) suspects(in *inbox, p *peer) bool {
	if in.sure || in.extensions != 0 || n.doubtful >= maxDoubtful || p != nil && (p.ours || !p.entered) {
		return false
	}
	known := n.recognised(in.uuid, in.endpoints())
	candidates := n.candidates()
	return candidates > 1 || candidates == 1 && known == nil
}

// candidates counts the sessions whose peer may answer a HELLO of ours now.
func (n *Node) candidates() (count int) {
	for _, u := range n.unnamed {
		// Its answer may overtake the word that our connection is up.
		if u.connected || time.Since(u.began) < doubtGrace {
			count++
		}
	}
	return count
}

// ask asks a session whose peer is not known for a sign of life, one at a time, while there is a HELLO in doubt. The newest comes
// first: of two with one peer that is the one which the peer hears, since a ROUTER of libzmq is deaf to the others.
func (n *Node) ask() {
	if n.asking != nil || n.doubtful == 0 {
		return
	}
	var newest *peer
	for _, p := range n.unnamed {
		if p.connected && (newest == nil || p.linked.After(newest.linked)) {
			newest = p
		}
	}
	if newest == nil {
		return
	}
	n.asking = newest
	newest.ping()
	n.excuse(newest)
}

// excuse gives who was asked some time, and asks once more. Where another is to be asked the answer must not be taken for that
// one's: the session ends.
func (n *Node) excuse(p *peer) {
	n.after(askGrace, func() {
		switch {
		case n.asking != p:
		case n.doubtful == 0:
			n.asking = nil
		case slices.ContainsFunc(n.unnamed, func(o *peer) bool { return o != p && o.connected }):
			n.asking = nil
			n.remove(p, Crashed)
			n.ask()
		default:
			p.ping()
			n.excuse(p)
		}
	})
}

// place gives the session that was asked the UUID of who answered. Other sessions with that one are over: it does not hear them.
func (n *Node) place(in *inbox) bool {
	p := n.asking
	if p == nil || n.peers[p.uuid] != p || p.contact == nil {
		return false
	}
	n.asking = nil
	if old := n.peers[in.uuid]; old != nil {
		n.remove(old, Replaced)
	}
	n.name(p, in.uuid)
	endpoints := in.endpoints()
	for _, o := range slices.Clone(n.unnamed) {
		if c := o.contact; slices.Contains(endpoints, c.at) { // it leads to the peer, too
			n.unnamed = slices.DeleteFunc(n.unnamed, func(u *peer) bool { return u == o })
			o.contact, c.session, c.peer = nil, nil, in.uuid
			n.noted(c, nil)
			n.forget(o)
		}
	}
	n.certain()
	return true
}

// certain: a doubt is over.
func (n *Node) certain() {
	n.doubtful--
	n.ask()
}
