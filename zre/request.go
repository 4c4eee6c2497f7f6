package zre

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/node"
)

// Reply is the answer to a request.
type Reply struct {
	Peer *Peer // the peer that replied

	// Frames belong to the application, as those of a Whisper. There is at least one.
	Frames [][]byte
	origin memory.Origin
}

// Recycle gives the memory of the frames back, as Whisper.Recycle does.
func (r Reply) Recycle() { memory.Recycle(r.Frames, r.origin) }

// Request sends a request of one or more frames to a peer and waits for the reply, until ctx ends. The peer's program gets a Request, as an event or
// in a handler of its Mux, which chooses the handler by the first frame: the name of the request. The caller may reuse the frames after Request
// returns.
//
// The reply does not wait behind the events, so a program may make requests in the loop that reads the events, and in handlers. This also means that
// a reply may come before messages that the peer sent earlier, if the application has not read them yet.
//
// Give ctx a timeout: a peer that does not answer keeps the caller waiting. Programs of other implementations do not answer unless they follow
// docs/protocol.md ("Requests"); to them, a request is a whisper with one more frame. A reply that arrives after ctx has ended is dropped.
//
// The frames are copied. There is no call like WhisperNoCopy for requests: on a network of 1 Gb/s the copy takes about a hundredth of the round trip. Programs that
// move large frames within one host, where it takes a tenth (64 KiB) to a half (1 MiB), send them with WhisperNoCopy.
//
// Errors: those of Whisper if the request could not be sent; ErrTooManyRequests; a *ReplyError if the peer answered with an error; ErrNoHandler if it
// has no handler, ErrPeerGone if it left before it replied, or the context's error, each within a *PeerError; ErrClosed. ErrUnreadEvents comes
// with the context's error if the reply could not be read because the events that wait fill Limits.EventBytes.
//
// errors.Is(err, ErrPeerGone) says whether the peer is gone, before or after the request was sent to it.
func (n *Node) Request(ctx context.Context, peer uuid.UUID, frames ...[]byte) (Reply, error) {
	answer, err := n.engine.Request(ctx, peer, frames...)
	return replyOf(answer), err
}

func replyOf(a node.Answer) Reply { return Reply{peerOf(a.Peer), a.Frames, a.Origin} }

// StartRequest sends a request and returns when it is queued, without waiting for the reply: use it for many requests at a time without a goroutine
// for each. Errors: those of Whisper, and ErrTooManyRequests.
//
// ctx limits the whole request, not only the sending. To limit how long the peer may take, give ctx a timeout, and call its cancel function after Result:
// canceling it earlier gives the request up.
func (n *Node) StartRequest(ctx context.Context, peer uuid.UUID, frames ...[]byte) (*PendingReply, error) {
	call, err := n.engine.StartRequest(ctx, peer, frames...)
	if err != nil {
		return nil, err
	}
	return &PendingReply{call}, nil
}

// PendingReply is a request that StartRequest sent. Its methods may be called from any goroutine.
type PendingReply struct{ call *node.Call }

// Done returns a channel that is closed when the request has ended: with a reply or with an error.
func (p *PendingReply) Done() <-chan struct{} { return p.call.Done() }

// Result waits until the request has ended, and returns the reply or the error, as Node.Request does. All calls return the same.
func (p *PendingReply) Result() (Reply, error) {
	answer, err := p.call.Result()
	return replyOf(answer), err
}

// Cancel gives the request up: Result returns context.Canceled, within a *PeerError, unless the request had ended before. The peer is not told.
func (p *PendingReply) Cancel() { p.call.Cancel() }

// Request is a request of a peer, which waits for the answer. Answer once, with Reply or ReplyError, from any goroutine, now or later. If the program
// does not answer, the peer waits until its own context ends.
type Request struct {
	Peer *Peer

	// Frames belong to the application, as those of a Whisper. There is at least one.
	Frames [][]byte
	origin memory.Origin
	answer *answer
}

// answer is the state that copies of a Request share.
type answer struct {
	engine *node.Node
	to     node.Ticket
	given  atomic.Bool
}

// requestOf returns the event of a request.
func (n *Node) requestOf(e *node.Event) Request {
	a := &answer{engine: n.engine}
	return Request{peerOf(e.Peer), a.to.RequestOf(e), e.Origin, a}
}

// From implements Event.
func (r Request) From() *Peer { return r.Peer }

// Name returns the first frame as a string: the name by which a Mux chooses the handler.
func (r Request) Name() string {
	if len(r.Frames) == 0 {
		return ""
	}
	return string(r.Frames[0])
}

// Reply answers the request with one or more frames. It waits and fails as Whisper does, and the caller may reuse the frames after it returns. A
// second answer fails with ErrReplied, unless the first one failed.
func (r Request) Reply(ctx context.Context, frames ...[]byte) error {
	return r.once(func(a *answer) error { return a.engine.Reply(ctx, r.Peer.UUID, &a.to, frames...) })
}

// ReplyError answers the request with an error: the peer's Request returns a *ReplyError with this text, of which at most 4,096 bytes are sent.
// Otherwise it is like Reply.
func (r Request) ReplyError(ctx context.Context, text string) error {
	return r.once(func(a *answer) error { return a.engine.ReplyError(ctx, r.Peer.UUID, &a.to, text) })
}

// refuse answers that nothing handles the request, unless it was answered. It does not wait.
func (r Request) refuse() {
	_ = r.once(func(a *answer) error {
		a.engine.Refuse(r.Peer.UUID, &a.to)
		return nil
	})
}

// fail is like ReplyError, but it does not wait, and does nothing if the request was answered.
func (r Request) fail(text string) {
	_ = r.once(func(a *answer) error {
		a.engine.Fail(r.Peer.UUID, &a.to, text)
		return nil
	})
}

func (r Request) once(send func(*answer) error) error {
	a := r.answer
	if a == nil {
		return errors.New("zre: a Request that no peer has sent cannot be answered")
	}
	if !a.given.CompareAndSwap(false, true) {
		return fmt.Errorf("reply: peer %s (%s): %w", r.Peer.Name, r.Peer.UUID, ErrReplied)
	}
	err := send(a)
	if err != nil {
		a.given.Store(false)
	}
	return err
}

// Recycle gives the memory of the frames back, as Whisper.Recycle does.
func (r Request) Recycle() { memory.Recycle(r.Frames, r.origin) }
