package zretest

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// waitTimeout limits Wait and Next. In fake time it costs nothing.
const waitTimeout = 5 * time.Minute

// A record stores and checks the events of one node.
type record struct {
	t    testing.TB
	name string

	mu       sync.Mutex
	events   []zre.Event
	checker  EventChecker
	examined int           // how many events wait has examined
	changed  chan struct{} // closed with the next event
}

func newRecord(t testing.TB, name string) *record {
	return &record{t: t, name: name, changed: make(chan struct{})}
}

// add stores an event.
func (r *record) add(event zre.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checker.Check(event); err != nil {
		r.t.Errorf("%s: %v; its events: %s", r.name, err, r.describeAll(event.From().UUID))
	}
	r.events = append(r.events, event)
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait returns the first matching event after the one that it returned before.
func (r *record) wait(what string, match func(zre.Event) bool) zre.Event {
	r.t.Helper()
	timeout := time.NewTimer(waitTimeout)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		for r.examined < len(r.events) {
			event := r.events[r.examined]
			r.examined++
			if match(event) {
				r.mu.Unlock()
				return event
			}
		}
		news := r.changed
		r.mu.Unlock()
		select {
		case <-news:
		case <-timeout.C:
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("%s: no %s within %v; events: %s", r.name, what, waitTimeout, r.describeAll(uuid.Nil))
		}
	}
}

// seen returns the events so far.
func (r *record) seen() []zre.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]zre.Event(nil), r.events...)
}

// describeAll lists the events in words: those of one peer, or all with the nil UUID. The caller holds the lock.
func (r *record) describeAll(of uuid.UUID) string {
	var text []string
	for _, event := range r.events {
		if of == uuid.Nil || of == event.From().UUID {
			text = append(text, describe(event))
		}
	}
	if skip := len(text) - 50; skip > 0 {
		text = append([]string{fmt.Sprintf("(%d more)", skip)}, text[skip:]...)
	}
	return strings.Join(text, ", ")
}

// describe describes an event in words, as in "Exit(bob, crashed)".
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
