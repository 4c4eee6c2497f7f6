package zre

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/node"
)

// Node is a ZRE node: one participant of the network. All methods may be called from any goroutine.
type Node struct {
	engine *node.Node
	batch  []node.Event // events taken from the engine; owned by the taker
	next   int          // the first event of batch that is not yet received
	left   []Event      // events that Serve took and did not handle; they come before batch; owned by the taker

	observers []func(Event) // called with each event that is received

	taker  atomic.Int32 // which of the takers below owns batch and next
	once   sync.Once    // starts the goroutine that fills events
	events chan Event
	done   chan struct{} // closed by Close
	closed sync.Once
	ended  atomic.Bool // Close is returning: no event follows
	pump   sync.WaitGroup
	ctx    context.Context // ends with done
	cancel context.CancelFunc

	subscriptions subscriptions
}

// The takers of events. There is one at a time; after Events was called, the channel keeps them.
const (
	noTaker      = iota
	loopTaker    // over AllEvents
	channelTaker // of Events
)

// NewNode makes a node. It is invisible and sends nothing until Start. An option with a value that cannot be used is an error (ErrInvalidOption), whose
// text names the option.
func NewNode(options ...Option) (*Node, error) {
	var cfg config
	for _, option := range options {
		if err := option(&cfg); err != nil {
			return nil, &optionError{err}
		}
	}
	cfg.Public = node.Public{
		Peer:       func(p *node.Peer) any { return publicPeer(p) },
		PeerError:  func(e *node.PeerError) error { return (*PeerError)(e) },
		LostError:  func(e *node.LostError) error { return (*LostError)(e) },
		ReplyError: func(e *node.ReplyError) error { return &ReplyError{e.UUID, e.Name, e.Text, e} },
	}
	engine, err := node.New(cfg.Config)
	if err != nil {
		return nil, &optionError{err}
	}
	n := &Node{engine: engine, observers: cfg.observers, events: make(chan Event, 64), done: make(chan struct{})}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n, nil
}

// Start opens the ports of the node; from then on it looks for peers, and peers see it. Start does not wait for peers. The context limits the start
// alone, not the life of the node.
//
// Start fails if the node cannot listen (ErrListen) or if ctx ends; then it may be called again. After a start that worked it returns ErrStarted, after
// Close ErrClosed. What may get better with time, such as a DNS server, a gossip hub or a peer that cannot be reached, is a Problem and not an
// error.
//
// Other calls do not wait for Start: those that are possible before it, such as Join and SetState, are part of what the node starts with. Close
// ends a Start that is still running.
func (n *Node) Start(ctx context.Context) error { return n.engine.Start(ctx) }

// Close ends the node as Shutdown does. What is queued may be sent for up to the linger time (WithLinger, 5 s by default).
func (n *Node) Close() error { return n.end(n.engine.Close) }

// Shutdown sends what is queued, says goodbye to all peers, and ends the node. All other calls that return an error return ErrClosed from now on.
//
// Shutdown first waits until the messages that Whisper and Shout accepted are handed to the operating system, also those to peers that are not yet
// connected. It stops waiting for a peer that exits, and for all when ctx ends. Without an end of ctx, a peer that hangs can keep it
// waiting for as long as the peer's beacons are seen. Then the node ends. The channel of Events is closed; it and AllEvents give no more events, and
// those that were not received are dropped.
//
// If messages were not sent, the error joins a *LostError for each peer; get them with Losses or errors.As. A peer of this implementation that lost
// messages sees this node exit with ReasonLostMessages instead of ReasonLeft. What was handed to the operating system can still be lost
// if the peer or the network fails; Flush tells what a peer has read.
//
// Shutdown and Close may be called more than once and from anywhere, also from the loop over the events. Of several calls the first context or
// linger time to end counts, and all return the same error.
func (n *Node) Shutdown(ctx context.Context) error {
	return n.end(func() error { return n.engine.Shutdown(ctx) })
}

