package zre

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/node"
)

// Node is a ZRE node: one participant of the network. All its methods may be called at any time, from any goroutine.
type Node struct {
	engine *node.Node
	batch  []node.Event // taken; whoever takes owns it
	next   int          // the first of it that is not yet received
	left   []Event      // that Serve took and did not handle: they come before those; the taker's too

	taker  atomic.Int32 // which of the takers below has batch and next
	once   sync.Once    // starts the goroutine that fills events
	events chan Event
	done   chan struct{} // closed by Close
	closed sync.Once
	ended  atomic.Bool // Close returns: no event follows
	pump   sync.WaitGroup
	life   context.Context // ends with done
	die    context.CancelFunc

	subscriptions subscriptions
}

// What takes events from the engine. One at a time may; the channel keeps them once Events was called.
const (
	noTaker = iota
	loop    // over All
	channel // of Events
)

// NewNode makes a node. It is silent and invisible until Start. An option with a value that cannot be used is an error that
// names it.
func NewNode(options ...Option) (*Node, error) {
	var cfg config
	for _, option := range options {
		if err := option(&cfg); err != nil {
			return nil, err
		}
	}
	engine, err := node.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	n := &Node{engine: engine, events: make(chan Event, 64), done: make(chan struct{})}
	n.life, n.die = context.WithCancel(context.Background())
	return n, nil
}

// Start opens the node's mailbox and begins to look for peers and to be seen by them. It does not wait for peers: they come as
// events. The context bounds the start alone, not the node's life.
//
// It fails if an address or port cannot be listened on, or if ctx ends; then it may be called again. What may still come, such as a DNS record, a
// server or a peer, is a Problem and not an error. A second call
// returns ErrStarted, one after Close ErrClosed. Other calls do not wait for Start: Join and SetState, before it and beside it, are part of
// what the node starts with, and Close ends it: then it returns ErrClosed.
func (n *Node) Start(ctx context.Context) error { return n.engine.Start(ctx) }

// Close is Shutdown that gives what is queued the linger time (WithLinger, 5 s by default) to be sent.
func (n *Node) Close() error { return n.end(n.engine.Close) }

// Shutdown sends what is queued, says farewell to the network and ends the node. From now on every other call that returns an error returns
// ErrClosed. Shutdown waits until all messages that Whisper and Shout accepted are handed to the operating system, also those to peers
// that are not connected yet, or their peer is gone, or ctx ends: without an end of ctx a peer that hangs may keep it for as long as that
// is seen by its beacons. Then the node says farewell; the channel of Events is closed, and neither it nor All gives an event any more: those not
// yet received are dropped.
//
// If messages were not fully written the error joins a *LostError for each peer that they were for; get them with Losses, or one with
// errors.As. A peer of this implementation that lost some sees this node exit with the reason LostMessages, and not Left. What was written may still
// be lost if the peer or the network fails: Flush tells what a peer has read.
//
// It may be called twice, beside Close, and from anywhere, also from the loop over the events. Of several calls the context, or linger time,
// that ends first counts for all, and all return the same error when the node has ended.
func (n *Node) Shutdown(ctx context.Context) error {
	return n.end(func() error { return n.engine.Shutdown(ctx) })
}

// end ends the node.
func (n *Node) end(engine func() error) error {
	n.closed.Do(func() { close(n.done); n.die() })
	err := engine()
	n.once.Do(func() { close(n.events) })
	n.pump.Wait()
	n.subscriptions.wait()
	for range n.events { // what the channel still holds
	}
	n.ended.Store(true)
	return err
}

// AddPeers adds endpoints of peers, as WithPeers does, also while the node runs. An endpoint that is none is an error, and then nothing is added; one
// where nobody answers is a Problem (ProblemUnreachable), as is a host name that is not resolved (ProblemDNS). One that was added before is left as it is. Like
// the five methods below it may be called before Start, and does not wait for the network.
func (n *Node) AddPeers(endpoints ...string) error { return n.engine.AddPeers(endpoints...) }

