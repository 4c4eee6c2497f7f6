package discovery

import (
	"container/heap"
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// Config is what a Seeker needs.
type Config struct {
	Sessions   Sessions
	Self       uuid.UUID       // of this node
	Candidates int             // the maximum number of candidates
	Context    context.Context // ends with the node

	Go   func(f func()) // runs f in a goroutine that the node's end waits for
	Post func(f func()) // makes the control loop run f; it may wait for the loop

	// Secure says that peers are dialled only if their public key is known.
	Secure bool

	// Probe asks the ROUTER at a place for its identity. It waits for the network, for a bounded time. named is false if the ROUTER has no
	// identity of a ZRE node.
	Probe func(ctx context.Context, at Place) (id uuid.UUID, named bool, err error)

	Resolver  Resolver
	DNSServer string // for SRV records; the system's if empty
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)

	IsOwn   func(at netip.AddrPort) bool     // whether an address is this node's; any goroutine may call it
	Pause   func(attempts int) time.Duration // the back-off after a number of failures, from 1
	Report  func(c *Candidate, err error)    // reports why no peer is met at a candidate; nil: one is, or it is no longer tried
	Removed func(c *Candidate)               // no source names the candidate

	// ReportDNS reports why the name of a source, of kind SRV or Configured, is not resolved, again for each try; nil: it is resolved, or
	// no longer looked up.
	ReportDNS func(src Source, err error)

	// ReportHub reports why there is no connection to the gossip hub at an endpoint; nil: there is one, or none is wanted any more.
	ReportHub func(endpoint string, err error)

	ConfiguredChanged func() // the addresses that the application names may have changed
	Log               zerolog.Logger
}

// Resolver looks up host names.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	// ownPause is the time between two checks of an address that is our own: another node may get it.
	ownPause = time.Minute

	// hearsayPause bounds the back-off if only the DNS or gossip names an address: they may name dead ones forever. The back-off is that of
	// Config.Pause up to hearsayAttempts failures.
	hearsayPause    = 25 * time.Second // beyond Config.Pause
	hearsayAttempts = 8

	// maxProbes bounds the concurrent attempts.
	maxProbes = 64

	// maxBatch bounds the candidates that the control loop looks at before it serves others.
	maxBatch = 256

	// AnswerTime is how long a peer may take to answer a HELLO before the next one is sent HELLO.
	AnswerTime = 3 * time.Second
)

// A Seeker looks for peers. Its methods are for the control loop only, unless they say otherwise.
type Seeker struct {
	// C fires when the control loop must call Run.
	C        <-chan time.Time
	timer    *time.Timer
	timerDue time.Time // when the timer is due; zero if it is not set

	cfg        Config
	sources    map[Source]*source
	candidates map[Place]*Candidate
	met        map[uuid.UUID][]*Candidate // by their peer
	round      uint64
	hosts      int                           // host names from gossip that are looked up
	watched    map[string]context.CancelFunc // names with SRV records; ends the look-ups
	stopped    bool

	// The candidates to try: those that the application names, and the others. They are taken in turn, so that dead addresses from the DNS
	// do not delay the application's own.
	queues [2]queue
	turn   int
	order  uint64
	probes int // attempts under way

	// Peers without identity are sent HELLO one at a time: two addresses may lead to the same peer, which would end each session because of
	// the HELLO of the other. Once the first has answered, the second is identified by its own answer.
	greeted []*Candidate // in stage greeting, the newest last
	waiting queue
	next    *Candidate // of waiting, while it is probed once more
}

// New makes a Seeker.
func New(cfg Config) *Seeker {
	s := &Seeker{
		cfg:        cfg,
		sources:    make(map[Source]*source),
		candidates: make(map[Place]*Candidate),
		met:        make(map[uuid.UUID][]*Candidate),
		watched:    make(map[string]context.CancelFunc),
		timer:      time.NewTimer(time.Hour),
	}
	s.timer.Stop()
	s.C = s.timer.C
	return s
}

// Stop makes the Seeker try nothing any more.
func (s *Seeker) Stop() {
	s.stopped = true
	s.timer.Stop()
}

// Run tries the candidates that are due. The control loop calls it when C fires.
func (s *Seeker) Run() {
	if s.stopped {
		return
	}
	s.timerDue = time.Time{}
	now := time.Now()
	for range maxBatch {
		c := s.take(now)
		if c == nil {
			break
		}
		s.try(c)
	}
	s.setTimer()
}

// take returns the candidate whose turn it is; nil if none is due, or too many attempts are under way.
func (s *Seeker) take(now time.Time) *Candidate {
	if s.probes >= maxProbes {
		return nil
	}
	if len(s.waiting) > 0 && !s.isHelloPending(now) {
		s.next = s.waiting.popFirst()
		return s.next
	}
	for range s.queues {
		s.turn = (s.turn + 1) % len(s.queues)
		if q := &s.queues[s.turn]; q.isDue(now) {
			return q.popFirst()
		}
	}
	return nil
}

// setTimer sets the timer for the next candidate.
func (s *Seeker) setTimer() {
	var next time.Time
	if s.probes < maxProbes { // else the end of an attempt calls Run
		for _, q := range s.queues {
			if len(q) > 0 && (next.IsZero() || q[0].due.Before(next)) {
				next = q[0].due
			}
		}
		if len(s.waiting) > 0 && s.next == nil {
			if end := s.helloDeadline(); next.IsZero() || end.Before(next) {
				next = end
			}
		}
	}
	switch {
	case next.Equal(s.timerDue):
		return
	case next.IsZero():
		s.timer.Stop()
	default:
		s.timer.Reset(time.Until(next))
	}
	s.timerDue = next
}

// isHelloPending tells whether a peer without identity has just been sent HELLO, or is about to be.
func (s *Seeker) isHelloPending(now time.Time) bool {
	return s.next != nil || now.Before(s.helloDeadline())
}

// helloDeadline returns when the peer that was last sent HELLO must have answered; a time in the past if all have.
func (s *Seeker) helloDeadline() time.Time {
	if len(s.greeted) == 0 {
		return time.Unix(0, 0)
	}
	return s.greeted[len(s.greeted)-1].greeted.Add(AnswerTime)
}

// Failures returns how many attempts at the address of a plain peer failed since the last success; 0 if no source names it.
func (s *Seeker) Failures(at netip.AddrPort) int {
	if c := s.candidates[Place{AddrPort: at}]; c != nil {
		return c.attempts
	}
	return 0
}

// Retry tries every candidate now: this node has moved, or slept.
func (s *Seeker) Retry() {
	for _, c := range s.candidates {
		c.attempts = 0
	}
	now := time.Now()
	for i := range s.queues {
		for _, c := range s.queues[i] {
			c.due = now
		}
		heap.Init(&s.queues[i])
	}
	s.Run()
}