// end ends the node.
func (n *Node) end(engine func() error) error {
	n.closed.Do(func() { close(n.done); n.cancel() })
	err := engine()
	n.once.Do(func() { close(n.events) })
	n.pump.Wait()
	n.subscriptions.wait()
	for range n.events { // drop what the channel still holds
	}
	n.ended.Store(true)
	return err
}

// AddPeers adds endpoints of peers, as WithPeers does. If one of them is not an endpoint, the error is ErrInvalidEndpoint and none is added. If no peer answers
// there it is a Problem (ProblemUnreachable), and if a host name cannot be resolved, too (ProblemDNS). Endpoints that were added before stay as they
// are. AddPeers and the next five methods may be called before Start and at any time later, and do not wait for the network.
func (n *Node) AddPeers(endpoints ...string) error { return n.engine.AddPeers(endpoints...) }

// RemovePeers stops looking for peers at endpoints that WithPeers or AddPeers added, in the same spelling. Peers that have entered stay until they leave or
// are lost. An endpoint that was not added is ignored.
func (n *Node) RemovePeers(endpoints ...string) error { return n.engine.RemovePeers(endpoints...) }

// AddSRV adds domains whose SRV records name peers, as WithSRV does. If one of them is not a domain, the error is ErrInvalidDomain and none is added. If one
// cannot be resolved it is a Problem (ProblemDNS).
func (n *Node) AddSRV(domains ...string) error { return n.engine.AddSRV(domains...) }

// RemoveSRV stops looking up domains that WithSRV or AddSRV added. Peers that have entered stay until they leave or are lost.
func (n *Node) RemoveSRV(domains ...string) error { return n.engine.RemoveSRV(domains...) }

// ConnectGossip connects to gossip hubs, as WithGossipConnect does. If one of them is not an endpoint, the error is ErrInvalidEndpoint and none is added. A hub
// that cannot be reached is a Problem (ProblemGossip).
func (n *Node) ConnectGossip(endpoints ...string) error { return n.engine.ConnectGossip(endpoints...) }

// DisconnectGossip disconnects from gossip hubs that WithGossipConnect or ConnectGossip added, in the same spelling. Hubs of this implementation forget the
// node within seconds. Peers that have entered stay until they leave or are lost.
func (n *Node) DisconnectGossip(endpoints ...string) error {
	return n.engine.DisconnectGossip(endpoints...)
}

// ForgetGossip removes peers from what this node learned by gossip, and from what its hub publishes: within one or two seconds no node dials them any more. Hubs of
// this implementation forget a node that leaves or dies by themselves. Those of czmq keep it for ever, and publish it again when this node connects
// to them anew. A node that still runs is back within 10 s. A peer that entered stays until it leaves or is lost.
func (n *Node) ForgetGossip(peers ...uuid.UUID) error { return n.engine.ForgetGossip(peers...) }

// UUID returns the UUID of the node.
func (n *Node) UUID() uuid.UUID { return n.engine.UUID() }

// Name returns the name of the node (WithName).
func (n *Node) Name() string { return n.engine.Name() }

// PublicKey returns the public key of the node's certificate; zero if it has none.
func (n *Node) PublicKey() PublicKey { return PublicKey(n.engine.PublicKey()) }

// Endpoints returns where peers reach this node, as "tcp://address:port", the best first: the endpoint of WithAdvertise if there is one, then the addresses of
// all network interfaces that the node uses. Beacons announce each address on its own network; gossip announces the first endpoint. There is none before
// Start, and at least one later. An EndpointChange says that they have changed.
func (n *Node) Endpoints() []string { return n.engine.Endpoints() }

