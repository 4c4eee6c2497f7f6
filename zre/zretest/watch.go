package zretest

import (
	"context"
	"reflect"
	"sync"
	"testing"

	"github.com/go-zre/go-zre/zre"
)

// A Watched node is a node whose events are taken, checked and kept. Do not use Events and AllEvents of the node beside it: they panic. For a node
// whose events the application takes there is [Observer].
type Watched struct {
	*zre.Node
	record *record

	loop   sync.Mutex     // guards what is below; the loop over the events never takes it
	stop   func()         // ends the loop; nil while there is none
	taking sync.WaitGroup // the loop
	over   bool           // the test has ended
}

// Watch takes the events of a node, from now to the end of the test, and fails the test at the first event of each that breaks
// the rules of [Grammar]. The node may be started before or after; its Close is the caller's.
func Watch(t testing.TB, node *zre.Node) *Watched {
	w := &Watched{Node: node, record: newRecord(t, node.Name())}
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
			w.record.take(event)
		}
	})
}

// Wait returns the first event that matches, of those after the one that Wait or Next returned before. It waits for it, for up
// to five minutes; then the test ends, with a message that names what was waited for. It must be called from the test's
// goroutine.
func (w *Watched) Wait(what string, match func(zre.Event) bool) zre.Event {
	w.record.t.Helper()
	return w.record.wait(what, match)
}

// Seen returns the events so far.
func (w *Watched) Seen() []zre.Event { return w.record.seen() }

// A Waiter waits for an event: a [*Watched], or an [*Observer].
type Waiter interface {
	Wait(what string, match func(zre.Event) bool) zre.Event
	test() testing.TB
}

func (w *Watched) test() testing.TB { return w.record.t }

// Next waits for the next event of a type, as Wait does.
func Next[E zre.Event](w Waiter) E {
	w.test().Helper()
	return w.Wait(reflect.TypeFor[E]().Name(), func(event zre.Event) bool {
		_, ok := event.(E)
		return ok
	}).(E)
}
