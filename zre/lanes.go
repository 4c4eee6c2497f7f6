package zre

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// What may wait for the handlers of one peer before it is held, and how many are handled in a row while other peers wait.
const (
	laneMessages = 64
	laneOctets   = 1 << 20
	laneBurst    = 64
)

// frameCost and eventCost are about what a frame and an event hold beside octets.
const frameCost, eventCost = 24, 200

// server is one call of Serve: it sorts the events into lanes, one for each peer, and has workers handle them, one at a time for each lane.
type server struct {
	node        *Node
	handler     Handler
	ctx         context.Context
	concurrency int
	onPanic     func(Event, any, []byte)
	mostOctets  int64

	mu      sync.Mutex
	work    sync.Cond // there is a lane that is ready, or the end
	lanes   map[uuid.UUID]*lane
	ready   []*lane // those that wait for a worker, in order
	workers int
	idle    int   // of these
	octets  int64 // in all lanes
	over    bool
	ended   chan struct{} // closed when it is over and no worker is left
}

// lane is the events of one peer that wait, in order.
type lane struct {
	id       uuid.UUID
	events   []Event
	next     int   // the first of events that waits
	messages int   // among them
	octets   int64 // of these
	busy     bool  // a worker has it, or it is ready
	held     holding
	gone     bool // the last event says that there may be no more
}

// holding is what the engine was told of a lane.
type holding uint8

const (
	notHeld holding = iota
	heldSoftly
	heldFirmly
)

func (s *server) begin(mostOctets int64) {
	s.work.L, s.mostOctets, s.ended = &s.mu, mostOctets, make(chan struct{})
}

// dispatch puts an event into its lane.
func (s *server) dispatch(event Event) bool {
	s.node.engine.Serving(1)
	id := event.From().UUID
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[id]
	if l == nil {
		l = &lane{id: id}
		s.lanes[id] = l
	}
	l.events = append(l.events, event)
	l.gone = false
	switch event.(type) {
	case Enter:
		l.held = notHeld // it is another session
	case Exit, Problem, Leader:
		l.gone = true
	}
	if octets := octetsOf(event); octets > 0 {
		l.messages++
		l.octets += octets
		s.octets += octets
		s.hold(l)
	}
	if !l.busy {
		l.busy = true
		s.enqueue(l)
	}
	return true
}

// enqueue has a worker take a lane.
func (s *server) enqueue(l *lane) {
	s.ready = append(s.ready, l)
	switch {
	case s.idle >= len(s.ready): // one that was woken counts until it takes its lane
		s.work.Signal()
	case s.workers < s.concurrency:
		s.workers++
		go s.serve()
	}
}

// octetsOf returns what a message holds; 0 for other events.
func octetsOf(event Event) int64 {
	var frames [][]byte
	switch e := event.(type) {
	case Whisper:
		frames = e.Frames
	case Shout:
		frames = e.Frames
	case Request:
		frames = e.Frames
	default:
		return 0
	}
	octets := int64(eventCost)
	for _, frame := range frames {
		octets += frameCost + int64(len(frame))
	}
	return octets
}

// hold has a peer wait whose lane is long, or that has one while all lanes together hold too much.
func (s *server) hold(l *lane) {
	held := notHeld
	switch {
	case s.octets >= s.mostOctets:
		held = heldFirmly
	case l.messages >= laneMessages || l.octets >= laneOctets:
		held = heldSoftly
	}
	if held > l.held {
		l.held = held
		s.node.engine.Hold(l.id, held == heldFirmly)
	}
}

// release lets a peer go on.
func (s *server) release(l *lane) {
	few := l.messages <= laneMessages/2 && l.octets <= laneOctets/2 && s.octets < s.mostOctets
	if l.held != notHeld && (l.messages == 0 || few) {
		l.held = notHeld
		s.node.engine.Release(l.id)
	}
}

// serve is a worker: it handles the events of lanes that are ready.
func (s *server) serve() {
	var l *lane
	defer func() { s.retire(l) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.over {
		if len(s.ready) == 0 {
			s.idle++
			s.work.Wait()
			s.idle--
			continue
		}
		l = s.ready[0]
		s.ready[0] = nil
		s.ready = s.ready[1:]
		for burst := 0; !s.over && l.next < len(l.events) && (burst < laneBurst || len(s.ready) == 0); burst++ {
			s.handleNext(l)
		}
		s.leave(l)
		l = nil
	}
}

// leave has a worker done with a lane: another one takes it if there is more in it.
func (s *server) leave(l *lane) {
	l.busy = false
	switch {
	case s.over: // what is left goes back to the node
	case l.next < len(l.events):
		l.busy = true
		s.enqueue(l)
	case l.gone:
		delete(s.lanes, l.id)
	}
}

// handleNext handles the next event of a lane, without the lock.
func (s *server) handleNext(l *lane) {
	event := l.events[l.next]
	l.events[l.next] = nil
	if l.next++; l.next == len(l.events) {
		l.next, l.events = 0, l.events[:0]
		if cap(l.events) > 2*laneMessages {
			l.events = nil
		}
	}
	if octets := octetsOf(event); octets > 0 {
		l.messages--
		l.octets -= octets
		s.octets -= octets
		s.release(l)
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	defer s.node.engine.Handled()
	s.handle(event)
}

// retire ends a worker; l is the lane that it had when its handler ended the goroutine (runtime.Goexit), which another worker takes then.
func (s *server) retire(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers--
	if l != nil {
		s.leave(l)
	}
	if s.over && s.workers == 0 {
		close(s.ended)
	}
}

// end ends the workers, and waits for handlers that run. It tells how many still do then. What was not handled is the node's again.
func (s *server) end() (running int) {
	s.mu.Lock()
	s.over = true
	s.work.Broadcast()
	if s.workers == 0 {
		close(s.ended)
	}
	s.mu.Unlock()
	grace := time.NewTimer(handlerGrace)
	defer grace.Stop()
	select {
	case <-s.ended:
	case <-grace.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		left := l.events[l.next:]
		s.node.left = append(s.node.left, left...)
		s.node.engine.Serving(-len(left))
		l.events, l.next = nil, 0
		if l.held != notHeld {
			s.node.engine.Release(l.id)
		}
	}
	return s.workers
}
