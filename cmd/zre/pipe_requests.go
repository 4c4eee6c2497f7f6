package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-zre/go-zre/zre"
)

// maxOpenRequests is how many requests of peers wait for a reply command. Beyond it the oldest gets an error reply.
const maxOpenRequests = 10_000

// openRequests holds the requests of peers that were reported and not answered yet.
type openRequests struct {
	mu    sync.Mutex
	last  uint64
	first uint64 // the oldest that may still be present
	list  map[uint64]zre.Request
}

// add stores a request and returns its number.
func (a *openRequests) add(r zre.Request) uint64 {
	r.Frames = nil // already reported
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.list == nil {
		a.list, a.first = make(map[uint64]zre.Request), 1
	}
	for len(a.list) >= maxOpenRequests {
		if old, ok := a.list[a.first]; ok {
			delete(a.list, a.first)
			go func() { _ = old.ReplyError(context.Background(), "not answered") }() // ends with the send timeout; the peer may be gone
		}
		a.first++
	}
	a.last++
	a.list[a.last] = r
	return a.last
}

// take removes and returns a request, to be answered now.
func (a *openRequests) take(number uint64) (zre.Request, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, ok := a.list[number]
	if !ok {
		return r, fmt.Errorf("there is no request %d that waits for an answer", number)
	}
	delete(a.list, number)
	return r, nil
}

func requestCommand(_ context.Context, p *piper, c *command) error {
	peer, err := c.peer()
	if err != nil {
		return err
	}
	p.lanes.request(peer, c.timeout, c.frames, func(r zre.Reply) {
		l := line{Event: "reply", ID: c.id, Peer: peer.String()}
		if known, ok := p.node.Peer(peer); ok {
			l.Name = known.Name
		}
		l.setFrames(r.Frames)
		p.out.write(l, true)
	}, func(err error) {
		var said *zre.ReplyError
		if errors.As(err, &said) {
			err = &replyFailure{said}
		}
		p.finish(c, err)
	})
	return nil
}

func replyCommand(_ context.Context, p *piper, c *command) error {
	return p.answer(c, func(ctx context.Context, r zre.Request) error { return r.Reply(ctx, c.frames...) })
}

func replyErrorCommand(_ context.Context, p *piper, c *command) error {
	return p.answer(c, func(ctx context.Context, r zre.Request) error { return r.ReplyError(ctx, c.values["error"]) })
}

// answer answers a request, in order with other messages to that peer.
func (p *piper) answer(c *command, do func(context.Context, zre.Request) error) error {
	r, err := p.requests.take(c.number)
	if err != nil {
		return err
	}
	p.lanes.add(r.From().UUID, task{size: c.size(), do: func(ctx context.Context) error { return do(ctx, r) }, done: func(err error) { p.finish(c, err) }})
	return nil
}
