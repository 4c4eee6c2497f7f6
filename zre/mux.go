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

// A Handler handles the events of a node (Node.Serve). A Mux is a Handler that calls another function for each kind of event. ctx ends when Serve or
// the node ends.
type Handler interface {
	ServeEvent(ctx context.Context, event Event)
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc func(ctx context.Context, event Event)

// ServeEvent calls f.
func (f HandlerFunc) ServeEvent(ctx context.Context, event Event) { f(ctx, event) }

// Mux calls, for each event, the handler that is registered for its type. There is a method for each type of event. Those for events of a group, and
// for requests, take a pattern. Events without a handler go to that of HandleOther; if there is none, they are dropped. A request without a handler is refused: the peer's Request returns
// ErrNoHandler at once.
//
// Groups and names of requests are patterns: a name; the beginning of names and a star, such as "sensor.*"; or a star alone, which matches all. A
// name has precedence over patterns with a star, and a longer pattern over a shorter one. Registering panics if the pattern is invalid (empty, longer
// than 255 bytes, or with a star that is not at its end), if it already has a handler, or if the handler is nil.
//
// Handlers may be registered at any time, also while the Mux is in use. One Mux may serve several nodes. The zero Mux is ready for use.
type Mux struct {
	mu     sync.Mutex // held while registering
	routes atomic.Pointer[routes]
}

// NewMux returns a Mux without handlers.
func NewMux() *Mux { return new(Mux) }

// routes holds all handlers. It is immutable: registering a handler makes a copy.
type routes struct {
	whisper  func(context.Context, Whisper)
	enter    func(context.Context, Enter)
	exit     func(context.Context, Exit)
	state    func(context.Context, StateChange)
	header   func(context.Context, HeaderChange)
	evasive  func(context.Context, Evasive)
	silent   func(context.Context, Silent)
	endpoint func(context.Context, EndpointChange)
	problem  func(context.Context, Problem)
	other    func(context.Context, Event)

	shouts   patterns[func(context.Context, Shout)]
	joins    patterns[func(context.Context, Join)]
	leaves   patterns[func(context.Context, Leave)]
	leaders  patterns[func(context.Context, Leader)]
	requests patterns[func(context.Context, Request)]
}

// HandleWhisper registers the handler for whispers.
func (m *Mux) HandleWhisper(handler func(context.Context, Whisper)) {
	m.register("HandleWhisper", handler == nil, func(r *routes) string { return setOnce(&r.whisper, handler) })
}

// HandleShout registers the handler for shouts to the groups that match a pattern. It does not join them: Node.Join does.
func (m *Mux) HandleShout(group string, handler func(context.Context, Shout)) {
	m.register("HandleShout", handler == nil, func(r *routes) string { return r.shouts.add(group, handler) })
}

// HandleRequest registers the handler for requests whose first frame matches a pattern. The handler answers with Request.Reply or Request.ReplyError,
// or passes the request on to something that does.
func (m *Mux) HandleRequest(name string, handler func(context.Context, Request)) {
	m.register("HandleRequest", handler == nil, func(r *routes) string { return r.requests.add(name, handler) })
}

// HandleEnter registers the handler for peers that enter.
func (m *Mux) HandleEnter(handler func(context.Context, Enter)) {
	m.register("HandleEnter", handler == nil, func(r *routes) string { return setOnce(&r.enter, handler) })
}

// HandleExit registers the handler for peers that exit.
func (m *Mux) HandleExit(handler func(context.Context, Exit)) {
	m.register("HandleExit", handler == nil, func(r *routes) string { return setOnce(&r.exit, handler) })
}

// HandleJoin registers the handler for peers that join the groups that match a pattern.
func (m *Mux) HandleJoin(group string, handler func(context.Context, Join)) {
	m.register("HandleJoin", handler == nil, func(r *routes) string { return r.joins.add(group, handler) })
}

// HandleLeave registers the handler for peers that leave the groups that match a pattern. A peer that exits does not leave its groups first.
func (m *Mux) HandleLeave(group string, handler func(context.Context, Leave)) {
	m.register("HandleLeave", handler == nil, func(r *routes) string { return r.leaves.add(group, handler) })
}

// HandleLeader registers the handler for new leaders of the groups that match a pattern.
func (m *Mux) HandleLeader(group string, handler func(context.Context, Leader)) {
	m.register("HandleLeader", handler == nil, func(r *routes) string { return r.leaders.add(group, handler) })
}

// HandleStateChange registers the handler for peers that change their state.
func (m *Mux) HandleStateChange(handler func(context.Context, StateChange)) {
	m.register("HandleStateChange", handler == nil, func(r *routes) string { return setOnce(&r.state, handler) })
}

// HandleHeaderChange registers the handler for peers that change their headers.
func (m *Mux) HandleHeaderChange(handler func(context.Context, HeaderChange)) {
	m.register("HandleHeaderChange", handler == nil, func(r *routes) string { return setOnce(&r.header, handler) })
}

// HandleEvasive registers the handler for peers of which nothing was heard for the evasive timeout.
func (m *Mux) HandleEvasive(handler func(context.Context, Evasive)) {
	m.register("HandleEvasive", handler == nil, func(r *routes) string { return setOnce(&r.evasive, handler) })
}

// HandleSilent registers the handler for peers that did not answer for the silent timeout.
func (m *Mux) HandleSilent(handler func(context.Context, Silent)) {
	m.register("HandleSilent", handler == nil, func(r *routes) string { return setOnce(&r.silent, handler) })
}

// HandleEndpointChange registers the handler for changes of this node's endpoints.
func (m *Mux) HandleEndpointChange(handler func(context.Context, EndpointChange)) {
	m.register("HandleEndpointChange", handler == nil, func(r *routes) string { return setOnce(&r.endpoint, handler) })
}

// HandleProblem registers the handler for problems, when they begin and when they are solved.
func (m *Mux) HandleProblem(handler func(context.Context, Problem)) {
	m.register("HandleProblem", handler == nil, func(r *routes) string { return setOnce(&r.problem, handler) })
}

// HandleOther registers the handler for all events, except requests, for which no other handler is registered.
func (m *Mux) HandleOther(handler func(context.Context, Event)) {
	m.register("HandleOther", handler == nil, func(r *routes) string { return setOnce(&r.other, handler) })
}

// register changes the routes. set returns what is wrong with the change, or "".
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

// ServeEvent calls the handler for the event.
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
	case Leader:
		handled = call(ctx, r.leaders.find(e.Group), e)
	case StateChange:
		handled = call(ctx, r.state, e)
	case HeaderChange:
		handled = call(ctx, r.header, e)
	case Evasive:
		handled = call(ctx, r.evasive, e)
	case Silent:
		handled = call(ctx, r.silent, e)
	case EndpointChange:
		handled = call(ctx, r.endpoint, e)
	case Problem:
		handled = call(ctx, r.problem, e)
	}
	if !handled {
		call(ctx, r.other, event)
	}
}

// call calls a handler, if it is not nil.
func call[E Event](ctx context.Context, handler func(context.Context, E), event E) bool {
	if handler == nil {
		return false
	}
	handler(ctx, event)
	return true
}

// maxPattern is the maximum length of a pattern.
const maxPattern = 255

// shortened returns the name of a request, cut to the length that matters for patterns. A name may be as long as a message.
func shortened(frames [][]byte) string {
	if len(frames) == 0 {
		return ""
	}
	return string(frames[0][:min(len(frames[0]), maxPattern+1)])
}

// patterns finds a handler by name.
type patterns[H any] struct {
	exact    map[string]H
	prefixes []prefix[H] // sorted by text
}

// prefix is a pattern without its final star.
type prefix[H any] struct {
	text    string
	shorter int // index of the longest other prefix that text begins with, or -1
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

// find returns the handler for a name, or the zero H.
func (p *patterns[H]) find(name string) (handler H) {
	if h, ok := p.exact[name]; ok {
		return h
	}
	// Prefixes of the name sort before it. The longest is the entry just before it, or a prefix of that entry.
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
