package zre

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
)

// defaultConcurrency is how many handlers run at once, unless ServeConcurrency says otherwise.
const defaultConcurrency = 64

// handlerGrace is how long Serve waits for handlers that run, when it ends.
const handlerGrace = 5 * time.Second

// ServeOption sets something of Node.Serve.
type ServeOption func(*server)

// ServeConcurrency sets for how many peers handlers may run at the same time; 64 by default. With 1 they run one after the other, in the goroutine
// that called Serve and in the order of the events, and one that blocks stops all.
func ServeConcurrency(peers int) ServeOption {
	return func(s *server) { s.concurrency = peers }
}

// ServeOnPanic has a function called when a handler panics, with the event, the value that it panicked with, and the stack of its goroutine. The panic
// is logged (WithLogger) all the same. It runs in the goroutine of the handler; a panic of its own is not contained.
func ServeOnPanic(hook func(event Event, value any, stack []byte)) ServeOption {
	return func(s *server) { s.onPanic = hook }
}

// Serve takes the node's events and calls the handler for each, until ctx or the node ends. It returns the context's error or ErrClosed, never nil. It may
// be called before Start.
//
// Events of one peer are handled in their order, one after the other. Those of different peers are handled at the same time, in goroutines, for up to 64
// peers (ServeConcurrency): so handlers that share data lock it. A handler that takes long, or for ever, stops its own peer alone: when 64 messages or
// 1 MiB of that one wait, no more is read from it. Messages that wait for handlers hold no more than Limits.EventBytes, beside those in the queue of
// events.
//
// A handler may call all methods of the node, also Request, and Close, after which Serve returns. If it panics, that is logged, a request is answered with an
// error, and the next event is handled.
//
// When Serve ends no more handlers begin, their contexts end, and Serve waits for those that run, for up to 5 seconds; the error tells if some go on. What
// was not handled is left to the next Serve or loop over All.
//
// Serve takes the events as a loop over All does, so it panics beside one, another Serve, or the channel of Events. Use Subscribe for more listeners.
func (n *Node) Serve(ctx context.Context, handler Handler, options ...ServeOption) error {
	if handler == nil {
		return errors.New("zre: Serve: the handler is nil")
	}
	s := &server{node: n, handler: handler, concurrency: defaultConcurrency, lanes: make(map[uuid.UUID]*lane)}
	for _, option := range options {
		option(s)
	}
	if s.concurrency < 1 {
		return fmt.Errorf("zre: ServeConcurrency(%d): it must be positive", s.concurrency)
	}
	if n.ended.Load() {
		return ErrClosed
	}
	n.beginLoop("Node.Serve was called")
	defer n.endLoop()
	handling, cancel := context.WithCancel(ctx)
	defer cancel()
	s.ctx = handling
	defer context.AfterFunc(n.life, cancel)()
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

// handle calls the handler, and contains its panic.
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