// SetHeader sets a header of this node: a property that peers see in Peer.Headers. It may be called before Start and at any time later, and does not wait
// for the network.
//
// Peers of this implementation see a change at once, as a HeaderChange. Of changes within 20 ms they see the last. OTHER PEERS SEE IT LATER: RFC 36 has
// headers in the HELLO alone, so other implementations (and older versions of this one) see the change with the next HELLO, that is, after their
// connection broke or this node restarted. Use headers for what changes now and then, such as a role or a version, and messages for everything
// else.
//
// Errors: ErrInvalidHeader if the name is empty or longer than 255 bytes, if the value is longer than 128 KiB, if one of them is not UTF-8 or has a
// NUL, or if the node sets this header itself (X-PUBLICKEY); ErrTooManyHeaders (Limits.Headers); ErrHelloTooLarge (Limits.HelloSize); ErrClosed.
func (n *Node) SetHeader(name, value string) error { return n.engine.SetHeader(name, value) }

// RemoveHeader removes a header. Peers see it as they see SetHeader. It does nothing if the node does not have that header. Errors: ErrInvalidHeader,
// ErrClosed.
func (n *Node) RemoveHeader(name string) error { return n.engine.RemoveHeader(name) }

// Headers returns a copy of the headers of this node.
func (n *Node) Headers() map[string]string { return n.engine.Headers() }

// Join joins a group and tells all peers. A group name has 1 to 255 bytes of UTF-8 without NUL; upper and lower case differ. Joining twice does nothing.
// Join may be called before Start and does not wait for the network. Errors: ErrInvalidGroup, ErrTooManyGroups, ErrHelloTooLarge, ErrClosed.
func (n *Node) Join(group string) error { return n.engine.Join(group) }

// Leave leaves a group and tells all peers. It does nothing if the node is not in the group. Errors: ErrInvalidGroup, ErrClosed.
func (n *Node) Leave(group string) error { return n.engine.Leave(group) }

// SetState says what the node is doing. Peers of this implementation see it at once, as a StateChange; of changes within 20 ms they see the last. It may be
// called before Start and does not wait for the network. StateExit and StateUnknown cannot be set (ErrInvalidState).
func (n *Node) SetState(state State) error { return n.engine.SetState(beacon.State(state)) }

// State returns what the node is doing: StateInit until Start, then StateIdle unless SetState or WithAutoState changed it, and StateExit after Close.
func (n *Node) State() State { return State(n.engine.State()) }

// Whisper sends a message of one or more frames to one peer. It returns when the message is queued, and waits only while the queue of the peer is full,
// until ctx or the send timeout ends. The caller may reuse the frames after it returns.
//
// While it waits, the events need not be read: what arrives is kept, up to Limits.EventBytes. If there is no more room and the peer waits for this
// node in the same way, the error is ErrUnreadEvents. A peer that was dropped before and has not taken what was queued for it since is not waited
// for: the error is ErrPeerBusy at once.
//
// A message without frames is sent as one empty frame, because zyre and pyre cannot receive a message without frames. zyre.js shows only the first
// frame to its application.
//
// Errors: ErrUnknownPeer, ErrPeerBusy and ErrUnreadEvents, each within a *PeerError; ErrTooLarge, ErrNotStarted, ErrClosed, or the context's.
func (n *Node) Whisper(ctx context.Context, peer uuid.UUID, frames ...[]byte) error {
	return n.engine.Whisper(ctx, peer, frames...)
}

// WhisperNoCopy is Whisper for frames that the caller gives to the node. Frames of 16 KiB and more are not copied: a peer of the same process gets the same
// memory, and to others they are written from it. Afterwards the memory is reused if it came from NewFrame or was received by a node.
//
// The caller must not use the frames, or anything else within their capacity, after the call, whatever it returns. To prevent mistakes, the frames are
// set to nil in the list that was passed. Frames that cannot be given are copied: one that is in the list twice, one that was given or recycled
// before, and a part of a frame that does not start at its beginning.
func (n *Node) WhisperNoCopy(ctx context.Context, peer uuid.UUID, frames ...[]byte) error {
	return n.engine.WhisperNoCopy(ctx, peer, frames...)
}

