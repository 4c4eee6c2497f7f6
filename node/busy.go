package node

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/internal/outbox"
)

// droppedFor is how long a peer that was dropped as not responding is remembered. A peer whose application hangs comes back at once.
const droppedFor = 10 * time.Minute

// credit decides whether senders wait for a peer. After a peer was dropped for not reading its messages, senders do not wait for it until it
// shows that it reads them. Otherwise each of its new sessions would delay every sender for another send timeout.
type credit struct {
	lost atomic.Bool // the peer is not waited for

	mu      sync.Mutex
	drained <-chan struct{} // closed when its full queue is empty; nil if it was not full so far
}

// errNotCaughtUp is for a peer that senders do not wait for.
var errNotCaughtUp = fmt.Errorf("%w: it was dropped for that before, and has not caught up since", ErrPeerBusy)

// isWaitedFor reports whether a message that found no room waits for some.
func (p *session) isWaitedFor() bool {
	c := &p.credit
	if !c.lost.Load() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drained == nil {
		c.drained = p.out.Drained()
	}
	select {
	case <-c.drained:
		c.lost.Store(false)
		p.node.after(0, func() { p.node.dropped.remove(p.uuid) })
		return true
	default:
		return false
	}
}

// sendNow queues a message for a peer whose queue was full a moment ago, if there is room now. Otherwise the error is busy.
func (n *Node) sendNow(p *session, to outbox.Target, c *outbox.Content, busy error) error {
	if p.out.Inproc() { // the last message may be on its way while the queue has room
		p.out.QueueBehind()
		if p.out.Send(to, c) == nil {
			return nil
		}
	}
	return n.cfg.Public.peerError(&PeerError{UUID: p.uuid, Name: p.snapshot.Load().Name, Err: busy})
}
