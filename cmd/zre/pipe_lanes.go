package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// Limits on waiting commands.
const (
	laneCommands    = 1000     // per peer
	laneBytes       = 32 << 20 // of memory, per peer
	allBytes        = 64 << 20 // of memory, for all peers
	backgroundLimit = 1000     // pings and flushes in progress
)

// While a peer with a full lane reads, the next command for it waits, and that slows down the program that writes the commands. A peer
// that has read nothing for stalledAfter must not slow it down: its lane grows, within the limits on content. A peer that has read nothing for
// frozenAfter gets no further commands.
const (
	stalledAfter = 50 * time.Millisecond
	frozenAfter  = time.Second
)

// laneCheckInterval is how often a peer with a full lane is checked.
const laneCheckInterval = 10 * time.Millisecond

// taskOverhead is the memory of a waiting command without its content.
const taskOverhead = 256

var errPipeEnded = errors.New("the pipe ended before it was sent")

// lanes keep the order of commands for each peer, and keep a peer that does not read from delaying commands for others. A command that
// cannot be queued at once goes into the peer's lane, where a goroutine executes one after the other. A shout goes at once to members
// without a lane, and through its lane to each other member. Commands come from a single goroutine.
type lanes struct {
	node   *zre.Node
	ctx    context.Context // for all work here
	cancel context.CancelCauseFunc
	all    sync.WaitGroup // goroutines

	mu           sync.Mutex // guards the fields below
	list         map[uuid.UUID]*lane
	size         int64 // in all lanes
	inBackground int   // pings and flushes in progress
}

// lane holds the commands that wait for one peer. The first is being executed.
type lane struct {
	tasks    []task
	size     int64
	lastRead time.Time // when the peer was last seen to read something
	queued   int64     // size of its queue at that time
}

type task struct {
	size int64
	do   func(ctx context.Context) error
	done func(error)
}

func newLanes(ctx context.Context, node *zre.Node) *lanes {
	l := &lanes{node: node, list: make(map[uuid.UUID]*lane)}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	return l
}

// noWait is a context for a call that must fail at once instead of waiting for a busy peer.
type noWait struct{ context.Context }

var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Done implements context.Context. Calls check Err first, and Done when they would wait.
func (noWait) Done() <-chan struct{} { return closedChannel }

// whisper sends a whisper, at once or in its turn.
func (l *lanes) whisper(peer uuid.UUID, frames [][]byte, done func(error)) {
	if !l.has(peer) {
		err := l.node.Whisper(noWait{l.ctx}, peer, frames...)
		if !errors.Is(err, zre.ErrPeerBusy) {
			done(err)
			return
		}
	}
	l.add(peer, task{size: sizeOf(frames), done: done,
		do: func(ctx context.Context) error { return l.node.Whisper(ctx, peer, frames...) }})
}

// shout sends a shout. With skips it leaves out busy members.
func (l *lanes) shout(group string, frames [][]byte, skips bool, done func(error)) {
	var free, late []uuid.UUID
	for _, p := range l.node.PeersIn(group) {
		if l.has(p.UUID) {
			late = append(late, p.UUID)
		} else {
			free = append(free, p.UUID)
		}
	}
	var err error
	if late == nil {
		err = l.node.Shout(noWait{l.ctx}, group, frames...)
	} else {
		err = l.node.ShoutTo(noWait{l.ctx}, group, free, frames...)
	}
	busy, rest := busyPeers(err)
	if late = append(late, busy...); len(late) == 0 || skips {
		for _, peer := range late[:len(late)-len(busy)] {
			err = errors.Join(err, fmt.Errorf("shout: %w", &zre.PeerError{UUID: peer, Err: zre.ErrPeerBusy}))
		}
		done(err)
		return
	}
	// The last one to finish reports the outcome.
	var mu sync.Mutex
	missing, failed := len(late), rest
	for _, peer := range late {
		l.add(peer, task{size: sizeOf(frames),
			do: func(ctx context.Context) error { return l.node.ShoutTo(ctx, group, []uuid.UUID{peer}, frames...) },
			done: func(err error) {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
				if missing--; missing == 0 {
					done(errors.Join(failed...))
				}
			}})
	}
}

// busyPeers splits an error into the peers that had no room and the other errors.
func busyPeers(err error) (busy []uuid.UUID, rest []error) {
	if err == nil {
		return nil, nil
	}
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for _, err := range list {
		var peer *zre.PeerError
		if errors.As(err, &peer) && errors.Is(err, zre.ErrPeerBusy) {
			busy = append(busy, peer.UUID)
		} else {
			rest = append(rest, err)
		}
	}
	return busy, rest
}

// afterQueued executes do after the commands that wait for the same peer. It does not delay those for others.
func (l *lanes) afterQueued(peer uuid.UUID, do func(ctx context.Context) error, done func(error)) {
	if l.has(peer) {
		l.add(peer, task{do: do, done: done})
		return
	}
	l.background(do, done)
}

