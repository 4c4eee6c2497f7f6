package node

import (
	"context"
	"errors"
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
	"github.com/go-zre/go-zre/internal/discovery"
	"github.com/go-zre/go-zre/internal/eventqueue"
	"github.com/go-zre/go-zre/internal/memory"
	"github.com/go-zre/go-zre/internal/paths"
	"github.com/go-zre/go-zre/internal/zmtp"
)

// Node is a ZRE node. Its methods are safe for concurrent use.
type Node struct {
	cfg  Config
	log  zerolog.Logger
	zmtp zmtp.Config

	events         *eventqueue.Queue
	problems       problems
	refusals       refusals
	rounds         rounds
	queues         *zmtp.SendBudget // of all sessions
	calls          chan func()      // run by the control loop
	sightings      chan beacon.Sighting
	networkChanges chan struct{}   // holds a token when our interfaces have changed
	failures       chan struct{}   // holds a token when the failures of our beacons have changed
	done           chan struct{}   // closed when the node stops
	life           context.Context // ends when the node stops
	endLife        context.CancelFunc
	ended          chan struct{} // closed when everything has ended; err is set before
	err            error         // the result of Close
	ending         ending
	wg             sync.WaitGroup

	// Owned by the control loop (before the node is started: by the holder of lifecycle.mu).
	chosenState      beacon.State         // set by SetState
	auto             eventqueue.AutoState // with Config.AutoState
	stateChanges     uint64               // counts the changes of our state
	stateJustSent    bool                 // a STATE message was sent less than updateGap ago
	headersVersion   uint64               // counts the changes of our headers
	headersJustSent  bool                 // HEADERS was sent less than updateGap ago
	groups           map[string]string    // joined by us, keyed by name
	status           uint8                // counts our joins and leaves (RFC 36, "The HELLO Command")
	hellos           uint64               // sessions so far
	runWord          string               // a random word for this run of the node
	tick             time.Duration
	checked          time.Time         // when checkTimeouts last ran
	lastChange       time.Time         // when something last changed: see noteChange
	former           remembered        // foreign peers whose last session ended without a farewell
	unreachable      remembered        // peers that must be reached before they enter
	dropped          remembered        // peers that did not read their messages
	undelivered      remembered        // peers that must show that they know our HELLO before they enter: see giveUpDelivery
	unverified       *paths.Unverified // bounds the sessions that beacons began
	departures       paths.Departures  // peers that have just left
	hasTurnedAway    bool              // a new peer was turned away since checkPeerLimit last looked
	seeker           *discovery.Seeker
	isCheckScheduled bool                        // checkContradictions will run soon
	addresses        paths.Index                 // where sessions lead, and may lead
	reserved         map[netip.AddrPort]*session // addresses that are being dialled
	unnamed          []*session                  // sessions whose peer's UUID is not known yet
	undecided        map[*inbox]bool             // inboxes whose HELLO waits, because it is unknown which HELLO of ours it answers
	asking           *session                    // the session in unnamed that was asked
	finishing        bool                        // the application sends no more; queued messages are being sent
	stopping         bool                        // no more sessions begin: a peer that hears our farewell hangs up, and must not be called back

	contests  map[string]bool // the groups that we contest
	elections map[string]*groupElection
	ownStream eventqueue.Stream // of events about this node itself

	shownEndpoints []string // our endpoints, as last reported to the application

	troubles       map[uuid.UUID]*trouble // recent problems with peers
	beaconProblems map[problemKey]bool    // problems of our beacons
	conflictAt     time.Time              // when another node with our UUID was last seen; zero if that is over

	// mu guards the tables below for readers outside of the control loop. Only the control loop writes them.
	mu            sync.RWMutex
	sessions      map[uuid.UUID]*session  // all sessions
	present       map[uuid.UUID]*session  // sessions whose peer has entered
	lastAddressee atomic.Pointer[session] // the present peer that a message last went to; nil if there is none or it has left
	members       map[string]*roster      // present peers by group; none is empty
	hosts         map[netip.Addr]int      // the number of present peers from each address
	leaders       map[string]*Peer        // of the groups that have one; a snapshot from when it was elected

	ownGroups atomic.Pointer[map[string]string] // a copy of groups for the readers
	headers   atomic.Pointer[map[string]string] // ours; the control loop replaces the map and never changes it
	discarded atomic.Uint64                     // WHISPER and SHOUT, with Config.Discard
	figures   figures
	state     atomic.Uint32 // our beacon.State; written by the control loop
	clock     *paths.Clock  // the control loop advances it at each tick

	chooser  chooser
	requests requests
	panics   panics               // of handlers
	sharing  sharing              // owned by the control loop
	unwanted chan unwantedRequest // with Config.Discard
	watchers watchers

	ipcCalls  chan struct{} // holds a token for each ipc call in progress, see maxCalls
	ipcWarned atomic.Bool   // about a failed ipc

	lifecycle      lifecycle
	agent          *beacon.Agent  // nil until the node is started; then this and the fields below are set
	gossip         *discovery.Hub // nil without gossip
	router         *zmtp.Router
	port           uint16        // of the mailbox, unless movedTo is set
	movedTo        atomic.Uint32 // the mailbox's port after its listener was gone and it moved
	acceptFailures sync.Map      // when accepting last failed, keyed by the endpoint
}