// Shout sends a message of one or more frames to all peers in a group. This node need not be in the group, and does not receive the message itself. A
// group without other members is not an error.
//
// Shout returns when the message is queued for all members. It waits only for members whose queue is full, for all of them at the same time. If
// some cannot be sent to, the others still are, and the error joins a *PeerError for each that was left out. With ShoutSkipsBusy
// (WithShoutPolicy) it leaves out members whose queue is full and does not wait. As with Whisper, events need not be read meanwhile, and members that were
// dropped before are not waited for.
//
// Errors: ErrPeerBusy and ErrUnreadEvents, each within a *PeerError; ErrInvalidGroup, ErrTooLarge, ErrNotStarted, ErrClosed, or the context's.
func (n *Node) Shout(ctx context.Context, group string, frames ...[]byte) error {
	return n.engine.Shout(ctx, group, frames...)
}

// ShoutTo is Shout to some members of a group alone, such as those that an earlier Shout left out because they were busy. Peers that are not in the
// group get nothing, and are no error.
func (n *Node) ShoutTo(ctx context.Context, group string, peers []uuid.UUID, frames ...[]byte) error {
	return n.engine.ShoutTo(ctx, group, peers, frames...)
}

// ShoutNoCopy is Shout for frames that the caller gives to the node, as with WhisperNoCopy. If the group has several members, those of the same process get
// copies.
func (n *Node) ShoutNoCopy(ctx context.Context, group string, frames ...[]byte) error {
	return n.engine.ShoutNoCopy(ctx, group, frames...)
}

// Ping sends a PING to a peer and returns how long the answer took. All implementations answer. It waits for the answer, or until ctx ends. If
// several calls run at once, each sends a PING of its own.
//
// PING and its answer overtake the messages in the queues of both nodes, but not what the operating systems hold, which is some hundred KiB on
// one host. A peer whose application reads no events answers late: once its queue of events is full, it reads nothing, and so no PING.
//
// Errors: ErrUnknownPeer, also if the peer exits meanwhile, and ErrPeerBusy if 100 PINGs to it are unanswered or its queue has no room at all, each
// within a *PeerError; ErrNotStarted, ErrClosed, or the context's.
func (n *Node) Ping(ctx context.Context, peer uuid.UUID) (time.Duration, error) {
	return n.engine.Ping(ctx, peer)
}

// Flush waits until a peer has read all messages that Whisper and Shout accepted for it before the call, or until ctx ends. Read means that the peer's
// node has them; its application may not have taken them yet. Flush sends a PING behind the messages and waits for the answer, which all
// implementations send in order. A Shutdown that has begun lets it finish.
//
// Errors: those of Ping.
func (n *Node) Flush(ctx context.Context, peer uuid.UUID) error {
	return n.engine.Flush(ctx, peer)
}

// Events returns the channel of events. It is always the same channel, and Close closes it. From the first call on, all events go to the channel: use either
// Events or AllEvents. Events panics while a loop over AllEvents runs.
func (n *Node) Events() <-chan Event {
	if !n.taker.CompareAndSwap(noTaker, channelTaker) && n.taker.Load() != channelTaker && !n.ended.Load() {
		panic("zre: Node.Events was called while a loop over Node.AllEvents takes the events; use one of the two, or end the loop first")
	}
	n.once.Do(func() {
		n.pump.Go(func() {
			defer close(n.events)
			n.take(n.done, func(event Event) bool {
				select {
				case n.events <- event:
					return true
				case <-n.done:
					return false
				}
			})
		})
	})
	return n.events
}

// AllEvents returns the events as a sequence that ends when ctx or the node does. It costs less than the channel of Events. A loop may end, and the next one
// goes on where it stopped. Only one loop may run at a time: a second one panics, and so does a loop after Events was called. A loop over the
// events of a closed node ends at once.
func (n *Node) AllEvents(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		if n.ended.Load() {
			return
		}
		n.beginLoop("a loop over Node.AllEvents began")
		defer n.endLoop()
		n.take(ctx.Done(), yield)
	}
}

