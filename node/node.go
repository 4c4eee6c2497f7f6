package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/eventqueue"
	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/seek"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Node is a ZRE node. Its methods are safe for concurrent use.
type Node struct {
	cfg  Config
	log  zerolog.Logger
	zmtp zmtp.Config

	events    *eventqueue.Queue
	problems  problems
	refusals  refusals
	rounds    rounds
	queues    *zmtp.SendBudget // of all of them
	calls     chan func()      // run by the control loop
	sightings chan beacon.Sighting
	moves     chan struct{}   // holds a token when our interfaces have changed
	failures  chan struct{}   // holds a token when what our beacons fail in has changed
	done      chan struct{}   // closed when the node stops
	life      context.Context // ends then
	die       context.CancelFunc
	gone      chan struct{} // closed when all has ended; err is set before
	err       error         // the result of Close
	ending    ending
	wg        sync.WaitGroup

	// The control loop's own (until the node is started: who holds lifecycle.mu).
	chosen      beacon.State         // by SetState
	auto        eventqueue.AutoState // with Config.AutoState
	stateTurns  uint64               // so far
	telling     bool                 // a STATE message was sent a moment ago
	headerTurn  uint64               // counts the changes of our headers
	turned      bool                 // HEADERS was sent a moment ago
	groups      map[string]string    // joined by us, by name
	status      uint8                // counts our joins and leaves (RFC 36, "The HELLO Command")
	hellos      uint64               // sessions so far
	lifeWord    string               // a word for the life of this node: random, so that no other has it
	tick        time.Duration
	checked     time.Time         // when checkTimeouts last ran
	stirred     time.Time         // when something changed last: see stir
	former      remembered        // foreign peers whose last session ended without a farewell
	unreachable remembered        // peers that must be reached before they enter
	dropped     remembered        // peers that did not take their messages
	blocked     remembered        // peers that must show that they know our HELLO before they enter: see giveUpWay
	unverified  *paths.Unverified // bounds the sessions that beacons began
	departures  paths.Departures  // peers that have just left
	crowded     bool              // a newcomer was turned away since checkRoom looked last
	seeker      *seek.Seeker
	isChecking  bool                        // checkPeers will run soon
	addresses   paths.Index                 // where sessions lead, and may lead
	reserved    map[netip.AddrPort]*session // addresses that are being dialled
	unnamed     []*session                  // sessions whose peer's UUID is not known yet
	undecided   map[*inbox]bool             // those whose HELLO waits, as it is not known whose answer it is
	asking      *session                    // the one of unnamed that was asked
	finishing   bool                        // the application sends no more, what is queued is sent
	stopping    bool                        // no more sessions begin: who hears our farewell hangs up, and must not be called back

	contests  map[string]bool // those of groups where we contest
	elections map[string]*groupElection
	own       eventqueue.Stream // of events about this node itself

	shownEndpoints []string // our endpoints, as the application knows them

	troubles   map[uuid.UUID]*trouble // with peers, of late
	hindered   map[problemKey]bool    // problems of our beacons
	conflicted time.Time              // when another node with our UUID last showed itself; zero if that is over

	// mu guards the tables below for all who read them outside of the control loop, which alone writes them.
	mu       sync.RWMutex
	sessions map[uuid.UUID]*session  // every one
	present  map[uuid.UUID]*session  // those that entered
	recent   atomic.Pointer[session] // whom of present a message went to last; nil if there is none, or it is present no more
	members  map[string]*roster      // present peers by group; none is empty
	hosts    map[netip.Addr]int      // how many of present came from each address
	leaders  map[string]*Peer        // of the groups that have one; as it was when it was named

	ownGroups atomic.Pointer[map[string]string] // a copy of groups for the readers
	headers   atomic.Pointer[map[string]string] // ours; the control loop puts another one in, and no map changes
	discarded atomic.Uint64                     // WHISPER and SHOUT, with Config.Discard
	figures   figures
	state     atomic.Uint32 // our beacon.State; the control loop writes it
	clock     *paths.Clock  // the control loop advances it at each tick

	chooser  chooser
	requests requests
	panics   panics        // of handlers
	sharing  sharing       // the control loop's
	unwanted chan unwanted // with Config.Discard
	watchers watchers

	calling    chan struct{} // holds a token for each call by ipc under way, see maxCalls
	complained atomic.Bool   // of an ipc that failed

	lifecycle lifecycle
	agent     *beacon.Agent // nil until the node is started, when this and the rest is set
	gossip    *seek.Hub     // nil without gossip
	router    *zmtp.Router
	port      uint16        // of the mailbox, unless movedTo says another
	movedTo   atomic.Uint32 // the port that the mailbox has since its listener was gone
	refusing  sync.Map      // by what it is about, when accepting failed last
}

