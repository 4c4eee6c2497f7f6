package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/internal/request"
	"github.com/go-zre/go-zre/internal/traffic"
)

// A request is a WHISPER with a head frame, and so is its reply (internal/request). The reply is handled where it arrives: in the connection's
// reader, or in a neighbour's goroutine. It does not queue behind the application's events, so the application may make a request, and wait
// for the reply, inside its event loop.

// requests are this node's requests that wait for their replies.
type requests struct {
	sent  atomic.Uint64 // requests that were queued
	calls sync.Pool     // reused calls of Request. Each node has its own pool, because channels belong to one bubble of fake time (testing/synctest)

	mu      sync.Mutex // a leaf, except for the lock of the event queue. An outbox's lock may be held
	waiting map[uint64]*Call
	last    uint64 // the ID of the last one
	closed  bool
	watch   unreadWatch

	replies  uint64        // replies to waiting requests
	stray    uint64        // replies without a waiting request
	received traffic.Table // replies to waiting requests, with their bytes
}

// RequestStats are figures about requests. zre.Stats documents them.
type RequestStats struct {
	Sent, Replies, Stray uint64
	Waiting              int
}

// A Call is a request that was sent. It ends once: with its reply, its context, the session in which it was sent, or the node.
type Call struct {
	node     *Node
	peer     *session
	id       uint64
	head     [request.HeadSize]byte
	done     chan struct{} // closed when it has ended; frames, origin and err are set before. A reused call gets a token instead
	isPooled bool          // it belongs to the pool: only Request knows it
	stop     func() bool   // keeps its context from ending it; nil if the caller waits for both. requests.mu guards it

	next, prev *Call // of the same session; requests.mu guards them

	frames [][]byte
	origin memory.Origin
	err    error
}

// Errors of requests, to be tested with errors.Is.
var (
	// ErrPeerGone: the peer left, or the session with it broke, before it replied. ErrUnknownPeer is this error, too.
	ErrPeerGone = errors.New("the peer left, or its session broke, before it replied")

	// ErrTooManyRequests: the number of requests that wait for replies has reached Limits.Requests.
	ErrTooManyRequests = errors.New("too many requests wait for their replies")

	// ErrNoHandler: the peer has no handler for the request.
	ErrNoHandler = errors.New("the peer does not handle such requests")
)

// Request sends a request to a peer and waits for the reply.
func (n *Node) Request(ctx context.Context, id uuid.UUID, frames ...[]byte) (Answer, error) {
	p, err := n.asked(id)
	if err != nil {
		return Answer{}, err
	}
	return n.requestFrom(ctx, p, frames)
}

// asked returns the session with the peer that a request is for.
func (n *Node) asked(id uuid.UUID) (*session, error) {
	if err := n.lifecycle.checkStarted(); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	p := n.addressee(id)
	if p == nil {
		return nil, fmt.Errorf("request: %w", n.cfg.Public.peerError(&PeerError{UUID: id, Err: ErrUnknownPeer}))
	}
	return p, nil
}

// requestFrom is Request for a session.
func (n *Node) requestFrom(ctx context.Context, p *session, frames [][]byte) (Answer, error) {
	c, ok := n.requests.calls.Get().(*Call)
	if !ok {
		c = &Call{done: make(chan struct{}, 1), isPooled: true}
	}
	if err := n.send(ctx, c, p, frames); err != nil {
		return Answer{}, err // the call is left to the garbage collector
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		c.endByContext(ctx)
		<-c.done
	}
	answer, err := c.result()
	*c = Call{done: c.done, isPooled: true}
	n.requests.calls.Put(c)
	return answer, err
}

// StartRequest is Request without waiting for the reply. The call also ends with ctx.
func (n *Node) StartRequest(ctx context.Context, id uuid.UUID, frames ...[]byte) (*Call, error) {
	p, err := n.asked(id)
	if err != nil {
		return nil, err
	}
	call := &Call{done: make(chan struct{})}
	if err := n.send(ctx, call, p, frames); err != nil {
		return nil, err
	}
	if ctx.Done() == nil {
		return call, nil
	}
	stop := context.AfterFunc(ctx, func() { call.endByContext(ctx) })
	n.requests.mu.Lock()
	defer n.requests.mu.Unlock()
	if n.requests.waiting[call.id] != call { // it has ended
		stop()
	} else {
		call.stop = stop
	}
	return call, nil
}

