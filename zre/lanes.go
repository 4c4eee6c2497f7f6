package zre

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Limits on the messages that may wait for a peer's handler before the peer is held, and on how many are handled in a row while other peers
// wait.
const (
	laneMessages = 64
	laneOctets   = 1 << 20
	laneBurst    = 64
)

// frameCost and eventCost are the approximate overhead of a frame and an event in bytes.
const frameCost, eventCost = 24, 200

// server is one call of Serve. It sorts events into lanes, one for each peer. Workers handle the events, one at a time for each lane.
type server struct {
	node        *Node
	handler     Handler
	ctx         context.Context
	concurrency int
	onPanic     func(Event, any, []byte)
	mostOctets  int64

	mu      sync.Mutex
	work    sync.Cond // signals a ready lane, or the end
	lanes   map[uuid.UUID]*lane
	ready   []*lane // waiting for a worker, in order
	workers int
	idle    int   // of the workers
	octets  int64 // in all lanes
	over    bool
	ended   chan struct{} // closed when it is over and no worker is left
}

// lane holds the waiting events of one peer, in order.
type lane struct {
	id       uuid.UUID
	events   []Event
	next     int   // index of the first waiting event
	messages int   // among the waiting events
	octets   int64 // of these messages
	busy     bool  // a worker has it, or it is ready
	held     holding
	gone     bool // after the last event there may be no more
}

// holding is the state of a lane as the engine last heard it.
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
		l.held = notHeld // the peer has a new session
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

// enqueue makes a lane ready for a worker.
func (s *server) enqueue(l *lane) {
	s.ready = append(s.ready, l)
	switch {
	case s.idle >= len(s.ready): // a woken worker counts as idle until it takes its lane
		s.work.Signal()
	case s.workers < s.concurrency:
		s.workers++
		go s.serve()
	}
}

// octetsOf returns the memory of a message, or 0 for other events.
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

// hold stops a peer whose lane is long, and any peer with a lane while all lanes together hold too much.
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

// release lets a held peer continue.
func (s *server) release(l *lane) {
	few := l.messages <= laneMessages/2 && l.octets <= laneOctets/2 && s.octets < s.mostOctets
	if l.held != notHeld && (l.messages == 0 || few) {
		l.held = notHeld
		s.node.engine.Release(l.id)
	}
}

// serve is a worker: it handles the events of ready lanes.
func (s *server) serve() {
	var l *lane
	defer func() { s.retire(l) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.isOver() {
		if len(s.ready) == 0 {
			s.idle++
			s.work.Wait()
			s.idle--
			continue
		}
		l = s.ready[0]
		s.ready[0] = nil
		s.ready = s.ready[1:]
		for burst := 0; !s.isOver() && l.next < len(l.events) && (burst < laneBurst || len(s.ready) == 0); burst++ {
			s.handleNext(l)
		}
		s.leave(l)
		l = nil
	}
}

// isOver reports that no more handlers may start: Serve ends, or the node was closed, perhaps by the last handler, and Serve has not noticed yet.
func (s *server) isOver() bool { return s.over || s.node.ended.Load() }

// leave ends a worker's turn on a lane. If the lane has more events, it becomes ready again.
func (s *server) leave(l *lane) {
	l.busy = false
	switch {
	case s.isOver(): // the rest goes back to the node
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

// retire ends a worker. l is its lane if its handler ended the goroutine (runtime.Goexit); another worker then takes that lane.
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

// end ends the workers and waits for running handlers. It returns how many still run after that. Unhandled events go back to the node.
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
