package gossip

import (
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// A session is a client of a Hub, as long as its connection lives: a czmq client never sends PING, so its silence means nothing.
type session struct {
	hub    *Hub
	conn   *zmtp.Conn
	origin *origin

	greeted    bool // it has sent HELLO at least once; only the reader uses it
	service    atomic.Int32
	wake       chan struct{} // holds one token: service begins
	helloTimer *time.Timer
}

// The states of a session's service.
const (
	noService int32 = iota // it has not sent HELLO, or was sent INVALID since
	beginService
	inService
)

func newSession(h *Hub, conn *zmtp.Conn) *session {
	from := ipOf(conn.RemoteAddr())
	s := &session{hub: h, conn: conn, origin: &origin{addr: from, from: from}, wake: make(chan struct{}, 1)}
	s.helloTimer = time.AfterFunc(helloTime, s.invalid)
	return s
}

// Greeted makes it a zmtp.Greeter: a client that never sends HELLO is disconnected.
func (s *session) Greeted() bool { return s.greeted }

// Receive handles a message. No message of a client ends its connection, let alone others: a czmq client would reconnect at once, and do
// the same.
func (s *session) Receive(frames [][]byte) error {
	m, err := decode(frames)
	switch {
	case err != nil:
		s.refuse(err)
		s.invalid()
	case m.Kind == Hello: // a repetition does no harm, though czmq's hub disagrees: a czmq client answers each INVALID with it
		s.helloTimer.Stop()
		s.greeted = true
		s.service.Store(beginService)
		select {
		case s.wake <- struct{}{}:
		default:
		}
	case m.Kind == Publish:
		if err := s.hub.table.put(s.origin, m.Tuple); err != nil {
			s.refuse(err)
		}
		if s.service.Load() == noService { // a czmq client will send HELLO, but not publish this again
			s.invalid()
		}
	case m.Kind == Ping:
		_ = s.conn.Queue().Push(Message{Kind: Pong}.AppendTo(nil)) // no room: it has enough to read
	default: // only a hub sends PONG and INVALID
		s.invalid()
	}
	return nil
}

func (s *session) Closed(error) {
	s.helloTimer.Stop()
	s.hub.sessions.Add(-1)
	s.hub.table.originEnded(s.origin)
}

// invalid tells the client that it is not served until it sends HELLO.
func (s *session) invalid() {
	s.service.Store(noService)
	_ = s.conn.Queue().Push(Message{Kind: Invalid}.AppendTo(nil)) // no room: its next message comes here again, or it stalls
}

func (s *session) refuse(err error) {
	s.hub.cfg.Log.Debug().Err(err).Stringer("client", s.conn.RemoteAddr()).Msg("gossip: message refused")
}

// feed passes tuples on until the connection ends.
func (s *session) feed() {
	f := newFeeder(s.hub.table, s.conn.Queue(), s.origin)
	for {
		changed, wake := s.hub.table.changed(), s.wake
		var room <-chan struct{}
		var stalled <-chan time.Time
		if s.service.CompareAndSwap(beginService, inService) {
			f.restart()
		}
		if s.service.Load() == inService {
			room = f.flush()
		}
		if room != nil {
			changed, wake = nil, nil
			stalled = time.After(stallTime)
		}
		select {
		case <-room:
		case <-stalled:
			s.conn.Close(errStalled)
		case <-changed:
		case <-wake:
		case <-s.conn.Done():
			return
		}
	}
}