// send sends a request. The call must be new.
func (n *Node) send(ctx context.Context, call *Call, p *session, frames [][]byte) error {
	call.node, call.peer = n, p
	if err := n.requests.begin(call); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	var few [8][]byte
	content := append(append(few[:0], call.head[:]), frames...)
	if len(frames) == 0 {
		content = append(content, noContent[0])
	}
	if err := n.transmit(ctx, p, content); err != nil {
		n.requests.end(call, nil, memory.Origin{}, err)
		return fmt.Errorf("request: %w", err)
	}
	n.requests.sent.Add(1)
	return nil
}

// transmit is whisper for a session, without its error prefix.
func (n *Node) transmit(ctx context.Context, p *session, frames [][]byte) error {
	c, err := n.checkMessage(ctx, frames)
	if err != nil {
		return err
	}
	var to outbox.Target
	if !p.out.Inproc() {
		to.Lease = c.NewLease()
		defer to.Release()
	}
	if err = p.out.Send(to, &c); err != nil {
		err = n.await(ctx, p, to, &c, err)
	}
	return err
}

// Done returns a channel that is closed when the call has ended.
func (c *Call) Done() <-chan struct{} { return c.done }

// Result waits for the end of the call.
func (c *Call) Result() (Answer, error) {
	<-c.done
	return c.result()
}

// result is Result for a call that has ended.
func (c *Call) result() (Answer, error) {
	if c.err != nil {
		return Answer{}, fmt.Errorf("request: %w", c.err)
	}
	return Answer{c.peer.snapshot.Load(), c.frames, c.origin}, nil
}

// Cancel ends the call with context.Canceled, unless it has ended. A later reply is dropped.
func (c *Call) Cancel() {
	c.node.requests.end(c, nil, memory.Origin{}, c.failed(context.Canceled))
}

// endByContext ends the call because its context has ended.
func (c *Call) endByContext(ctx context.Context) {
	err := context.Cause(ctx)
	if c.node.requests.isUnread(c.node) || c.node.events.IsHeld(c.peer.stream.Load()) {
		err = fmt.Errorf("%w; %w", err, ErrUnreadEvents)
	}
	c.node.requests.end(c, nil, memory.Origin{}, c.failed(err))
}

// failed wraps err with the peer that did not reply.
func (c *Call) failed(err error) error {
	failed := &PeerError{UUID: c.peer.uuid, Err: err}
	if known := c.peer.snapshot.Load(); known != nil {
		failed.Name = known.Name
	}
	return c.node.cfg.Public.peerError(failed)
}

// begin registers a request before it is sent.
func (r *requests) begin(c *Call) error {
	n, p := c.node, c.peer
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return ErrClosed
	case p.callsOver:
		return c.failed(ErrUnknownPeer)
	case len(r.waiting) >= n.cfg.Limits.Requests:
		return fmt.Errorf("%w: Limits.Requests is %d", ErrTooManyRequests, n.cfg.Limits.Requests)
	}
	if r.waiting == nil {
		r.waiting, r.last = make(map[uint64]*Call), rand.Uint64() // no other node has the same numbers, nor an older one with our UUID
	}
	r.last++
	c.id = r.last
	request.Head{Kind: request.Request, ID: c.id}.Put(&c.head)
	r.waiting[c.id] = c
	if c.next = p.calls; c.next != nil {
		c.next.prev = c
	}
	p.calls = c
	r.watch.repeater.start(unreadCheckPause, n.checkRequests)
	return nil
}

// end ends a call, unless it has ended.
func (r *requests) end(c *Call, frames [][]byte, from memory.Origin, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting[c.id] == c {
		r.finish(c, frames, from, err)
	}
}

