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

// Two nodes of ours in two processes on one host use one unix socket for both directions; all others use two connections. As always, a node
// calls when it learns of the other. The node with the lower UUID decides which of two calls stays: it says HELLO once, on its own call or in
// answer to a HELLO on the other's call, and hangs up on the other call. The node with the higher UUID offers a call: it sends only HELLO
// there, and continues where the other's HELLO arrives, on its offer or on the other's call.

var (
	errOffer    = errors.New("offered call is over") // wraps every reason why an offered call ends before it is answered
	errAnswered = fmt.Errorf("%w: the peer's HELLO came on another connection", errOffer)
)

// isDuplex reports whether a connection is for both directions: both ends have said so.
func isDuplex(conn *zmtp.Conn) bool {
	return extensionsOf(conn).has(extDuplex) && strings.HasPrefix(conn.OwnProperty(extensionsProperty), duplexExtension)
}

// decidesCall reports whether this node, and not the peer, decides which of two connections stays.
func (n *Node) decidesCall(id uuid.UUID) bool { return bytes.Compare(n.cfg.UUID[:], id[:]) < 0 }

// isOffer reports whether a HELLO came on a call that must be answered, or given up.
func (n *Node) isOffer(in *inbox) bool {
	return in.dialledBy == nil && n.decidesCall(in.uuid) && isDuplex(in.conn)
}

// maxCalls is how many calls a node makes at the same time. When hundreds of nodes start at once, many waiting calls become unnecessary,
// because the other node has called meanwhile. A call that takes longer than longCall, for example to a stopped process, frees its place.
const (
	maxCalls = 16
	longCall = time.Second
)

// openIPC dials a peer of this host and does the handshake. If this node offers the call, it waits for the answer.
func (p *session) openIPC(ctx context.Context, id uuid.UUID, hello msg.OutHello) (*zmtp.Conn, error) {
	n := p.node
	select {
	case n.ipcCalls <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	done := sync.OnceFunc(func() { <-n.ipcCalls })
	defer time.AfterFunc(longCall, done).Stop()
	box, cfg := &mailbox{session: p}, p.connectionConfig(id, "unix")
	switch {
	case n.decidesCall(id):
	case p.snapshot.Load() == nil:
		box.offer = true
	default: // its HELLO came on its own connection, so ours needs one too
		cfg = p.connectionConfig(id, "tcp")
	}
	conn, err := p.open(ctx, "unix", ipcAddress(id), cfg, hello, box)
	done()
	if err == nil && box.offer {
		return nil, box.awaitAnswer(ctx, conn)
	}
	return conn, err
}

// answerOnInbox makes a session without a connection use the one on which its peer's HELLO came, if that is for both directions. It runs in the
// control loop, while the reader of that connection waits.
func (n *Node) answerOnInbox(p *session, in *inbox) bool {
	if in == nil || p.hello == nil || p.out.Inproc() || !isDuplex(in.conn) {
		return false
	}
	var hello [][]byte
	var err error
	if in.dialledBy == nil { // otherwise our HELLO is already sent
		hello, err = p.firstMessage(*p.hello)(in.conn)
	}
	if err == nil {
		err = in.conn.Adopt(p.out.Queue(), hello, func(err error) { n.post(func() { n.sendingEnded(p, err) }) })
	}
	if err != nil { // mostly because our own call succeeded
		n.log.Debug().Err(err).Stringer("peer", p.uuid).Msg("no answer on this connection")
		return false
	}
	in.isDuplex = true
	p.sameHost.Store(true)
	p.stopDialling()
	n.handle(p, connected, detail{conn: in.conn})
	return true
}

// sendingEnded: nothing more can be sent on a connection for both directions. What the peer sent before is still read.
func (n *Node) sendingEnded(p *session, err error) {
	if p.mailbox != nil {
		n.handleMailboxClosed(p, err)
	}
}

// mailboxEnded: the connection that we send on is over. in is the inbox of the same connection; nil if nothing arrives on it.
func (n *Node) mailboxEnded(p *session, in *inbox, err error) {
	if in != nil && p.inbox == in {
		p.inbox = nil
	}
	n.handleMailboxClosed(p, err)
}

// handleMailboxClosed: our connection to the peer is over.
func (n *Node) handleMailboxClosed(s *session, err error) {
	n.log.Debug().AnErr("reason", err).Stringer("peer", s.uuid).Msg("connection lost")
	n.endUndelivered(s, n.checked, hangUpTime) // a node of ours hangs up if our HELLO does not arrive
	s.mailbox, s.unreachableSince = nil, time.Now()
	n.handle(s, mailboxClosed, detail{err: err})
}

// A mailbox is our connection to a peer. RFC 36 forbids the ROUTER there to send anything, unless the connection is for both directions.
type mailbox struct {
	session *session
	offer   bool   // the queue waits for the answer
	in      *inbox // nil if nothing comes in
}

// open begins the life of a connection after its handshake.
func (m *mailbox) open(conn *zmtp.Conn) {
	p, n := m.session, m.session.node
	if !isDuplex(conn) {
		m.offer = false
		return
	}
	m.in = &inbox{node: n, conn: conn, uuid: p.uuid, dialledBy: p, isDuplex: !m.offer, extensions: extensionsOf(conn)}
	if m.offer {
		conn.OwnQueue()
		return
	}
	conn.KeepReading(func(err error) {
		p.dialling.Wait()
		n.post(func() { n.sendingEnded(p, err) })
	})
}

// awaitAnswer waits until the offer is answered, here or on another connection, or given up.
func (m *mailbox) awaitAnswer(ctx context.Context, conn *zmtp.Conn) error {
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

// Closed reports the end of the connection, unless the session is over.
func (m *mailbox) Closed(err error) {
	p, n := m.session, m.session.node
	if !m.offer {
		p.dialling.Wait() // connected comes first
	}
	defer n.wg.Done()
	n.post(func() {
		if m.in == nil || m.in.isDuplex {
			n.mailboxEnded(p, m.in, err)
		}
	})
}
