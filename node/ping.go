package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/internal/outbox"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Ping sends a PING to a peer, waits for the answer and returns the round-trip time. The PING overtakes messages queued for the peer, and the
// answer overtakes messages queued for us, but neither overtakes what the operating systems already hold.
func (n *Node) Ping(ctx context.Context, id uuid.UUID) (time.Duration, error) {
	asked := time.Now()
	if err := n.pingAndWait(ctx, id, (*outbox.Outbox).Ask); err != nil {
		return 0, fmt.Errorf("ping: %w", err)
	}
	return time.Since(asked), nil
}

// Flush returns when a peer's node has read everything sent to it before. It sends a PING behind that, which overtakes nothing, and waits
// for the answer.
func (n *Node) Flush(ctx context.Context, id uuid.UUID) error {
	if err := n.pingAndWait(ctx, id, (*outbox.Outbox).AskBehind); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// errUnanswered: a peer was asked and is gone.
var errUnanswered = fmt.Errorf("%w: it left, or was lost, before it answered", ErrUnknownPeer)

// pingAndWait sends a PING to a peer and waits for the answer.
func (n *Node) pingAndWait(ctx context.Context, id uuid.UUID, ask func(*outbox.Outbox) (<-chan struct{}, error)) error {
	if err := n.lifecycle.checkStarted(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failed := &PeerError{UUID: id, Err: ErrUnknownPeer}
	var out *outbox.Outbox
	if p := n.addressee(id); p != nil {
		failed.Name, out = p.snapshot.Load().Name, p.out
	}
	for out != nil {
		answered, err := ask(out)
		switch {
		case err == nil:
			failed.Err = errUnanswered
		case errors.Is(err, zmtp.ErrFull):
			failed.Err = ErrPeerBusy
			return n.cfg.Public.peerError(failed)
		case errors.Is(err, outbox.ErrParked):
			answered = nil
		default: // the session is over
			out = out.Successor()
			continue
		}
		var settled <-chan struct{}
		if answered == nil {
			settled = out.Unparked()
		}
		select {
		case <-answered:
			return nil
		case <-settled: // the next attempt is behind what was parked
			continue
		case <-ctx.Done():
			if answered != nil {
				out.GiveUp(answered)
			}
			return context.Cause(ctx)
		case <-out.Done():
		case <-n.done:
		}
		out = out.Successor()
	}
	if err := n.lifecycle.checkStarted(); err != nil {
		return err
	}
	return n.cfg.Public.peerError(failed)
}
