package zretest

import (
	"context"
	"reflect"
	"sync"
	"testing"

	"github.com/go-zre/go-zre/zre"
)

// A Watched node is a node whose events are read, checked and recorded. Do not use Events and AllEvents of the node as well: they panic. If
// the application itself reads the events, use an [Observer].
type Watched struct {
	*zre.Node
	record *record

	mu      sync.Mutex     // guards the fields below; the event loop never takes it
	stop    func()         // ends the loop; nil if none runs
	reading sync.WaitGroup // the event loop
	ended   bool           // the test has ended
}

// Watch reads the events of a node from now until the test ends. For each peer, the first event that breaks the rules of [EventChecker] fails
// the test. The node may be started before or after. The caller closes it.
func Watch(t testing.TB, node *zre.Node) *Watched {
	w := &Watched{Node: node, record: newRecord(t, node.Name())}
	w.Resume()
	t.Cleanup(func() {
		w.Pause()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = true
	})
	return w
}

// Start makes a node on a network, watches and starts it, and closes it at the end of the test. Messages still queued then may be lost.
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

// Pause stops reading events until Resume, like a busy application. Once it returns no event is read: all further events wait in the node's
// event queue and fill it.
func (w *Watched) Pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop == nil {
		return
	}
	w.stop()
	// A loop that is only asked to stop could still wake up late and read a whole queue at once, which would be empty again.
	w.reading.Wait()
	w.stop = nil
}

// Resume ends Pause.
func (w *Watched) Resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil || w.ended {
		return
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	w.reading.Go(func() {
		for event := range w.AllEvents(ctx) {
			w.record.add(event)
		}
	})
}

// Wait returns the first matching event after the one that Wait or Next returned before. It waits for up to five minutes; then the test
// ends with a message that contains what. It must be called from the test's goroutine.
func (w *Watched) Wait(what string, match func(zre.Event) bool) zre.Event {
	w.record.t.Helper()
	return w.record.wait(what, match)
}

// Seen returns the events so far.
func (w *Watched) Seen() []zre.Event { return w.record.seen() }

// A Waiter waits for an event. It is a [*Watched] or an [*Observer].
type Waiter interface {
	Wait(what string, match func(zre.Event) bool) zre.Event
	test() testing.TB
}

func (w *Watched) test() testing.TB { return w.record.t }

// Next waits for the next event of type E, like Wait.
func Next[E zre.Event](w Waiter) E {
	w.test().Helper()
	return w.Wait(reflect.TypeFor[E]().Name(), func(event zre.Event) bool {
		_, ok := event.(E)
		return ok
	}).(E)
}
