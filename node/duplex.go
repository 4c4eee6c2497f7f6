package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/msg"
)

// Two nodes of ours on one host, in two processes, have one unix socket for both directions, where all others have two connections.
// Who learns of the other calls, as always. Which of two calls stays is up to the node with the lower UUID: it says HELLO once, on its
// own call or in answer to a HELLO that came on the other's, and hangs up on the other call. The node with the higher UUID offers a
// call: it says HELLO there and no more, and goes on where the other's HELLO comes, on its offer or on the other's call.

var (
	errOffer    = errors.New("offered call is over") // what all that ends one before it is answered wraps
	errAnswered = fmt.Errorf("%w: the peer's HELLO came on another connection", errOffer)
)

// duplex tells whether a connection is for both directions: both ends have said so.
func duplex(conn *zmtp.Conn) bool {
	return extensionsOf(conn).has(extDuplex) && strings.HasPrefix(conn.Told(extensionsProperty), duplexExtension)
}

// decides tells whether it is up to us, and not to the peer, which of two connections stays.
func (n *Node) decides(id uuid.UUID) bool { return bytes.Compare(n.cfg.UUID[:], id[:]) < 0 }

// isOffer tells whether a HELLO came on a call that is to be answered, or given up.
func (n *Node) isOffer(in *inbox) bool {
	return in.caller == nil && n.decides(in.uuid) && duplex(in.conn)
}

// maxCalls is how many calls a node makes at one time. Where hundreds of nodes start at once many that wait for their turn need not be made,
// since the other has called meanwhile. A call that takes longer than longCall, as to a process that is stopped, keeps nobody waiting.
const (
	maxCalls = 16
	longCall = time.Second
)

// openIPC dials a peer of this host and shakes hands; who offers waits for the answer.
func (p *session) openIPC(ctx context.Context, id uuid.UUID, hello msg.OutHello) (*zmtp.Conn, error) {
	n := p.node
	select {
	case n.calling <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	done := sync.OnceFunc(func() { <-n.calling })
	defer time.AfterFunc(longCall, done).Stop()
	box, cfg := &mailbox{session: p}, p.introduction(id, "unix")
	switch {
	case n.decides(id):
	case p.snapshot.Load() == nil:
		box.offer = true
	default: // its HELLO came by a connection of its own: so shall ours
		cfg = p.introduction(id, "tcp")
	}
	conn, err := p.open(ctx, "unix", ipcAddress(id), cfg, hello, box)
	done()
	if err == nil && box.offer {
		return nil, box.await(ctx, conn)
	}
	return conn, err
}

// answerOn has a session without a connection go on where its peer's HELLO came, if that is a connection for both directions. It runs
// in the control loop, while the reader of that one waits.
func (n *Node) answerOn(p *session, in *inbox) bool {
	if in == nil || p.hello == nil || p.out.Inproc() || !duplex(in.conn) {
		return false
	}
	var hello [][]byte
	var err error
	if in.caller == nil { // else it is said
		hello, err = p.first(*p.hello)(in.conn)
	}
	if err == nil {
		err = in.conn.Adopt(p.out.Queue(), hello, func(err error) { n.post(func() { n.muted(p, err) }) })
	}
	if err != nil { // our own call is through, mostly
		n.log.Debug().Err(err).Stringer("peer", p.uuid).Msg("no answer on this connection")
		return false
	}
	in.both = true
	p.sameHost.Store(true)
	p.stopDialling()
	n.handle(p, connected, detail{conn: in.conn})
	return true
}

// muted: nothing can be sent any more on a connection for both directions. What the peer sent before is still read.
func (n *Node) muted(p *session, err error) {
	if p.mailbox != nil {
		n.closedMailbox(p, err)
	}
}

// hungUp: the connection that we send on is over. in is what came in by it; nil if nothing does.
func (n *Node) hungUp(p *session, in *inbox, err error) {
	if in != nil && p.inbox == in {
		p.inbox = nil
	}
	n.closedMailbox(p, err)
}

// closedMailbox: our connection to the peer is over.
func (n *Node) closedMailbox(s *session, err error) {
	n.log.Debug().AnErr("reason", err).Stringer("peer", s.uuid).Msg("connection lost")
	n.judgeWay(s, n.checked, hangUpTime) // a node of ours hangs up if our HELLO does not arrive
	s.mailbox, s.outOfReach = nil, time.Now()
	n.handle(s, mailboxClosed, detail{err: err})
}

// A mailbox is our connection to a peer. RFC 36 forbids the ROUTER there to send anything, unless the connection is for both directions.
type mailbox struct {
	session *session
	offer   bool   // the queue waits for the answer
	in      *inbox // nil if nothing comes in
}

// open begins the life of a connection that shook hands.
func (m *mailbox) open(conn *zmtp.Conn) {
	p, n := m.session, m.session.node
	if !duplex(conn) {
		m.offer = false
		return
	}
	m.in = &inbox{node: n, conn: conn, uuid: p.uuid, caller: p, both: !m.offer, extensions: extensionsOf(conn)}
	if m.offer {
		conn.OwnQueue()
		return
	}
	conn.ReadOn(func(err error) {
		p.dialling.Wait()
		n.post(func() { n.muted(p, err) })
	})
}

// await waits until the offer is answered, here or by another connection, or given up.
func (m *mailbox) await(ctx context.Context, conn *zmtp.Conn) error {
	select {
	case <-conn.Done():
		return fmt.Errorf("%w: %w", errOffer, conn.Err())
	case <-ctx.Done():
		if conn.Queue() != m.session.out.Queue() {
			conn.Close(errAnswered)
		}
		return errAnswered
	}
}

func (m *mailbox) Receive(frames [][]byte) error {
	if m.in == nil {
		return nil
	}
	return m.in.Receive(frames)
}

// Closed is news, unless the session is over.
func (m *mailbox) Closed(err error) {
	p, n := m.session, m.session.node
	if !m.offer {
		p.dialling.Wait() // connected comes first
	}
	defer n.wg.Done()
	n.post(func() {
		if m.in == nil || m.in.both {
			n.hungUp(p, m.in, err)
		}
	})
}
