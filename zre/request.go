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

// Errors of requests, to be tested with errors.Is.
var (
	// ErrPeerGone: the peer left, or the session with it broke, before its reply came. Whether it has done what was asked is not known. (Where the
	// request was not even sent, the error is ErrUnknownPeer.)
	ErrPeerGone = node.ErrPeerGone

	// ErrNoHandler: the peer has nothing that handles the request: no handler in its Mux, or it discards messages (WithSendOnly). It comes within a
	// *ReplyError.
	ErrNoHandler = node.ErrNoHandler

	// ErrTooManyRequests: as many requests as Limits.Requests allows wait for their replies. The request was not sent.
	ErrTooManyRequests = node.ErrTooManyRequests

	// ErrReplied: the request was answered before.
	ErrReplied = errors.New("zre: the request was answered before")
)

// ReplyError is what a peer answered in place of a reply: Text is what its program says (Request.ReplyError), UUID and Name say which peer it was.
// Get one with errors.As.
type ReplyError = node.ReplyError

// Reply is the answer to a request.
type Reply struct {
	// Frames belong to the application. There is at least one; one that is kept holds more memory than its own, as in a Whisper.
	Frames [][]byte
	origin memory.Origin
}

// Recycle gives the reply's memory back, as that of a Whisper.
func (r Reply) Recycle() { memory.Recycle(r.Frames, r.origin) }

// Request sends a request of one or more frames to a peer, and waits for the reply, until ctx ends. The other side gets it as an event, Request, or in
// a handler of a Mux, which finds it by its first frame, the name of what is asked for. The caller may reuse the frames when Request returns.
//
// The reply does not wait behind the events, so a request may be made in the loop over the events, or in a handler. This means that it overtakes messages
// which the peer sent before it, and which the application has not taken yet.
//
// A request is a whisper with a frame more in front (docs/protocol.md, "Requests"). A program that does not answer it, or of another implementation and
// knows nothing of requests, keeps the caller waiting: give ctx a timeout. A reply that comes after that is dropped.
//
// Errors: those of Whisper if it could not be sent; a *ReplyError if the peer answered with an error, ErrNoHandler among them; ErrPeerGone if the peer left
// before it answered, or the context's (both within a *PeerError); ErrTooManyRequests; ErrClosed, also if the node is closed meanwhile. With the
// context's comes ErrUnreadEvents if the reply could not be read, since Limits.EventBytes of events wait and none is read.
func (n *Node) Request(ctx context.Context, peer uuid.UUID, frames ...[]byte) (Reply, error) {
	content, origin, err := n.engine.Request(ctx, peer, frames...)
	return Reply{content, origin}, err
}

// StartRequest is Request that returns when the request is queued, and does not wait for the reply: for many requests without a goroutine each. It
// ends with ctx all the same.
func (n *Node) StartRequest(ctx context.Context, peer uuid.UUID, frames ...[]byte) (*PendingReply, error) {
	call, err := n.engine.StartRequest(ctx, peer, frames...)
	if err != nil {
		return nil, err
	}
	return &PendingReply{call}, nil
}

// PendingReply is a reply that a request waits for. Its methods may be called from any goroutine.
type PendingReply struct{ call *node.Call }

// Done returns a channel that is closed when the reply is there, or will not come any more.
func (p *PendingReply) Done() <-chan struct{} { return p.call.Done() }

// Result waits for Done, and returns the reply or why there is none, with the errors of Node.Request. It returns the same each time.
func (p *PendingReply) Result() (Reply, error) {
	content, origin, err := p.call.Result()
	return Reply{content, origin}, err
}

// Cancel ends the wait: Result returns context.Canceled, within a *PeerError, unless the reply came before. The peer does not learn of it.
func (p *PendingReply) Cancel() { p.call.Cancel() }

// Request: a peer sent a request to this node, and waits for the answer: Reply or ReplyError, once, from any goroutine, now or later. One that is not
// answered keeps the peer waiting until its context ends.
type Request struct {
	Peer *Peer

	// Frames belong to the application. There is at least one, and one that is kept holds more memory than its own, as in a Whisper.
	Frames [][]byte
	origin memory.Origin
	answer *answer
}

// answer is what copies of a Request share.
type answer struct {
	engine *node.Node
	to     node.Ticket
	given  atomic.Bool
}

// requestOf makes the event of a request.
func (n *Node) requestOf(e *node.Event) Request {
	a := &answer{engine: n.engine}
	return Request{peerOf(e.Peer), a.to.RequestOf(e), e.Origin, a}
}

// From implements Event.
func (r Request) From() *Peer { return r.Peer }

// Name returns the first frame as text: what is asked for, by which a Mux chooses the handler.
func (r Request) Name() string {
	if len(r.Frames) == 0 {
		return ""
	}
	return string(r.Frames[0])
}

// Reply answers the request with one or more frames. It waits and fails as Whisper does, and the caller may reuse the frames when it returns. A second
// answer is ErrReplied, unless the first one failed.
func (r Request) Reply(ctx context.Context, frames ...[]byte) error {
	return r.once(func(a *answer) error { return a.engine.Reply(ctx, r.Peer.UUID, &a.to, frames...) })
}

// ReplyError answers the request with an error, which the peer's program gets as a *ReplyError with this text; at most 4,096 bytes of UTF-8 are sent. Else it
// is as Reply.
func (r Request) ReplyError(ctx context.Context, text string) error {
	return r.once(func(a *answer) error { return a.engine.ReplyError(ctx, r.Peer.UUID, &a.to, text) })
}

// refuse answers, unless that was done, that nothing handles the request. It does not wait.
func (r Request) refuse() {
	_ = r.once(func(a *answer) error {
		a.engine.Refuse(r.Peer.UUID, &a.to)
		return nil
	})
}

// fail is ReplyError that does not wait, and does nothing where an answer was given.
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
		return fmt.Errorf("reply to peer %s (%s): %w", r.Peer.Name, r.Peer.UUID, ErrReplied)
	}
	err := send(a)
	if err != nil {
		a.given.Store(false)
	}
	return err
}

// Recycle is as for Whisper.
func (r Request) Recycle() { memory.Recycle(r.Frames, r.origin) }
