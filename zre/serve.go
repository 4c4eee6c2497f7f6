package zre

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
)

// defaultConcurrency is how many handlers run at once, unless ServeConcurrency says otherwise.
const defaultConcurrency = 64

// handlerGrace is how long Serve waits for handlers that run, when it ends.
const handlerGrace = 5 * time.Second

// ServeOption is a setting of Node.Serve.
type ServeOption func(*server)

// ServeConcurrency sets how many handlers may run at the same time, each for another peer; the default is 64. With 1, the handlers run one after the
// other, in the goroutine that called Serve and in the order of the events; then a handler that blocks delays all peers.
func ServeConcurrency(peers int) ServeOption {
	return func(s *server) { s.concurrency = peers }
}

// ServeOnPanic sets a function to be called when a handler panics, with the event, the value of the panic, and the stack. The panic is logged, too
// (WithLogger, WithSlog). The function runs in the goroutine of the handler; if it panics itself, the program ends.
func ServeOnPanic(hook func(event Event, value any, stack []byte)) ServeOption {
	return func(s *server) { s.onPanic = hook }
}

// Serve reads the node's events and calls the handler for each, until ctx or the node ends. It returns the context's error or ErrClosed, never nil.
// It may be called before Start.
//
// Events of one peer are handled in order, one at a time. Events of different peers are handled at the same time, by up to 64 goroutines
// (ServeConcurrency), so handlers that share data must lock it. A handler that takes long, or never returns, delays only its own peer: when 64
// messages or 1 MiB of that peer wait, the node reads no more from it. Messages that wait for handlers take up to Limits.EventBytes of memory, in
// addition to the queue of events.
//
// A handler may call all methods of the node, including Request and Close; after Close, Serve returns. If a handler panics, the panic is logged (up
// to 5 times a second), a request is answered with an error, and Serve goes on with the next event.
//
// When Serve ends, it starts no more handlers, cancels their contexts, and waits up to 5 seconds for those that run. The error says how many still
// run then. Events that were not handled are left for the next Serve or loop over AllEvents.
//
// Serve reads the events as a loop over AllEvents does: it panics while another Serve or such a loop runs, and after Events was called. Use Subscribe
// for further listeners.
func (n *Node) Serve(ctx context.Context, handler Handler, options ...ServeOption) error {
	if handler == nil {
		return fmt.Errorf("serve: %w: the handler is nil", ErrInvalidOption)
	}
	s := &server{node: n, handler: handler, concurrency: defaultConcurrency, lanes: make(map[uuid.UUID]*lane)}
	for _, option := range options {
		option(s)
	}
	if s.concurrency < 1 {
		return fmt.Errorf("serve: ServeConcurrency(%d): %w: it must be positive", s.concurrency, ErrInvalidOption)
	}
	if n.ended.Load() {
		return ErrClosed
	}
	n.beginLoop("Node.Serve was called")
	defer n.endLoop()
	handling, cancel := context.WithCancel(ctx)
	defer cancel()
	s.ctx = handling
	defer context.AfterFunc(n.ctx, cancel)()
	if s.concurrency == 1 {
		n.take(ctx.Done(), func(event Event) bool {
			n.engine.Serving(1)
			defer n.engine.Handled()
			s.handle(event)
			return true
		})
	} else {
		s.begin(n.engine.EventOctets())
		n.take(ctx.Done(), s.dispatch)
		cancel()
		if running := s.end(); running > 0 {
			return fmt.Errorf("%w; handlers that have not returned: %d", serveError(ctx), running)
		}
	}
	return serveError(ctx)
}

func serveError(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return ErrClosed
}

// handle calls the handler and recovers its panic.
func (s *server) handle(event Event) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		stack := debug.Stack()
		s.node.engine.LogPanic(event.From().UUID, value, stack)
		if r, ok := event.(Request); ok {
			r.fail("the handler of the request panicked")
		}
		if s.onPanic != nil {
			s.onPanic(event, value, stack)
		}
	}()
	s.handler.ServeEvent(s.ctx, event)
}
