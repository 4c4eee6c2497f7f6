package bench

import (
	"context"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// Serve answers as the package comment says, at a started node, until ctx or the node ends. It takes the node's events. The error is that
// of joining the group.
func Serve(ctx context.Context, node *zre.Node) error {
	if err := node.Join(Group); err != nil {
		return err
	}
	counts := make(map[uuid.UUID]*report) // no more than there are peers
	for event := range node.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Whisper:
			serve(ctx, node, counts, e.Peer, e.Frames)
			e.Recycle()
		case zre.Shout:
			if e.Group == Group {
				count(counts, e.Peer, e.Frames)
				e.Recycle()
			}
		case zre.Exit:
			delete(counts, e.Peer.UUID)
		}
	}
	return nil
}

// serve handles a whisper. If an answer fails, its peer has left, or takes nothing and is dropped for that: its Exit follows.
func serve(ctx context.Context, node *zre.Node, counts map[uuid.UUID]*report, peer *zre.Peer, frames [][]byte) {
	switch {
	case len(frames) == 2 && string(frames[0]) == version && string(frames[1]) == reportRequest:
		r := counts[peer.UUID]
		if r == nil {
			r = new(report)
		}
		delete(counts, peer.UUID)
		r.process, r.cost = thisProcess, Spent()
		_ = node.Whisper(ctx, peer.UUID, frames[0], []byte(r.String()))
	case len(frames) != 1:
	case len(frames[0]) > 0 && frames[0][0] == echoMark:
		_ = node.Whisper(ctx, peer.UUID, frames...)
	default:
		count(counts, peer, frames)
	}
}

func count(counts map[uuid.UUID]*report, peer *zre.Peer, frames [][]byte) {
	r := counts[peer.UUID]
	if r == nil {
		r = new(report)
		counts[peer.UUID] = r
	}
	r.messages++
	for _, frame := range frames {
		r.bytes += uint64(len(frame))
	}
}
