package zmtp

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"

	"github.com/go-zeromq/zmq4"
)

// Link makes a connection to a Router of this process, as Open does over a socket, with the same rules: accept is called, Allow is not, and
// a new connection with an identity in use takes over, unless Rival says no. It does not block. q must be a queue of NewInprocQueue. The
// error is ErrClosed if the Router is closed; a connection that the Router refuses ends with io.EOF.
//
// Messages are handed over without a socket and without ZMTP: Push copies each frame once, into memory that the Receiver owns. What this
// side pushed before it closes is delivered before the Receiver's Closed.
//
// With CURVE nothing is sealed, because nothing leaves the process; but keys must match and both sides authorize, so Link blocks for as
// long as Curve.Authorize of cfg does. Either both sides have CURVE or neither has.
func (r *Router) Link(cfg Config, q *Queue, first func(*Conn) ([][]byte, error), recv Receiver) (*Conn, error) {
	cfg = cfg.withDefaults()
	ours, err := newMetadata(string(zmq4.Dealer), cfg)
	if err != nil {
		return nil, err
	}
	theirs, err := newMetadata(string(zmq4.Router), r.cfg)
	if err != nil {
		return nil, err
	}
	if err := theirs.expect(cfg.Expect); err != nil {
		return nil, err
	}
	if err := r.allowLink(cfg); err != nil {
		return nil, err
	}
	back := NewInprocQueue(routerMessages, routerOctets)
	back.copyInto(cfg.Memory)
	q.copyInto(r.cfg.Memory)
	here, there := inprocAddr(cfg.Identity), inprocAddr(r.cfg.Identity)
	peer := newConn(&inproc{there, here, q, nil}, ours, back, r.cfg)
	c := newConn(&inproc{here, there, back, peer}, theirs, q, cfg)
	if cfg.Curve != nil {
		peer.curve, c.curve = &curveState{key: cfg.Curve.Keys.Public()}, &curveState{key: cfg.Curve.Server}
	}

	var frames [][]byte
	if first != nil {
		if frames, err = first(c); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if err := q.attach(c, frames); err != nil {
		return nil, err
	}
	r.wg.Add(1)
	peer.router = r
	go r.welcomeLink(peer)
	c.run(recv)
	return c, nil
}

// allowLink judges the Router for a link, as Open does before it sends our identity.
func (r *Router) allowLink(cfg Config) error {
	switch ours, theirs := cfg.Curve, r.cfg.Curve; {
	case (ours == nil) != (theirs == nil):
		return &MechanismError{Ours: string(cfg.mechanism()), Theirs: string(r.cfg.mechanism())}
	case ours == nil:
		return nil
	case ours.Keys == nil || theirs.Keys == nil:
		return errNoKeys
	case ours.Server != theirs.Keys.Public():
		return fmt.Errorf("zmtp: the node of this process has another public key than expected: %w", ErrWrongPeer)
	}
	ctx, cancel := context.WithTimeout(r.ctx, cfg.HandshakeTimeout)
	defer cancel()
	return cfg.Curve.authorize(ctx, Candidate{RemoteAddr: inprocAddr(r.cfg.Identity), PublicKey: cfg.Curve.Server})
}

// welcomeLink is welcome for the Router's side of a link, after it authorises the peer.
func (r *Router) welcomeLink(c *Conn) {
	if r.cfg.Curve != nil {
		ctx, cancel := context.WithTimeout(r.ctx, r.cfg.HandshakeTimeout)
		err := r.cfg.Curve.authorize(ctx, Candidate{c.RemoteAddr(), c.curve.key, c.Identity(), c.peer})
		cancel()
		if err != nil {
			r.reject(&newcomer{}, c, err)
			return
		}
	}
	r.welcome(&newcomer{}, c)
}

// inproc is one side's view of a link within the process.
type inproc struct {
	local, remote inprocAddr
	in            *Queue // what the other side sends
	routerConn    *Conn  // of the Router; nil on its own side
}

// Neighbour returns the Receiver that the Router of this process accepted for the link, so that the caller can hand it something past the
// queue. Only after a message was pushed and the queue is Idle is there sure to be one. It is nil if there is none, or if the connection is
// a socket's.
func (c *Conn) Neighbour() Receiver {
	if l, ok := c.link.(*inproc); ok && l.routerConn != nil {
		if g, ok := l.routerConn.receiver.(*greeting); ok {
			return g.Greeter
		}
		return l.routerConn.receiver
	}
	return nil
}

func (l *inproc) LocalAddr() net.Addr  { return l.local }
func (l *inproc) RemoteAddr() net.Addr { return l.remote }

// Close takes no more from the other side. The other side's goroutine notices that, and the end of our own queue.
func (l *inproc) Close() error {
	l.in.closeQueue(io.EOF, true)
	return nil
}

// inproc tells whether the connection runs over an inproc link.
func (c *Conn) inproc() bool {
	if c == nil {
		return false
	}
	_, yes := c.link.(*inproc)
	return yes
}

// run delivers what the other side sends, whenever there is something.
func (l *inproc) run(c *Conn) {
	h := &handover{conn: c, queue: l.in}
	l.in.drainBy(func() {
		if err := h.run(); err != nil {
			c.Close(err)
			c.end()
		}
	})
}

// inprocAddr is the address of a side of a link: its identity.
type inprocAddr string

func (inprocAddr) Network() string  { return "inproc" }
func (a inprocAddr) String() string { return "inproc://" + hex.EncodeToString([]byte(a)) }
