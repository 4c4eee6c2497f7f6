package zre

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// defaultBuffer is how many events may wait for a subscriber, unless SubscribeBuffer says otherwise.
const defaultBuffer = 256

// SubscribeOption is a setting of Node.Subscribe.
type SubscribeOption func(*subscription)

// SubscribeBuffer sets how many events may wait for the subscriber; the default is 256. Less than 1 means 1.
func SubscribeBuffer(events int) SubscribeOption {
	return func(s *subscription) { s.capacity = max(events, 1) }
}

// SubscribeFilter chooses the events that the subscriber gets; without it, it gets all. The node calls the function with each event, just before the
// program's own loop gets the event. The function must be quick and must not wait.
func SubscribeFilter(wants func(Event) bool) SubscribeOption {
	return func(s *subscription) { s.wants = wants }
}

// SubscribeLatest drops the oldest events that wait when the buffer is full, and keeps the newest. By default, new events are dropped while the
// buffer is full.
func SubscribeLatest() SubscribeOption {
	return func(s *subscription) { s.latest = true }
}

// Missed tells a subscriber (Node.Subscribe) how many events are missing at this place, because its buffer was full. Other listeners do not get it.
type Missed struct{ Events int }

// From implements Event. It returns an empty Peer.
func (Missed) From() *Peer { return new(Peer) }

// Subscribe returns a channel of events for a listener beside the program's own loop (AllEvents, Events or Serve). The channel is closed when ctx or
// the node ends. There may be any number of subscribers, also before Start. Each gets a copy of every event, or of those that SubscribeFilter
// chooses.
//
// A subscriber gets an event when the program's own loop reads it. A program without a loop calls Serve with an empty Mux. A slow subscriber delays
// neither that loop nor other subscribers: up to 256 events wait for it (SubscribeBuffer), and a Missed takes the place of those that were dropped.
//
// The frames belong to the subscriber. A Request can be answered once, by the first listener that does.
func (n *Node) Subscribe(ctx context.Context, options ...SubscribeOption) <-chan Event {
	s := &subscription{capacity: defaultBuffer, out: make(chan Event), hasEvents: make(chan struct{}, 1)}
	for _, option := range options {
		option(s)
	}
	if !n.subscriptions.add(s, func() {
		defer close(s.out)
		defer n.subscriptions.remove(s)
		s.run(ctx.Done(), n.done)
	}) {
		close(s.out)
	}
	return s.out
}

// subscriptions are the subscriptions of a node.
type subscriptions struct {
	list atomic.Pointer[[]*subscription] // nil if there are none; the slice is immutable and replaced on change

	mu      sync.Mutex // held while list changes
	ended   bool
	running sync.WaitGroup
}

// add adds a subscription and starts a goroutine that calls run, unless the node has ended.
func (all *subscriptions) add(s *subscription, run func()) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.ended {
		return false
	}
	all.running.Go(run)
	list := []*subscription{s}
	if now := all.list.Load(); now != nil {
		list = append(slices.Clone(*now), s)
	}
	all.list.Store(&list)
	return true
}

func (all *subscriptions) remove(s *subscription) {
	all.mu.Lock()
	defer all.mu.Unlock()
	var list []*subscription
	for _, each := range *all.list.Load() {
		if each != s {
			list = append(list, each)
		}
	}
	if all.list.Store(&list); list == nil {
		all.list.Store(nil)
	}
}

// wait waits for all subscriptions to end, after the node has ended.
func (all *subscriptions) wait() {
	all.mu.Lock()
	all.ended = true
	all.mu.Unlock()
	all.running.Wait()
}

// publish passes an event to all subscriptions that want it. It never waits.
func (all *subscriptions) publish(event Event) {
	list := all.list.Load()
	if list == nil {
		return
	}
	for _, s := range *list {
		if s.wants == nil || s.wants(event) {
			s.add(event)
		}
	}
}

// subscription is the buffer of one subscriber.
type subscription struct {
	capacity  int
	wants     func(Event) bool // nil: all events
	latest    bool
	out       chan Event
	hasEvents chan struct{} // holds a token if there is something to pass on

	mu     sync.Mutex
	events []Event
	before int // events missed before the first buffered one
	after  int // events missed after the last buffered one
}

// add appends a copy of an event, or counts it as missed.
func (s *subscription) add(event Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.events) < s.capacity:
		if s.after > 0 {
			s.events = append(s.events, Missed{s.after})
			s.after = 0
		}
	case !s.latest:
		s.after++
		return
	default:
		s.events[0] = nil
		s.events = s.events[1:]
		s.before++
	}
	s.events = append(s.events, copyOf(event))
	select {
	case s.hasEvents <- struct{}{}:
	default:
	}
}

// take removes and returns the next event.
func (s *subscription) take() (event Event, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.before > 0:
		event, s.before = Missed{s.before}, 0
	case len(s.events) > 0:
		event = s.events[0]
		s.events[0] = nil
		s.events = s.events[1:]
	case s.after > 0:
		event, s.after = Missed{s.after}, 0
	default:
		return nil, false
	}
	return event, true
}

// run passes events on until one of two channels is closed.
func (s *subscription) run(unsubscribed, closed <-chan struct{}) {
	for {
		event, ok := s.take()
		if !ok {
			select {
			case <-s.hasEvents:
				continue
			case <-unsubscribed:
				return
			case <-closed:
				return
			}
		}
		select {
		case s.out <- event:
		case <-unsubscribed:
			return
		case <-closed:
			return
		}
	}
}

// copyOf returns an event with its own copy of the frames.
func copyOf(event Event) Event {
	switch e := event.(type) {
	case Whisper:
		return Whisper{Peer: e.Peer, Frames: copyFrames(e.Frames)}
	case Shout:
		return Shout{Peer: e.Peer, Group: e.Group, Frames: copyFrames(e.Frames)}
	case Request:
		return Request{Peer: e.Peer, Frames: copyFrames(e.Frames), answer: e.answer}
	}
	return event
}

func copyFrames(frames [][]byte) [][]byte {
	copies := make([][]byte, len(frames))
	for i, frame := range frames {
		if copies[i] = bytes.Clone(frame); frame == nil {
			copies[i] = []byte{}
		}
	}
	return copies
}