// RemovePeers has the node not look for peers any longer at endpoints that WithPeers or AddPeers named in these words. A peer that entered stays until
// it leaves or is lost. An endpoint that was not added does nothing, one that is none is an error.
func (n *Node) RemovePeers(endpoints ...string) error { return n.engine.RemovePeers(endpoints...) }

// AddSRV adds domains whose SRV records name peers, as WithSRV does, also while the node runs. A domain that is none is an error, and then nothing is added;
// one that the DNS does not resolve is a Problem (ProblemDNS).
func (n *Node) AddSRV(domains ...string) error { return n.engine.AddSRV(domains...) }

// RemoveSRV has the node not look up domains any longer that WithSRV or AddSRV named. A peer that entered stays until it leaves or is lost.
func (n *Node) RemoveSRV(domains ...string) error { return n.engine.RemoveSRV(domains...) }

// ConnectGossip connects the node to gossip hubs, as WithGossipConnect does, also while the node runs. An endpoint that is none is an error, and then
// nothing is connected; a hub that cannot be reached is a Problem (ProblemGossip).
func (n *Node) ConnectGossip(endpoints ...string) error { return n.engine.ConnectGossip(endpoints...) }

// DisconnectGossip takes leave of gossip hubs that WithGossipConnect or ConnectGossip named in these words. They forget this node within seconds, if they are
// of this implementation. A peer that entered stays until it leaves or is lost.
func (n *Node) DisconnectGossip(endpoints ...string) error {
	return n.engine.DisconnectGossip(endpoints...)
}

// ForgetGossip removes peers from what this node learned by gossip, and from what its hub tells others: within a second or two they are dialled no longer. Hubs
// of this implementation forget a node that leaves or dies by themselves; those of czmq keep it for ever, and name it again when this node connects to
// them anew. A node that is still there is back within 10 s, and a peer that entered stays until it leaves or is lost.
func (n *Node) ForgetGossip(peers ...uuid.UUID) error { return n.engine.ForgetGossip(peers...) }

// UUID returns the node's identity on the network.
func (n *Node) UUID() uuid.UUID { return n.engine.UUID() }

// Name returns the node's public name.
func (n *Node) Name() string { return n.engine.Name() }

// Endpoint returns where peers of the first network interface reach this node, as "tcp://address:port". It is empty before Start.
func (n *Node) Endpoint() string { return n.engine.Endpoint() }

// Join enters a group and tells all peers. Names are 1 to 255 bytes of UTF-8 without NUL, else the error is ErrGroup; case matters. Joining
// twice does nothing. It may be called before Start, and does not wait for the network.
func (n *Node) Join(group string) error { return n.engine.Join(group) }

// Leave leaves a group and tells all peers. Leaving a group that the node is not in does nothing. A name that no group can have is ErrGroup.
func (n *Node) Leave(group string) error { return n.engine.Leave(group) }

// SetState says what the node is doing. Peers of this implementation learn it at once, and see a StateChange; of changes within
// 20 ms the last. It may be called before Start, and does not wait for the network. StateExit, which is what Close sends, and
// StateUnknown are errors (ErrState).
func (n *Node) SetState(state State) error { return n.engine.SetState(state) }

// State returns what the node is doing: StateInit until Start, then StateIdle unless SetState or WithAutoState says otherwise.
func (n *Node) State() State { return n.engine.State() }

// Whisper sends a message of one or more frames to one peer. It returns once the message is queued, and waits only while the
// peer's queue is full, until ctx or the send timeout ends. The caller may reuse the frames when it returns.
//
// Errors: ErrUnknownPeer, ErrPeerBusy (both within a *PeerError), ErrTooLarge, ErrNotStarted, ErrClosed, or the context's.
//
// While it waits events need not be read: what comes is kept, up to Limits.EventOctets. If that is full, and the peer waits for this
// node in the same way, the error is ErrUnreadEvents, with ErrPeerBusy: a program that sends much from the loop over its events sends in
// another goroutine instead. A peer that was dropped as not responding, and has not taken what was queued for it since, is not waited for
// (ErrPeerBusy at once).
//
// A message without frames is sent as one empty frame, since zyre and pyre cannot receive none. zyre.js shows its application
// the first frame alone.
func (n *Node) Whisper(ctx context.Context, peer uuid.UUID, frames ...[]byte) error {
	return n.engine.Whisper(ctx, peer, frames...)
}

