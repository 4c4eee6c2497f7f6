package zre

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A Handler takes events from Node.Serve. A Mux is one, and calls a function for each kind of event.
//
// ctx ends when the Serve that calls it does, or the node.
type Handler interface {
	ServeEvent(ctx context.Context, event Event)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, event Event)

// ServeEvent calls f.
func (f HandlerFunc) ServeEvent(ctx context.Context, event Event) { f(ctx, event) }

// Mux passes each event to the one handler that is registered for its kind: a whisper, a shout to a group, a request of a name, and so on. An event that
// has none goes to that of HandleOther; if there is none either, it is dropped. A request without a handler is refused: the peer's
// Request returns ErrNoHandler at once.
//
// Groups and names of requests are given by a pattern: the name itself, or the beginning of names and a star, "sensor.*"; a star alone stands for all. The
// name itself comes before any other pattern, and of those with a star the longest comes first. A pattern that none can match (empty, longer than 255
// bytes, or with a star elsewhere than at its end), a second handler for the same, and a nil one are mistakes of the program: they panic.
//
// Handlers may be registered at any time, also while the Mux serves, and for several nodes. The zero Mux is ready for use.
type Mux struct {
	mu     sync.Mutex // of those that register
	routes atomic.Pointer[routes]
}

// NewMux returns a Mux without handlers.
func NewMux() *Mux { return new(Mux) }

// routes are all handlers. They do not change: to register one makes others.
type routes struct {
	whisper func(context.Context, Whisper)
	enter   func(context.Context, Enter)
	exit    func(context.Context, Exit)
	other   func(context.Context, Event)

	shouts   patterns[func(context.Context, Shout)]
	joins    patterns[func(context.Context, Join)]
	leaves   patterns[func(context.Context, Leave)]
	requests patterns[func(context.Context, Request)]
}

// HandleWhisper registers the handler of whispers.
func (m *Mux) HandleWhisper(handler func(context.Context, Whisper)) {
	m.register("HandleWhisper", handler == nil, func(r *routes) string { return setOnce(&r.whisper, handler) })
}

// HandleShout registers the handler of shouts to the groups of a pattern. The node joins none of them by this.
func (m *Mux) HandleShout(group string, handler func(context.Context, Shout)) {
	m.register("HandleShout", handler == nil, func(r *routes) string { return r.shouts.add(group, handler) })
}

// HandleRequest registers the handler of requests whose first frame matches a pattern. The handler answers (Request.Reply), or has it done later.
func (m *Mux) HandleRequest(name string, handler func(context.Context, Request)) {
	m.register("HandleRequest", handler == nil, func(r *routes) string { return r.requests.add(name, handler) })
}

// HandleEnter registers the handler of peers that enter.
func (m *Mux) HandleEnter(handler func(context.Context, Enter)) {
	m.register("HandleEnter", handler == nil, func(r *routes) string { return setOnce(&r.enter, handler) })
}

// HandleExit registers the handler of peers that exit.
func (m *Mux) HandleExit(handler func(context.Context, Exit)) {
	m.register("HandleExit", handler == nil, func(r *routes) string { return setOnce(&r.exit, handler) })
}

// HandleJoin registers the handler of peers that join the groups of a pattern.
func (m *Mux) HandleJoin(group string, handler func(context.Context, Join)) {
	m.register("HandleJoin", handler == nil, func(r *routes) string { return r.joins.add(group, handler) })
}

// HandleLeave registers the handler of peers that leave the groups of a pattern. A peer that exits leaves them without.
func (m *Mux) HandleLeave(group string, handler func(context.Context, Leave)) {
	m.register("HandleLeave", handler == nil, func(r *routes) string { return r.leaves.add(group, handler) })
}

// HandleOther registers the handler of all events that have none of their own: StateChange, Leader, Evasive, Silent and Problem, and those of the other kinds
// but Request for which no handler is registered.
func (m *Mux) HandleOther(handler func(context.Context, Event)) {
	m.register("HandleOther", handler == nil, func(r *routes) string { return setOnce(&r.other, handler) })
}

