package zretest

import (
	"context"
	"sync"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// A mailbox is a DEALER socket of libzmq, connected to one endpoint.
//
// A message waits in the socket until a connection takes it. Then it is on its own: if the connection breaks, what was
// handed to the kernel is lost, and what waits still is sent on the next connection, with no word of what is missing.
// The socket connects again by itself, 100 to 199 ms after a connection broke or could not be made, for as long as it lives
// (ZMQ_RECONNECT_IVL, without a limit). It notices nothing else, and tells the program nothing. A socket that is closed drops
// what waits (ZMQ_LINGER is 0 in all three implementations).
type mailbox struct {
	host     *Host
	to       string // "address:port"
	identity []byte
	end      context.CancelFunc

	mu      sync.Mutex
	waiting [][][]byte
	more    chan struct{} // has one element if waiting grew
}

const reconnectInterval = 100 * time.Millisecond

// openMailbox makes a DEALER that lives until it is closed. The WaitGroup has its goroutine.
func openMailbox(host *Host, to string, identity []byte, running *sync.WaitGroup) *mailbox {
	ctx, cancel := context.WithCancel(context.Background())
	m := &mailbox{host: host, to: to, identity: identity, end: cancel, more: make(chan struct{}, 1)}
	running.Go(func() { m.run(ctx) })
	return m
}

// send has a message sent, and reports whether fewer than bound waited.
func (m *mailbox) send(frames [][]byte, bound int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bound > 0 && len(m.waiting) >= bound {
		return false
	}
	m.waiting = append(m.waiting, frames)
	select {
	case m.more <- struct{}{}:
	default:
	}
	return true
}

func (m *mailbox) close() { m.end() }

func (m *mailbox) run(ctx context.Context) {
	for ctx.Err() == nil {
		if conn, q, err := m.connect(ctx); err == nil {
			m.drain(ctx, conn, q)
			conn.Close(nil)
		}
		select {
		case <-time.After(reconnectInterval + time.Duration(m.host.Int64N(100))*time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (m *mailbox) connect(ctx context.Context) (*zmtp.Conn, *zmtp.Queue, error) {
	nc, err := m.host.Dial(ctx, "tcp", m.to)
	if err != nil {
		return nil, nil, err
	}
	q := zmtp.NewQueue(2, 1<<30)
	conn, err := zmtp.Open(ctx, nc, zmtp.Config{Identity: m.identity, HandshakeTimeout: handshakeInterval}, q, nil, deaf{})
	return conn, q, err
}

// drain hands one message after the other to a connection, until that or the socket ends.
func (m *mailbox) drain(ctx context.Context, conn *zmtp.Conn, q *zmtp.Queue) {
	for {
		frames := m.next()
		if frames == nil {
			select {
			case <-m.more:
				continue
			case <-conn.Done():
				return
			case <-ctx.Done():
				return
			}
		}
		if q.Push(frames...) != nil {
			return // that message is lost: libzmq had taken it from the socket
		}
		select {
		case <-q.Drained():
		case <-conn.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

func (m *mailbox) next() (frames [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) > 0 {
		frames, m.waiting = m.waiting[0], m.waiting[1:]
	}
	return frames
}

// deaf is what a DEALER of ZRE does with messages: a ROUTER sends none.
type deaf struct{}

func (deaf) Receive([][]byte) error { return nil }
func (deaf) Closed(error)           {}