// New makes a node. It is silent and invisible until Start.
func New(cfg Config) (*Node, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	n := newNode(cfg)
	if err := n.useCurve(); err != nil {
		return nil, err
	}
	n.makeParts()
	if err := n.useHeaders(cfg.Headers); err != nil {
		return nil, err
	}
	for _, group := range cfg.Contest {
		if err := n.Contest(group); err != nil {
			return nil, fmt.Errorf("node: WithContest: %w", err)
		}
	}
	return n, nil
}

// newNode makes a node with empty tables. The configuration must be complete.
func newNode(cfg Config) *Node {
	return &Node{
		cfg:            cfg,
		log:            cfg.Log.With().Str("node", cfg.Name).Logger(),
		zmtp:           newZMTPConfig(&cfg),
		figures:        newFigures(),
		events:         newEvents(&cfg),
		queues:         zmtp.NewSendBudget(cfg.Limits.TotalQueueBytes),
		calls:          make(chan func()),
		sightings:      make(chan beacon.Sighting, 256),
		networkChanges: make(chan struct{}, 1),
		failures:       make(chan struct{}, 1),
		ipcCalls:       make(chan struct{}, maxCalls),
		unwanted:       make(chan unwantedRequest, maxUnwanted),
		done:           make(chan struct{}),
		ended:          make(chan struct{}),
		groups:         make(map[string]string),
		contests:       make(map[string]bool),
		elections:      make(map[string]*groupElection),
		leaders:        make(map[string]*Peer),
		former:         newRemembered(cfg.Limits.Peers, formerFor),
		unreachable:    newRemembered(cfg.Limits.Peers, unreachableFor),
		dropped:        newRemembered(cfg.Limits.Peers, droppedFor),
		undelivered:    newRemembered(cfg.Limits.Peers, unreachableFor),
		chosenState:    beacon.Idle,
		auto:           eventqueue.NewAutoState(),
		reserved:       make(map[netip.AddrPort]*session),
		runWord:        strconv.FormatUint(rand.Uint64(), 36),
		undecided:      make(map[*inbox]bool),
		troubles:       make(map[uuid.UUID]*trouble),
		sessions:       make(map[uuid.UUID]*session),
		present:        make(map[uuid.UUID]*session),
		members:        make(map[string]*roster),
		hosts:          make(map[netip.Addr]int),
		tick:           min(max(cfg.EvasiveTimeout/4, 10*time.Millisecond), time.Second),
	}
}

// newZMTPConfig returns what all connections of a node have in common.
func newZMTPConfig(cfg *Config) zmtp.Config {
	return zmtp.Config{
		Identity:      identity(cfg.UUID),
		Properties:    map[string]string{extensionsProperty: cfg.extensions("tcp")},
		Limits:        cfg.Limits.zmtp(),
		ReceiveBudget: zmtp.NewReceiveBudget(cfg.Limits.PartialBytes),
		Log:           cfg.Log,
		Memory:        memory.NewPool(),

		HandshakeTimeout: handshakeTimeout,
		StallTimeout:     cfg.ExpiredTimeout,
	}
}

// makeParts makes the parts of a new node that need the node itself.
func (n *Node) makeParts() {
	limits := &n.cfg.Limits
	n.problems.log, n.problems.events = n.log, n.events
	n.clock = paths.NewClock(int(n.cfg.EvasiveTimeout/n.tick) + 1)
	pause := func(attempts int) time.Duration { return backoff(n.cfg.Network, attempts) }
	n.unverified = paths.NewUnverified(limits.Unverified, limits.UnverifiedPerAddress, pause, 2*maxBackoff)
	n.life, n.endLife = context.WithCancel(context.Background())
	n.ending = newEnding()
	n.seeker = n.newSeeker()
	n.ownGroups.Store(&map[string]string{})
}

// useHeaders takes the configured headers, and checks that a HELLO with them can be sent.
func (n *Node) useHeaders(headers map[string]string) error {
	n.headers.Store(&headers)
	for name, value := range headers {
		if err := n.cfg.Limits.checkHeader(name, value); err != nil {
			return fmt.Errorf("node: WithHeader: header %.40q: %w", name, err)
		}
	}
	switch err := n.checkHello(n.hello()); {
	case errors.Is(err, ErrInvalidName):
		return fmt.Errorf("node: WithName: %w", err)
	case err != nil:
		return fmt.Errorf("node: WithHeader: %w", err) // the name alone is not too long
	}
	return nil
}

func newEvents(cfg *Config) *eventqueue.Queue {
	limits := eventqueue.Limits{Messages: cfg.Limits.Events, Bytes: cfg.Limits.EventBytes}
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

// control is the control loop. It runs calls, sightings and timers, and ends when the node is closed.
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
			n.handleSighting(s)
		case <-n.seeker.C:
			n.seeker.Run()
		case <-n.networkChanges:
			n.handleNetworkChange()
		case <-n.failures:
			n.checkBeacons()
		case now := <-ticker.C:
			n.checkTimeouts(now)
		case <-samples:
			n.sampleState()
		case <-n.done:
			for _, p := range n.sessions {
				p.close(ErrClosed)
			}
			return
		}
	}
}

// do runs a function in the control loop and returns after it has run.
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

// post makes the control loop run a function; it returns when the loop has received it.
func (n *Node) post(f func()) {
	select {
	case n.calls <- f:
	case <-n.done:
	}
}

// after posts a function after a delay.
func (n *Node) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() { n.post(f) })
}

// allow reports whether a connection may come in at a local address. If interfaces are chosen, only their addresses are allowed.
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