// register changes the routes. set returns what is wrong with that, if anything.
func (m *Mux) register(method string, isNil bool, set func(*routes) string) {
	if isNil {
		panic("zre: Mux." + method + ": the handler is nil")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var next routes
	if now := m.routes.Load(); now != nil {
		next = *now
	}
	if wrong := set(&next); wrong != "" {
		panic("zre: Mux." + method + ": " + wrong)
	}
	m.routes.Store(&next)
}

func setOnce[E Event](place *func(context.Context, E), handler func(context.Context, E)) string {
	if *place != nil {
		return "there is a handler already"
	}
	*place = handler
	return ""
}

// ServeEvent calls the handler of the event.
func (m *Mux) ServeEvent(ctx context.Context, event Event) {
	r := m.routes.Load()
	if r == nil {
		r = new(routes)
	}
	handled := false
	switch e := event.(type) {
	case Whisper:
		handled = call(ctx, r.whisper, e)
	case Shout:
		handled = call(ctx, r.shouts.find(e.Group), e)
	case Request:
		if !call(ctx, r.requests.find(shortened(e.Frames)), e) {
			e.refuse()
		}
		return
	case Enter:
		handled = call(ctx, r.enter, e)
	case Exit:
		handled = call(ctx, r.exit, e)
	case Join:
		handled = call(ctx, r.joins.find(e.Group), e)
	case Leave:
		handled = call(ctx, r.leaves.find(e.Group), e)
	}
	if !handled {
		call(ctx, r.other, event)
	}
}

// call calls a handler, if there is one.
func call[E Event](ctx context.Context, handler func(context.Context, E), event E) bool {
	if handler == nil {
		return false
	}
	handler(ctx, event)
	return true
}

// maxPattern is how long a pattern may be.
const maxPattern = 255

// shortened returns the name of a request as far as a pattern can tell: it may be as long as a message.
func shortened(frames [][]byte) string {
	if len(frames) == 0 {
		return ""
	}
	return string(frames[0][:min(len(frames[0]), maxPattern+1)])
}

// patterns find a handler by a name.
type patterns[H any] struct {
	exact    map[string]H
	prefixes []prefix[H] // sorted by text
}

// prefix is a pattern that ended with a star.
type prefix[H any] struct {
	text    string
	shorter int // where the longest other prefix is that text begins with; -1 if there is none
	handler H
}

// add adds a pattern to a copy of the patterns, or returns what is wrong with it.
func (p *patterns[H]) add(pattern string, handler H) string {
	text, star := strings.CutSuffix(pattern, "*")
	switch {
	case pattern == "" || len(pattern) > maxPattern:
		return fmt.Sprintf("the pattern %.40q has %d bytes; want 1 to %d", pattern, len(pattern), maxPattern)
	case strings.Contains(text, "*"):
		return fmt.Sprintf("the pattern %q has a star that is not at its end", pattern)
	case !star:
		exact := make(map[string]H, len(p.exact)+1)
		for name, h := range p.exact {
			exact[name] = h
		}
		if _, there := exact[pattern]; there {
			return fmt.Sprintf("there is a handler for %q already", pattern)
		}
		exact[pattern] = handler
		p.exact = exact
		return ""
	}
	at, there := p.search(text)
	if there {
		return fmt.Sprintf("there is a handler for %q already", pattern)
	}
	p.prefixes = slices.Insert(slices.Clone(p.prefixes), at, prefix[H]{text: text, handler: handler})
	for i := range p.prefixes {
		before := i - 1
		for before >= 0 && !strings.HasPrefix(p.prefixes[i].text, p.prefixes[before].text) {
			before = p.prefixes[before].shorter
		}
		p.prefixes[i].shorter = before
	}
	return ""
}

func (p *patterns[H]) search(text string) (int, bool) {
	return slices.BinarySearchFunc(p.prefixes, text, func(e prefix[H], text string) int { return cmp.Compare(e.text, text) })
}

// find returns the handler for a name; the zero H if there is none.
func (p *patterns[H]) find(name string) (handler H) {
	if h, ok := p.exact[name]; ok {
		return h
	}
	// Those that the name begins with sort before it, and the longest of them is the one just before it, or one that this begins with.
	at, there := p.search(name)
	if !there {
		at--
	}
	for at >= 0 && !strings.HasPrefix(name, p.prefixes[at].text) {
		at = p.prefixes[at].shorter
	}
	if at >= 0 {
		handler = p.prefixes[at].handler
	}
	return handler
}
