package libzmq

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/go-zre/go-zre/internal/zmtp"
)

// libzmq's defaults.
const (
	reconnectInterval = 100 * time.Millisecond // ZMQ_RECONNECT_IVL; a random time up to the same is added
	handshakeInterval = 30 * time.Second       // ZMQ_HANDSHAKE_IVL
)

// A Mailbox is a DEALER socket, connected to one endpoint.
//
// A message waits in the socket until a connection takes it. If the connection then breaks, what was handed to the kernel is lost, and what
// still waits is sent on the next connection, without a sign of what is missing. The socket reconnects by itself, 100 to 199 ms after a
// connection broke or could not be made, for as long as it lives. It does not report any of that. A closed socket drops what waits, as with
// ZMQ_LINGER 0, and does not reconnect.
type Mailbox struct {
	dial     func(ctx context.Context) (net.Conn, error)
	chance   func(n int64) int64
	identity []byte
	end      context.CancelFunc

	mu      sync.Mutex
	waiting [][][]byte
	more    chan struct{} // has one element if waiting grew
}

// Connect makes a DEALER with an identity, which connects by dial. chance returns a random number below n; nil means one from package rand.
// running counts its goroutine, which ends soon after Close.
func Connect(dial func(ctx context.Context) (net.Conn, error), identity []byte, chance func(n int64) int64, running *sync.WaitGroup) *Mailbox {
	if chance == nil {
		chance = rand.Int64N
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &Mailbox{dial: dial, chance: chance, identity: identity, end: cancel, more: make(chan struct{}, 1)}
	running.Go(func() { m.run(ctx) })
	return m
}

// Send sends a message, unless bound messages wait already: then it does nothing and returns false, as libzmq returns EAGAIN at the
// high-water mark. A bound of 0 is none. It does not wait.
func (m *Mailbox) Send(frames [][]byte, highWater int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if highWater > 0 && len(m.waiting) >= highWater {
		return false
	}
	m.waiting = append(m.waiting, frames)
	select {
	case m.more <- struct{}{}:
	default:
	}
	return true
}

// Close ends the socket. It does not wait.
func (m *Mailbox) Close() { m.end() }

func (m *Mailbox) run(ctx context.Context) {
	for ctx.Err() == nil {
		if conn, q, err := m.connect(ctx); err == nil {
			m.drain(ctx, conn, q)
			conn.Close(nil)
		}
		select {
		case <-time.After(reconnectInterval + time.Duration(m.chance(100))*time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (m *Mailbox) connect(ctx context.Context) (*zmtp.Conn, *zmtp.Queue, error) {
	nc, err := m.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	q := zmtp.NewQueue(2, 1<<30)
	conn, err := zmtp.Open(ctx, nc, zmtp.Config{Identity: m.identity, HandshakeTimeout: handshakeInterval}, q, nil, discard{})
	return conn, q, err
}

// drain hands one message after the other to a connection, until the connection or the socket ends.
func (m *Mailbox) drain(ctx context.Context, conn *zmtp.Conn, q *zmtp.Queue) {
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

func (m *Mailbox) next() (frames [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) > 0 {
		frames, m.waiting = m.waiting[0], m.waiting[1:]
	}
	return frames
}

// discard handles messages as a ZRE DEALER does: a ROUTER sends none.
type discard struct{}

func (discard) Receive([][]byte) error { return nil }
func (discard) Closed(error)           {}
