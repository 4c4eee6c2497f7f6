package zretest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// patience bounds Wait and Next. In fake time it costs nothing.
const patience = 5 * time.Minute

// A Watched node is a node whose events are taken, checked and kept. Do not use Events and All of the node beside it: they panic.
type Watched struct {
	*zre.Node
	t testing.TB

	mu      sync.Mutex
	events  []zre.Event
	grammar Grammar
	read    int           // what Wait and Next have looked at
	news    chan struct{} // closed with the next event

	loop   sync.Mutex     // guards what is below; the loop over the events never takes it
	stop   func()         // ends the loop; nil while there is none
	taking sync.WaitGroup // the loop
	over   bool           // the test has ended
}

// Watch takes the events of a node, from now to the end of the test, and fails the test at the first event of each that breaks
// the rules of [Grammar]. The node may be started before or after; its Close is the caller's.
func Watch(t testing.TB, node *zre.Node) *Watched {
	w := &Watched{Node: node, t: t, news: make(chan struct{})}
	w.Resume()
	t.Cleanup(func() {
		w.Pause()
		w.loop.Lock()
		defer w.loop.Unlock()
		w.over = true
	})
	return w
}

// Start makes a node on a network, watches and starts it, and closes it at the end of the test, when messages that are still queued may be lost.
func Start(t testing.TB, network zre.Network, options ...zre.Option) *Watched {
	t.Helper()
	node, err := zre.NewNode(append([]zre.Option{zre.WithNetwork(network)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil && len(zre.Losses(err)) == 0 {
			t.Errorf("%s: close: %v", node.Name(), err)
		}
	})
	w := Watch(t, node)
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// take keeps an event.
func (w *Watched) take(event zre.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.grammar.Check(event); err != nil {
		w.t.Errorf("%s: %v; its events: %s", w.Name(), err, w.log(event.From().UUID))
	}
	w.events = append(w.events, event)
	close(w.news)
	w.news = make(chan struct{})
}

// Pause stops taking events until Resume, as an application does that is busy. Once it returns no event is taken: all that comes then
// waits in the node's queue of events, and fills it.
func (w *Watched) Pause() {
	w.loop.Lock()
	defer w.loop.Unlock()
	if w.stop == nil {
		return
	}
	w.stop()
	// A loop that slept could still wake up late and take a whole queue at once, which would be empty again.
	w.taking.Wait()
	w.stop = nil
}

// Resume ends Pause.
func (w *Watched) Resume() {
	w.loop.Lock()
	defer w.loop.Unlock()
	if w.stop != nil || w.over {
		return
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	w.taking.Go(func() {
		for event := range w.AllEvents(ctx) {
			w.take(event)
		}
	})
}

// Wait returns the first event that matches, of those after the one that Wait or Next returned before. It waits for it, for up
// to five minutes; then the test ends, with a message that names what was waited for. It must be called from the test's
// goroutine.
func (w *Watched) Wait(what string, match func(zre.Event) bool) zre.Event {
	w.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		w.mu.Lock()
		for w.read < len(w.events) {
			event := w.events[w.read]
			w.read++
			if match(event) {
				w.mu.Unlock()
				return event
			}
		}
		news := w.news
		w.mu.Unlock()
		select {
		case <-news:
		case <-timeout.C:
			w.mu.Lock()
			defer w.mu.Unlock()
			w.t.Fatalf("%s: no %s within %v; events: %s", w.Name(), what, patience, w.log(uuid.Nil))
		}
	}
}

// Next waits for the next event of a type, as Wait does.
func Next[E zre.Event](w *Watched) E {
	w.t.Helper()
	return w.Wait(reflect.TypeFor[E]().Name(), func(event zre.Event) bool {
		_, ok := event.(E)
		return ok
	}).(E)
}

// Seen returns the events so far.
func (w *Watched) Seen() []zre.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]zre.Event(nil), w.events...)
}

// log tells the events in words, of one peer or with the nil UUID of all. The caller holds the lock.
func (w *Watched) log(of uuid.UUID) string {
	var text []string
	for _, event := range w.events {
		if of == uuid.Nil || of == event.From().UUID {
			text = append(text, describe(event))
		}
	}
	if skip := len(text) - 50; skip > 0 {
		text = append([]string{fmt.Sprintf("(%d more)", skip)}, text[skip:]...)
	}
	return strings.Join(text, ", ")
}

// describe tells an event in words, as in "Exit(bob, crashed)".
func describe(event zre.Event) string {
	detail := ""
	switch e := event.(type) {
	case zre.Exit:
		detail = ", " + e.Reason.String()
	case zre.Join:
		detail = ", " + e.Group
	case zre.Leave:
		detail = ", " + e.Group
	case zre.Shout:
		detail = ", " + e.Group
	case zre.Leader:
		detail = ", " + e.Group
	case zre.StateChange:
		detail = ", " + e.State.String()
	case zre.EndpointChange:
		return fmt.Sprintf("EndpointChange(%s)", strings.Join(e.Endpoints, " "))
	case zre.Problem:
		return fmt.Sprintf("Problem(%v)", e)
	}
	return fmt.Sprintf("%s(%s%s)", reflect.TypeOf(event).Name(), event.From().Name, detail)
}
