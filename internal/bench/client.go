package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// Client measures from a node and takes its events. Its methods are for one goroutine.
type Client struct {
	node  *zre.Node
	peers []uuid.UUID
}

// waitTimeout is how long a server may take to answer once everything before was sent: it must first work off queues and sockets.
const waitTimeout = 30 * time.Second

// Meet waits until that many servers are in the group that the node has joined, and returns a client of theirs. An error says how many came
// until ctx ended.
func Meet(ctx context.Context, node *zre.Node, servers int) (*Client, error) {
	c := &Client{node: node}
	complete := func() bool {
		c.peers = c.members()
		if len(c.peers) < servers {
			return false
		}
		c.peers = c.peers[:servers]
		return true
	}
	if complete() {
		return c, nil
	}
	for event := range node.AllEvents(ctx) {
		if _, ok := event.(zre.Join); ok && complete() {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%d of %d servers found: %w", len(c.peers), servers, ctxError(ctx))
}

// members returns the present servers.
func (c *Client) members() (all []uuid.UUID) {
	for _, p := range c.node.PeersIn(Group) {
		all = append(all, p.UUID)
	}
	return all
}

func ctxError(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return zre.ErrClosed
}

// Peers returns how many servers messages go to.
func (c *Client) Peers() int { return len(c.peers) }

// Transports returns how the servers are reached: "tcp", or "ipc" and others.
func (c *Client) Transports() []string {
	var all []string
	seen := make(map[string]bool)
	for _, id := range c.peers {
		if p, ok := c.node.Peer(id); ok && !seen[p.Transport] {
			seen[p.Transport] = true
			all = append(all, p.Transport)
		}
	}
	return all
}

// await reads events until done returns true. It is an error if a server leaves.
func (c *Client) await(ctx context.Context, done func(from uuid.UUID, frames [][]byte) (bool, error)) error {
	for event := range c.node.AllEvents(ctx) {
		switch e := event.(type) {
		case zre.Whisper:
			if ok, err := done(e.Peer.UUID, e.Frames); ok || err != nil {
				return err
			}
		case zre.Exit:
			for _, id := range c.peers {
				if id == e.Peer.UUID {
					return fmt.Errorf("the server %s is gone: %v", e.Peer.Name, e.Reason)
				}
			}
		}
	}
	return fmt.Errorf("no answer from the server: %w", ctxError(ctx))
}

// reports asks every server for its report.
func (c *Client) reports(ctx context.Context) (map[uuid.UUID]report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, waitTimeout, fmt.Errorf("none came within %v", waitTimeout))
	defer cancel()
	for _, id := range c.peers {
		if err := c.node.Whisper(ctx, id, []byte(version), []byte(reportRequest)); err != nil {
			return nil, err
		}
	}
	answers := make(map[uuid.UUID]report)
	err := c.await(ctx, func(from uuid.UUID, frames [][]byte) (bool, error) {
		if len(frames) != 2 || string(frames[0]) != version {
			return false, nil // an echo that is no longer waited for
		}
		r, err := parseReport(string(frames[1]))
		answers[from] = r
		return len(answers) == len(c.peers), err
	})
	return answers, err
}

// Echo sends the first server a message of size bytes, at least 1, and waits until it is back.
func (c *Client) Echo(ctx context.Context, size int) (time.Duration, error) {
	if size < 1 {
		return 0, errors.New("an echo has at least 1 byte")
	}
	frame := make([]byte, size)
	frame[0] = echoMark
	began := time.Now()
	if err := c.node.Whisper(ctx, c.peers[0], frame); err != nil {
		return 0, err
	}
	err := c.await(ctx, func(from uuid.UUID, frames [][]byte) (bool, error) {
		return from == c.peers[0] && len(frames) == 1 && len(frames[0]) == size && frames[0][0] == echoMark, nil
	})
	return time.Since(began), err
}
