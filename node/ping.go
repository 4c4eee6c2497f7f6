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

// Ping sends a PING to a peer, waits for the answer and returns how long that took. It overtakes the messages that wait for the peer,
// and the answer those that wait for us, but not what is in the hands of the operating systems already.
func (n *Node) Ping(ctx context.Context, id uuid.UUID) (time.Duration, error) {
	if err := n.lifecycle.usable(); err != nil {
		return 0, fmt.Errorf("ping: %w", err)
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("ping: %w", context.Cause(ctx))
	}
	failed := &PeerError{UUID: id, Err: ErrUnknownPeer}
	var out *outbox.Outbox
	if p := n.addressee(id); p != nil {
		failed.Name, out = p.snapshot.Load().Name, p.out
	}
	for asked := time.Now(); out != nil; out = out.Successor() {
		answered, err := out.Ask()
		if errors.Is(err, zmtp.ErrFull) {
			failed.Err = ErrPeerBusy
			break
		}
		if err != nil {
			continue // the session is over
		}
		select {
		case <-answered:
			return time.Since(asked), nil
		case <-ctx.Done():
			out.GiveUp(answered)
			return 0, fmt.Errorf("ping: %w", context.Cause(ctx))
		case <-out.Done():
		case <-n.done:
		}
	}
	if err := n.lifecycle.usable(); err != nil {
		return 0, fmt.Errorf("ping: %w", err)
	}
	return 0, fmt.Errorf("ping: %w", failed)
}
