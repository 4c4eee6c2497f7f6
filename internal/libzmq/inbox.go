package libzmq

import (
	"net"
	"sync"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// An Inbox is a ROUTER socket with ZMQ_ROUTER_HANDOVER. Its READY has an empty identity.
//
// When a second connection has finished its handshake with an identity that another connection has, the second one takes over, even if it
// never sends anything. The first one stays open, but libzmq no longer reads it: what its peer sends disappears in TCP's buffers, even
// after the second one is closed, and the peer does not learn that.
type Inbox struct {
	*Acceptor
	receive func(from *Sender, frames [][]byte)

	mu     sync.Mutex
	active map[string]*Sender // by identity
}

// A Sender is one accepted connection.
type Sender struct {
	Identity string // from its READY

	inbox    *Inbox
	conn     *zmtp.Conn
	replaced chan struct{} // closed when another connection has its identity
}

// Bind makes a ROUTER that takes connections from a listener, which the Inbox owns from now on. receive is called for each message, on the
// connection's own goroutine, and may keep the frames.
func Bind(l net.Listener, receive func(from *Sender, frames [][]byte)) *Inbox {
	in := &Inbox{receive: receive, active: make(map[string]*Sender)}
	in.Acceptor = Accept(l, in.admit)
	return in
}

// admit assigns a connection to its identity.
func (in *Inbox) admit(conn *zmtp.Conn) (zmtp.Receiver, error) {
	s := &Sender{Identity: string(conn.Identity()), inbox: in, conn: conn, replaced: make(chan struct{})}
	in.mu.Lock()
	defer in.mu.Unlock()
	if s.Identity == "" {
		return s, nil // libzmq generates one
	}
	if older := in.active[s.Identity]; older != nil {
		close(older.replaced)
	}
	in.active[s.Identity] = s
	return s, nil
}

// IsActive tells whether no other connection has taken over: what came on this one, and was not read by then, is dropped.
func (s *Sender) IsActive() bool {
	select {
	case <-s.replaced:
		return false
	default:
		return true
	}
}

// Receive implements zmtp.Receiver.
func (s *Sender) Receive(frames [][]byte) error {
	if s.IsActive() {
		s.inbox.receive(s, frames)
	} else {
		<-s.conn.Done()
	}
	return nil
}

// Closed implements zmtp.Receiver.
func (s *Sender) Closed(error) {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	if s.inbox.active[s.Identity] == s {
		delete(s.inbox.active, s.Identity)
	}
}