// beginLoop makes a loop the taker of events. It panics if there is another taker.
func (n *Node) beginLoop(what string) {
	switch {
	case n.taker.CompareAndSwap(noTaker, loopTaker):
	case n.taker.Load() == channelTaker:
		panic("zre: " + what + " after Node.Events was called, whose channel takes the events; use one of the two")
	default:
		panic("zre: " + what + " while another loop takes the events; run one at a time, and hand events on from it, or use Node.Subscribe")
	}
}

func (n *Node) endLoop() { n.taker.Store(noTaker) }

// take waits for events and yields them, until yield returns false, or the node or stop is closed.
func (n *Node) take(stop <-chan struct{}, yield func(Event) bool) {
	for {
		for n.next < len(n.batch) || len(n.left) > 0 {
			select {
			case <-stop:
				return
			default:
			}
			if n.ended.Load() { // closed in the body of the loop, or elsewhere
				n.batch, n.next, n.left = nil, 0, nil
				return
			}
			if !yield(n.nextEvent()) {
				return
			}
		}
		batch, ok := n.engine.Take(n.batch[:0], stop) // batch is already cleared
		if n.batch, n.next = batch, 0; !ok {
			return
		}
	}
}

// nextEvent returns the next event of the batch.
func (n *Node) nextEvent() Event {
	if len(n.left) > 0 {
		event := n.left[0]
		n.left[0] = nil
		n.left = n.left[1:]
		return event
	}
	event := n.eventOf(&n.batch[n.next])
	n.batch[n.next] = node.Event{} // do not keep delivered events reachable
	n.next++
	n.engine.NoteRead()
	for _, observe := range n.observers {
		observe(event)
	}
	if n.subscriptions.list.Load() != nil {
		n.subscriptions.publish(event)
	}
	return event
}

// Peers returns the peers that are present, sorted by name.
func (n *Node) Peers() []*Peer { return peersOf(n.engine.Peers()) }

// PeersIn returns the peers that are in a group, sorted by name.
func (n *Node) PeersIn(group string) []*Peer { return peersOf(n.engine.PeersIn(group)) }

// Peer returns what is known of a peer. ok is false if it is not present.
func (n *Node) Peer(id uuid.UUID) (peer *Peer, ok bool) {
	p, ok := n.engine.Peer(id)
	return peerOf(p), ok
}

// Problems returns the problems that are not solved, sorted by Kind and About.
func (n *Node) Problems() []Problem {
	list := n.engine.Problems()
	problems := make([]Problem, len(list))
	for i := range list {
		problems[i] = problemOf(&list[i])
	}
	return problems
}

// Contest makes this node a contestant for the leadership of a group. The contestant with the lowest UUID leads; all members of this implementation name
// it, by the event Leader and the method Leader. Contest joins the group if the node is not in it; leaving the group ends the contest. A second
// call does nothing. It may be called before Start and does not wait for the network. Errors: those of Join.
func (n *Node) Contest(group string) error { return n.engine.Contest(group) }

// Leader returns the member that leads a group which this node is in. It may be this node: then Peer.UUID is UUID(), and Transport is empty. ok is false if no
// member contests, as far as is known. A node names another leader at once, and itself one second after it became the lowest contestant that it
// knows. Members of this implementation agree within 3 seconds after the last change that they can know of.
func (n *Node) Leader(group string) (leader *Peer, ok bool) {
	p, ok := n.engine.Leader(group)
	return peerOf(p), ok
}

// Groups returns the groups that this node is in, sorted.
func (n *Node) Groups() []string { return n.engine.Groups() }

// PeerGroups returns the groups that the peers present are in, sorted.
func (n *Node) PeerGroups() []string { return n.engine.PeerGroups() }
