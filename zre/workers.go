package zre

import (
	"cmp"
	"context"
	"time"

	"github.com/go-zre/go-zre/node"
)

// defaultTries is how many members of a group may fail one request, unless Workers.Tries says otherwise.
const defaultTries = 3

// RequestAny sends a request to a member of a group that has time, and waits for the reply; Reply.Peer is the member that replied:
//
//	reply, err := node.RequestAny(ctx, "WORKERS", []byte("resize"), picture)
//
// A member has time if its state is StateIdle and it is not busy with an earlier RequestAny of this node. So each member has one request of this node
// at a time, and several calls share the members as Choose does. A member that works for several nodes says so by its state (SetState, WithAutoState).
// Nodes of other implementations have no states, and are not asked. If no member has time, RequestAny waits until one has, or until ctx ends. Calls
// get members in the order in which they came, except for those that a member has failed. The events need not be read meanwhile.
//
// If the member leaves, or its session breaks, another one is asked. THE REQUEST MAY THEN BE DONE TWICE: the first member may have done it, and only
// its reply is lost. After three members, the error of the last one is returned, because the request may be what ends them. A member that has no handler
// for the request, or could not be sent it, is passed over. One call asks no member twice. An error that a member replied with is returned (*ReplyError):
// another member would reply the same.
//
// A member that neither replies nor leaves keeps the call waiting until ctx ends. Workers sets a timeout for one member, and how many may fail.
//
// The request is framed and handled like that of Request. The frames are copied, and the caller may reuse them when RequestAny returns.
//
// Errors: ErrInvalidGroup; those of Request, from the last member that was asked; or the context's, joined with the error of the last member if one
// was asked.
func (n *Node) RequestAny(ctx context.Context, group string, frames ...[]byte) (Reply, error) {
	return Workers{Node: n, Group: group}.Request(ctx, frames...)
}

// Workers sends requests to the members of a group, as Node.RequestAny does, with limits:
//
//	workers := zre.Workers{Node: node, Group: "WORKERS", Timeout: time.Minute}
//	reply, err := workers.Request(ctx, []byte("resize"), picture)
type Workers struct {
	Node  *Node
	Group string

	// Timeout is how long one member may take for a request, before another one is asked; 0 means until ctx ends. Waiting for a member does not count.
	Timeout time.Duration

	// Tries is how many members may leave, or take longer than Timeout, before Request returns the error; 0 means 3.
	Tries int

	// OnRetry, unless nil, is called with the error of a member before another one is asked. It runs in the goroutine of Request.
	OnRetry func(err error)
}

// Request sends a request to a member of the group that has time, and waits for the reply, as Node.RequestAny does. It may be called from any number
// of goroutines.
func (w Workers) Request(ctx context.Context, frames ...[]byte) (Reply, error) {
	answer, err := w.Node.engine.RequestAny(ctx, node.AnyMember{
		Group:   w.Group,
		Timeout: w.Timeout,
		Tries:   cmp.Or(max(w.Tries, 0), defaultTries),
		OnRetry: w.OnRetry,
	}, frames...)
	return replyOf(answer), err
}
