package node

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/internal/request"
)

// Requests of peers, and the replies to them.

// A Ticket is what is needed to answer a request. It serves one answer at a time.
type Ticket struct {
	id   uint64
	head [request.HeadSize]byte // of the answer
}

// RequestOf prepares the ticket to answer a request that came as an event. It returns the request's content.
func (t *Ticket) RequestOf(e *Event) [][]byte {
	head, _ := request.Parse(e.Frames)
	t.id = head.ID
	if len(e.Frames) == 1 {
		return [][]byte{{}} // as with a whisper
	}
	return e.Frames[1:]
}

// Reply answers a request of a peer. It waits, fails and treats the frames as Whisper does.
func (n *Node) Reply(ctx context.Context, id uuid.UUID, to *Ticket, frames ...[]byte) error {
	if len(frames) == 0 {
		frames = noContent
	}
	return n.answer(ctx, id, to, request.Reply, frames)
}

// ReplyError answers a request of a peer with an error.
func (n *Node) ReplyError(ctx context.Context, id uuid.UUID, to *Ticket, text string) error {
	var few [2][]byte
	return n.answer(ctx, id, to, request.Error, request.AppendFailure(few[:0], request.Failed, text))
}

func (n *Node) answer(ctx context.Context, id uuid.UUID, to *Ticket, kind request.Kind, frames [][]byte) error {
	if err := n.lifecycle.checkStarted(); err != nil {
		return fmt.Errorf("reply: %w", err)
	}
	p := n.addressee(id)
	if p == nil {
		return fmt.Errorf("reply: %w", n.cfg.Public.peerError(&PeerError{UUID: id, Err: ErrUnknownPeer}))
	}
	var few [8][]byte
	request.Head{Kind: kind, ID: to.id}.Put(&to.head)
	if err := n.transmit(ctx, p, append(append(few[:0], to.head[:]), frames...)); err != nil {
		return fmt.Errorf("reply: %w", err)
	}
	return nil
}

// Refuse tells a peer that nothing here handles its request. It does not block: a peer that is gone, or whose queue is full, gets no answer.
func (n *Node) Refuse(id uuid.UUID, to *Ticket) {
	if p := n.addressee(id); p != nil {
		p.refuseRequest(to.id, request.NoHandler, "")
	}
}

// Fail is ReplyError without blocking, like Refuse.
func (n *Node) Fail(id uuid.UUID, to *Ticket, text string) {
	if p := n.addressee(id); p != nil {
		p.refuseRequest(to.id, request.Failed, text)
	}
}

func (p *session) refuseRequest(to uint64, code request.Code, text string) {
	var first [request.HeadSize]byte
	request.Head{Kind: request.Error, ID: to}.Put(&first)
	c := outbox.Content{Frames: request.AppendFailure([][]byte{first[:]}, code, text)}
	for _, frame := range c.Frames {
		c.Size += int64(len(frame))
	}
	if err := p.out.Send(outbox.Target{}, &c); err != nil {
		p.node.log.Debug().AnErr("reason", err).Stringer("peer", p.uuid).Msg("refusal of a request not sent")
	}
}

// unwantedRequest is a request to a node that discards messages. It is refused.
type unwantedRequest struct {
	peer *session
	to   uint64
}

// maxUnwanted is how many of them may wait; beyond that the requests get no answer.
const maxUnwanted = 256

// refuseAll refuses unwanted requests. It runs apart from the goroutines that deliver them, which may hold the lock of a neighbour's outbox.
func (n *Node) refuseAll() {
	for {
		select {
		case r := <-n.unwanted:
			r.peer.refuseRequest(r.to, request.NoHandler, "")
		case <-n.done:
			return
		}
	}
}

// whisperKind is the kind of an arrived WHISPER.
type whisperKind uint8

const (
	ordinary whisperKind = iota
	aRequest
	unusedReply // a reply whose frames are no longer needed
	keptReply   // a reply whose frames now belong to the application
)

// classify returns the kind of a WHISPER whose first frame may be a head, and handles replies. It neither blocks nor sends.
func (n *Node) classify(s *session, content [][]byte, from memory.Origin, whole bool) whisperKind {
	head, ok := request.Parse(content)
	switch {
	case !ok:
		return ordinary
	case head.Kind != request.Request:
		s.work.noteSent()
		if whole && n.requests.takeReply(s, head, content, from) {
			return keptReply
		}
		n.log.Debug().Stringer("peer", s.uuid).Msg("reply dropped: no request waits for it")
		return unusedReply
	case n.cfg.Discard:
		s.work.noteSent()
		n.discarded.Add(1)
		select {
		case n.unwanted <- unwantedRequest{s, head.ID}:
		default:
		}
		return unusedReply
	}
	return aRequest
}