// New makes a node. It is silent and invisible until Start.
func New(cfg Config) (*Node, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg,
		log: cfg.Log.With().Str("node", cfg.Name).Logger(),
		zmtp: zmtp.Config{
			Identity:      identity(cfg.UUID),
			Properties:    map[string]string{extensionsProperty: cfg.extensions("tcp")},
			Limits:        cfg.Limits.zmtp(),
			ReceiveBudget: zmtp.NewReceiveBudget(cfg.Limits.PartialBytes),
			Log:           cfg.Log,
			Memory:        memory.NewPool(),

			HandshakeTimeout: handshakeTimeout,
			StallTimeout:     cfg.ExpiredTimeout,
		},
		figures:     newFigures(),
		events:      newEvents(&cfg),
		queues:      zmtp.NewSendBudget(cfg.Limits.TotalQueueBytes),
		calls:       make(chan func()),
		sightings:   make(chan beacon.Sighting, 256),
		moves:       make(chan struct{}, 1),
		failures:    make(chan struct{}, 1),
		calling:     make(chan struct{}, maxCalls),
		unwanted:    make(chan unwanted, maxUnwanted),
		done:        make(chan struct{}),
		gone:        make(chan struct{}),
		groups:      make(map[string]string),
		contests:    make(map[string]bool),
		elections:   make(map[string]*groupElection),
		leaders:     make(map[string]*Peer),
		former:      newRemembered(cfg.Limits.Peers, formerFor),
		unreachable: newRemembered(cfg.Limits.Peers, unreachableFor),
		dropped:     newRemembered(cfg.Limits.Peers, droppedFor),
		blocked:     newRemembered(cfg.Limits.Peers, unreachableFor),
		chosen:      beacon.Idle,
		auto:        eventqueue.NewAutoState(),
		reserved:    make(map[netip.AddrPort]*session),
		lifeWord:    strconv.FormatUint(rand.Uint64(), 36),
		undecided:   make(map[*inbox]bool),
		troubles:    make(map[uuid.UUID]*trouble),
		sessions:    make(map[uuid.UUID]*session),
		present:     make(map[uuid.UUID]*session),
		members:     make(map[string]*roster),
		hosts:       make(map[netip.Addr]int),
		tick:        min(max(cfg.EvasiveTimeout/4, 10*time.Millisecond), time.Second),
	}
	if err := n.secure(); err != nil {
		return nil, err
	}
	n.problems.log, n.problems.events = n.log, n.events
	n.clock = paths.NewClock(int(cfg.EvasiveTimeout/n.tick) + 1)
	pause := func(attempts int) time.Duration { return backoff(cfg.Network, attempts) }
	n.unverified = paths.NewUnverified(cfg.Limits.Unverified, cfg.Limits.UnverifiedPerAddress, pause, 2*maxBackoff)
	n.life, n.die = context.WithCancel(context.Background())
	n.ending = newEnding()
	n.seeker = n.newSeeker()
	n.ownGroups.Store(&map[string]string{})
	n.headers.Store(&cfg.Headers)
	for name, value := range cfg.Headers {
		if err := cfg.Limits.checkHeader(name, value); err != nil {
			return nil, fmt.Errorf("node: header %.40q: %w", name, err)
		}
	}
	if err := n.check(n.hello()); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	for _, group := range cfg.Contest {
		if err := n.Contest(group); err != nil {
			return nil, fmt.Errorf("node: %w", err)
		}
	}
	return n, nil
}

func newEvents(cfg *Config) *eventqueue.Queue {
	limits := eventqueue.Limits{Messages: cfg.Limits.Events, Octets: cfg.Limits.EventBytes}
	if cfg.Discard {
		return eventqueue.NewWithoutMessages(limits)
	}
	return eventqueue.New(limits)
}

// UUID returns the node's identity.
func (n *Node) UUID() uuid.UUID { return n.cfg.UUID }

// Name returns the node's public name.
func (n *Node) Name() string { return n.cfg.Name }

// PublicKey returns the node's public key; zero for a plain node.
func (n *Node) PublicKey() PublicKey { return n.publicKey() }

// control is the control loop. It waits for calls, sightings and its ticker, and ends when the node is closed.
func (n *Node) control() {
	ticker := time.NewTicker(n.tick)
	defer ticker.Stop()
	var samples <-chan time.Time
	if n.cfg.AutoState {
		sampler := time.NewTicker(eventqueue.SamplePause)
		defer sampler.Stop()
		samples = sampler.C
	}
	for {
		select {
		case call := <-n.calls:
			call()
		case s := <-n.sightings:
			n.sighted(s)
		case <-n.seeker.C:
			n.seeker.Run()
		case <-n.moves:
			n.relocate()
		case <-n.failures:
			n.checkBeacons()
		case now := <-ticker.C:
			n.checkTimeouts(now)
		case <-samples:
			n.observe()
		case <-n.done:
			for _, p := range n.sessions {
				p.close(ErrClosed)
			}
			return
		}
	}
}

// do runs a function in the control loop and returns when it has run.
func (n *Node) do(f func()) error {
	ran := make(chan struct{})
	select {
	case n.calls <- func() { f(); close(ran) }:
		<-ran
		return nil
	case <-n.done:
		return ErrClosed
	}
}

// post has the control loop run a function; it returns when the loop has taken it up.
func (n *Node) post(f func()) {
	select {
	case n.calls <- f:
	case <-n.done:
	}
}

// after posts a function in a while.
func (n *Node) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() { n.post(f) })
}

// allow says whether a connection may come in by a local address: with chosen interfaces, only by theirs.
func (n *Node) allow(local, _ net.Addr) bool {
	if len(n.cfg.Interfaces) == 0 || local.Network() == "unix" {
		return true
	}
	addr := paths.AddrOf(local)
	for _, i := range n.agent.Interfaces() {
		for _, prefix := range i.Addrs {
			if prefix.Addr() == addr {
				return true
			}
		}
	}
	return false
}