// finish needs mu.
func (r *requests) finish(c *Call, frames [][]byte, from memory.Origin, err error) {
	delete(r.waiting, c.id)
	if c.next != nil {
		c.next.prev = c.prev
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		c.peer.calls = c.next
	}
	c.next, c.prev = nil, nil
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
	c.frames, c.origin, c.err = frames, from, err
	if c.isPooled {
		c.done <- struct{}{}
	} else {
		close(c.done)
	}
}

// endSession ends the calls of a session that is over, and lets no more begin there. It does not block.
func (r *requests) endSession(s *session, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.callsOver = true
	for s.calls != nil {
		c, err := s.calls, ErrClosed
		if !closed {
			err = c.failed(ErrPeerGone)
		}
		r.finish(c, nil, memory.Origin{}, err)
	}
}

// close ends all calls, and lets no more begin.
func (r *requests) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, c := range r.waiting {
		r.finish(c, nil, memory.Origin{}, ErrClosed)
	}
}

// takeReply gives a reply to its request. It returns false if the request no longer waits, or was sent to another peer. It runs in the reader of
// the peer's connection, or in the goroutine of a sender within the process, with that sender's outbox locked.
func (r *requests) takeReply(s *session, head request.Head, content [][]byte, from memory.Origin) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.waiting[head.ID]
	if c == nil || c.peer.uuid != s.uuid {
		r.stray++
		return false
	}
	r.countReply(s, content)
	if head.Kind == request.Error {
		r.finish(c, nil, memory.Origin{}, c.refusal(request.Failure(content)))
		return true
	}
	frames := content[1:]
	if len(frames) == 0 { // as with a whisper
		frames = [][]byte{{}}
	}
	r.finish(c, frames, from, nil)
	return true
}

// countReply counts a reply, which is not among the events. It needs mu.
func (r *requests) countReply(s *session, content [][]byte) {
	var size int64
	for _, frame := range content {
		size += int64(len(frame))
	}
	r.replies++
	s.replies.Note(false, size)
	if known := s.snapshot.Load(); known != nil {
		r.received[trafficTransport(known.Transport)].Note(false, size)
	}
}

// isWaiting reports whether any request waits.
func (r *requests) isWaiting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting) > 0
}

// stats returns the figures, and the replies by transport.
func (r *requests) stats() (RequestStats, traffic.Table) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return RequestStats{Sent: r.sent.Load(), Replies: r.replies, Stray: r.stray, Waiting: len(r.waiting)}, r.received
}

// repliesOf returns how many replies a peer has sent.
func (r *requests) repliesOf(s *session) traffic.Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.replies
}

// An unreadWatch makes sure that replies can arrive. They come behind other messages of their peer. If the application reads no events because it
// waits for a reply, there may be no room for those messages. Then the bound on the number of events is lifted, as for a waiting send (await.go).
// requests.mu guards it.
type unreadWatch struct {
	repeater  repeater // runs while requests wait, and once more after that
	isWaiting bool     // BeginWait was called
	lifted    bool     // LiftBound was called
	lastRead  uint64   // the application's read position at the last check
}

// checkRequests checks whether replies can arrive.
func (n *Node) checkRequests() {
	r := &n.requests
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.watch
	read := n.events.Reads()
	switch {
	case len(r.waiting) == 0:
		if w.isWaiting {
			n.events.EndWait(w.lifted)
		}
		w.isWaiting, w.lifted = false, false
		w.repeater.stop()
		return
	case !w.isWaiting:
		n.events.BeginWait()
		w.isWaiting = true
	case read != w.lastRead:
		if w.lifted {
			n.events.EndWait(true)
			n.events.BeginWait()
			w.lifted = false
		}
	case !w.lifted && n.events.HasWaiters():
		n.events.LiftBound()
		w.lifted = true
	}
	w.lastRead = read
	w.repeater.again(unreadCheckPause)
}

// isUnread reports whether replies cannot arrive, because the application has read no events for a long time and there is no room for more.
func (r *requests) isUnread(n *Node) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watch.lifted && n.events.Reads() == r.watch.lastRead && n.events.HasWaiters()
}
