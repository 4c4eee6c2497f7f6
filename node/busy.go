package node

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/internal/outbox"
)

// droppedFor is how long a peer that was dropped as not responding is remembered. One whose application hangs comes back at once.
const droppedFor = 10 * time.Minute

// A peer that was dropped, since it took no messages, and that comes back is not waited for before it has shown that it takes them. Else each of
// its sessions would hold up all that is sent for another send timeout.
type credit struct {
	lost atomic.Bool // the peer is not waited for

	mu      sync.Mutex
	drained <-chan struct{} // closed when its queue is empty, which was full; nil if it was not full so far
}

// errNotCaughtUp is for a peer that is not waited for.
var errNotCaughtUp = fmt.Errorf("%w: it was dropped for that before, and has not caught up since", ErrPeerBusy)

// isWaitedFor tells whether a message that found no room waits for some.
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

// sendNow queues a message for a peer whose queue was full a moment ago, if there is room all the same; busy is the error if not.
func (n *Node) sendNow(p *session, to outbox.Target, c *outbox.Content, busy error) error {
	if p.out.Inproc() { // what was handed over last may be on its way, and the queue have room
		p.out.QueueBehind()
		if p.out.Send(to, c) == nil {
			return nil
		}
	}
	return n.cfg.Public.peerError(&PeerError{UUID: p.uuid, Name: p.snapshot.Load().Name, Err: busy})
}