// WhisperGiven is Whisper for frames that the caller gives away: it must not use them any more, whatever is returned, nor anything else
// within their capacity. So frames of 16 KiB and more are not copied: a peer of this process gets the very memory; to another one they are
// written from it, and then it is used again if NewFrame made it, or a node received it.
//
// The frames are set to nil in the list that is passed, so that Recycle does not give back what was given away. A frame of NewFrame that is in
// the list twice, or that was given away or back before, and a part that is not the beginning of one, are copied.
func (n *Node) WhisperGiven(ctx context.Context, peer uuid.UUID, frames ...[]byte) error {
	return n.engine.WhisperGiven(ctx, peer, frames...)
}

// Shout sends a message of one or more frames to every peer in a group; this node need not be in it, and does not hear itself.
// It returns once the message is queued for each member, and waits only for members whose queue is full. Where some could not
// be served the others still are, and the error joins a *PeerError for each. Members that were dropped as not responding, and have not caught
// up since, are left out in this way without waiting, and with ShoutSkipsBusy all whose queue is full (WithShoutPolicy). Events need not be
// read meanwhile, as for Whisper. A group without other members is no error; a name that no
// group can have is (ErrGroup).
func (n *Node) Shout(ctx context.Context, group string, frames ...[]byte) error {
	return n.engine.Shout(ctx, group, frames...)
}

// ShoutTo is Shout to some members of a group alone, such as those that a Shout before has left out because they were busy. Peers that are not in the
// group get nothing, and are no error.
func (n *Node) ShoutTo(ctx context.Context, group string, peers []uuid.UUID, frames ...[]byte) error {
	return n.engine.ShoutTo(ctx, group, peers, frames...)
}

// ShoutGiven is Shout for frames that the caller gives away, as WhisperGiven has it. Where a group has several members, those of this
// process get copies.
func (n *Node) ShoutGiven(ctx context.Context, group string, frames ...[]byte) error {
	return n.engine.ShoutGiven(ctx, group, frames...)
}

// Ping asks a peer for a sign of life, by a PING, and returns how long the answer took. All implementations answer. PING and PING-OK overtake
// the messages that wait in the queues of the two nodes; what the operating systems hold already, some hundred KiB on one
// host, is ahead of them. A peer whose application takes no events answers late, once its own queue of these is full: then it reads nothing, the PING
// neither. It blocks until the answer or until ctx ends. Of several calls at once each sends a PING, and they return in their order.
//
// Errors: ErrUnknownPeer, also if the peer leaves meanwhile, ErrPeerBusy if 100 PINGs to it are not answered yet or its queue
// has no room at all (both within a *PeerError), ErrNotStarted, ErrClosed, or the context's.
func (n *Node) Ping(ctx context.Context, peer uuid.UUID) (time.Duration, error) {
	return n.engine.Ping(ctx, peer)
}

// Flush waits until a peer has read all messages that Whisper and Shout accepted for it before. Read means read by the peer's node: its
// application may not have taken them, and a peer of this implementation reads no more than some while its application takes nothing. It
// sends a PING behind them, which all implementations answer in order, and waits for the answer, or until ctx ends; Shutdown does not
// end it before its own end.
//
// Errors: ErrUnknownPeer, also if the peer leaves or is lost meanwhile, ErrPeerBusy if 100 PINGs to it are not answered yet or its queue
// has no room at all (both within a *PeerError), ErrNotStarted, ErrClosed, or the context's.
func (n *Node) Flush(ctx context.Context, peer uuid.UUID) error {
	return n.engine.Flush(ctx, peer)
}