// request makes a request in its turn and passes on the reply.
func (l *lanes) request(peer uuid.UUID, timeout time.Duration, frames [][]byte, reply func(zre.Reply), done func(error)) {
	start := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeoutCause(ctx, timeout, &timeoutError{"no reply", timeout})
		pending, err := l.node.StartRequest(ctx, peer, frames...)
		if err != nil {
			cancel()
			return err
		}
		l.background(func(context.Context) error {
			defer cancel()
			r, err := pending.Result()
			if err != nil {
				return err
			}
			reply(r)
			return nil
		}, done)
		return nil
	}
	l.add(peer, task{size: sizeOf(frames), do: start, done: func(err error) {
		if err != nil {
			done(err)
		}
	}})
}

// background executes something that takes time.
func (l *lanes) background(do func(ctx context.Context) error, done func(error)) {
	l.mu.Lock()
	full := l.inBackground == backgroundLimit
	if !full {
		l.inBackground++
	}
	l.mu.Unlock()
	if full {
		done(fmt.Errorf("%d pings and flushes are under way already", backgroundLimit))
		return
	}
	l.all.Go(func() {
		err := do(l.ctx)
		l.mu.Lock()
		l.inBackground--
		l.mu.Unlock()
		done(err)
	})
}

func (l *lanes) has(peer uuid.UUID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[peer] != nil
}

// add puts a command into a peer's lane. If the lane is full, it waits as long as the peer reads. If the peer is frozen, the command fails.
func (l *lanes) add(peer uuid.UUID, t task) {
	t.size += taskOverhead
	for {
		count, put := l.put(peer, t, false)
		if put {
			return
		}
		idle := l.idle(peer)
		if idle > stalledAfter && idle <= frozenAfter {
			if _, put = l.put(peer, t, true); put {
				return
			}
		}
		if idle > frozenAfter {
			t.done(fmt.Errorf("%w; %d commands wait for it already", &zre.PeerError{UUID: peer, Name: l.name(peer), Err: zre.ErrPeerBusy}, count))
			return
		}
		select {
		case <-time.After(laneCheckInterval):
		case <-l.ctx.Done():
			t.done(context.Cause(l.ctx))
			return
		}
	}
}

func (l *lanes) name(peer uuid.UUID) string {
	if p, ok := l.node.Peer(peer); ok {
		return p.Name
	}
	return ""
}

// put puts a command into a peer's lane if there is room, and returns how many commands are there. With more the number of commands is
// not limited, only their memory.
func (l *lanes) put(peer uuid.UUID, t task, more bool) (count int, put bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.list[peer]
	if a == nil {
		a = &lane{lastRead: time.Now(), queued: l.queued(peer)}
		l.list[peer] = a
		defer func() { l.all.Go(func() { l.run(peer, a) }) }()
	} else if len(a.tasks) >= laneCommands && !more || a.size+t.size > laneBytes || l.size+t.size > allBytes {
		return len(a.tasks), false
	}
	a.tasks = append(a.tasks, t)
	a.size += t.size
	l.size += t.size
	return len(a.tasks), true
}

// idle returns for how long a peer with a lane has read nothing; 0 if it has no lane.
func (l *lanes) idle(peer uuid.UUID) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.list[peer]
	if a == nil {
		return 0
	}
	if queued := l.queued(peer); queued != a.queued {
		a.queued, a.lastRead = queued, time.Now()
	}
	return time.Since(a.lastRead)
}

// queued describes the queue of a peer as a number that changes when the peer reads something.
func (l *lanes) queued(peer uuid.UUID) int64 {
	p, ok := l.node.Peer(peer)
	if !ok {
		return -1
	}
	return p.QueuedBytes + int64(p.QueuedMessages)
}

// run executes the commands of a lane until it is empty.
func (l *lanes) run(peer uuid.UUID, a *lane) {
	for {
		l.mu.Lock()
		if len(a.tasks) == 0 {
			delete(l.list, peer)
			l.mu.Unlock()
			return
		}
		t := a.tasks[0]
		l.mu.Unlock()
		err := t.do(l.ctx)
		if l.ctx.Err() != nil && err != nil && !errors.Is(err, zre.ErrUnknownPeer) {
			err = fmt.Errorf("%w: %w", &zre.PeerError{UUID: peer, Name: l.name(peer), Err: zre.ErrPeerBusy}, context.Cause(l.ctx))
		}
		t.done(err)
		l.mu.Lock()
		a.tasks[0] = task{}
		a.tasks = a.tasks[1:]
		a.size -= t.size
		l.size -= t.size
		a.lastRead = time.Now()
		l.mu.Unlock()
	}
}

// drain waits until all commands are done, at most for d.
func (l *lanes) drain(d time.Duration) {
	done := make(chan struct{})
	go func() { defer close(done); l.all.Wait() }() // ends with end, at the latest
	select {
	case <-done:
	case <-time.After(d):
	}
}

// end fails all waiting commands.
func (l *lanes) end() {
	l.cancel(errPipeEnded)
	l.all.Wait()
}

func sizeOf(frames [][]byte) (n int64) {
	for _, frame := range frames {
		n += int64(len(frame))
	}
	return n
}