// Events returns the channel of the node's events. It is always the same one, and is closed by Close. From the first call on all events go to
// the channel: use either Events or All. Events panics while a loop over All runs.
func (n *Node) Events() <-chan Event {
	if !n.taker.CompareAndSwap(noTaker, channel) && n.taker.Load() != channel && !n.ended.Load() {
		panic("zre: Node.Events was called while a loop over Node.All takes the events; use one of the two, or end the loop first")
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

// All returns the node's events as a sequence, which ends when ctx or the node does. It costs less than the channel of Events. A loop may
// end, and another one goes on where it stopped. One loop runs at a time: a second one panics, in whatever goroutine, and so does a loop
// after Events was called. A loop over the events of a closed node ends at once.
func (n *Node) All(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		if n.ended.Load() {
			return
		}
		n.beginLoop("a loop over Node.All began")
		defer n.endLoop()
		n.take(ctx.Done(), yield)
	}
}

// beginLoop has a loop take the events; it panics where something else does.
func (n *Node) beginLoop(what string) {
	switch {
	case n.taker.CompareAndSwap(noTaker, loop):
	case n.taker.Load() == channel:
		panic("zre: " + what + " after Node.Events was called, whose channel takes the events; use one of the two")
	default:
		panic("zre: " + what + " while another loop takes the events; run one at a time, and hand events on from it, or use Node.Subscribe")
	}
}

func (n *Node) endLoop() { n.taker.Store(noTaker) }

// take waits for events and yields them, until yield returns false or the node or stop is closed.
func (n *Node) take(stop <-chan struct{}, yield func(Event) bool) {
	for {
		for n.next < len(n.batch) || len(n.left) > 0 {
			select {
			case <-stop:
				return
			default:
			}
			if n.ended.Load() { // by Close in the body of the loop, or elsewhere
				n.batch, n.next, n.left = nil, 0, nil
				return
			}
			if !yield(n.following()) {
				return
			}
		}
		batch, ok := n.engine.Take(n.batch[:0], stop) // all of it is cleared already
		if n.batch, n.next = batch, 0; !ok {
			return
		}
	}
}

// following returns the next event of those taken.
func (n *Node) following() Event {
	if len(n.left) > 0 {
		event := n.left[0]
		n.left[0] = nil
		n.left = n.left[1:]
		return event
	}
	event := n.eventOf(&n.batch[n.next])
	n.batch[n.next] = node.Event{} // what was delivered must not stay reachable
	n.next++
	n.engine.NoteRead()
	n.subscriptions.publish(event)
	return event
}

// Peers returns the peers present, by name.
func (n *Node) Peers() []*Peer { return peersOf(n.engine.Peers()) }

// PeersIn returns the peers present in a group, by name.
func (n *Node) PeersIn(group string) []*Peer { return peersOf(n.engine.PeersIn(group)) }

// Peer returns what is known of a peer, and whether it is present.
func (n *Node) Peer(id uuid.UUID) (*Peer, bool) {
	p, ok := n.engine.Peer(id)
	return (*Peer)(p), ok
}

// Discarded returns how many whispers and shouts came and were discarded (WithDiscard).
func (n *Node) Discarded() uint64 { return n.engine.Discarded() }

// Problems returns the problems that are not solved, sorted by Kind and About. Each comes as an event, too.
func (n *Node) Problems() []Problem {
	list := n.engine.Problems()
	problems := make([]Problem, len(list))
	for i := range list {
		problems[i] = problemOf(&list[i])
	}
	return problems
}

// Contest has this node contest for the leadership of a group. The contestant with the lowest UUID leads, and all nodes of this implementation in
// the group name it, contestants or not: as an event, Leader, and by the method Leader. Contest joins the group if the node is not in it; to leave the
// group ends it. A second call does nothing. The errors are those of Join. It may be called before Start, and does not wait for the network.
func (n *Node) Contest(group string) error { return n.engine.Contest(group) }

// Leader returns the member that leads a group that this node is in; it may be this node (Peer.UUID is UUID() then, and Transport is empty). ok is
// false where none contests, as far as is known here: a node names others at once, and itself a second after it has become the lowest contestant that it
// knows. After the last change that the members of this implementation can know of they agree within 3 seconds.
func (n *Node) Leader(group string) (leader *Peer, ok bool) {
	p, ok := n.engine.Leader(group)
	return (*Peer)(p), ok
}

// Groups returns the groups that this node is in, sorted.
func (n *Node) Groups() []string { return n.engine.Groups() }

// PeerGroups returns the groups that peers present are in, sorted.
func (n *Node) PeerGroups() []string { return n.engine.PeerGroups() }
