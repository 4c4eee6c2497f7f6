package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/beacon"
)

// AnyMember says which members of a group RequestAny may ask, and how often. zre.Workers documents it.
type AnyMember struct {
	Group   string
	Timeout time.Duration   // for one member; 0: none
	Tries   int             // how many members may fail
	OnRetry func(err error) // called before another member is asked; may be nil
}

// RequestAny sends a request to an idle member of a group, and to another one if that member fails; see zre.Node.RequestAny.
func (n *Node) RequestAny(ctx context.Context, to AnyMember, frames ...[]byte) (Answer, error) {
	if err := checkGroup(to.Group); err != nil {
		return Answer{}, fmt.Errorf("request: %w", err)
	}
	if _, err := n.checkMessage(ctx, frames); err != nil { // before it waits for a member
		return Answer{}, fmt.Errorf("request: %w", err)
	}
	var asked []*session
	var last error // why the last member failed
	for failed := 0; ; {
		p, err := n.awaitMember(ctx, to.Group, asked)
		switch {
		case err == nil:
		case last != nil:
			return Answer{}, fmt.Errorf("request: %w; before: %w", err, last)
		default:
			return Answer{}, fmt.Errorf("request: %w", err)
		}
		answer, err := n.requestWithin(ctx, to.Timeout, p, frames)
		n.freeMember(p)
		result := resultOf(err)
		if result == final || ctx.Err() != nil {
			return answer, err
		}
		if result == mayBeDone {
			failed++
		}
		if failed >= to.Tries {
			return Answer{}, err
		}
		asked, last = append(asked, p), err
		if to.OnRetry != nil {
			to.OnRetry(err)
		}
	}
}

// requestWithin is requestFrom with a timeout, unless that is 0.
func (n *Node) requestWithin(ctx context.Context, timeout time.Duration, p *session, frames [][]byte) (Answer, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no reply within %v: %w", timeout, context.DeadlineExceeded))
		defer cancel()
	}
	return n.requestFrom(ctx, p, frames)
}

// attemptResult is what a request to one member means for the next one.
type attemptResult uint8

const (
	final     attemptResult = iota // a reply, or an error that every member would cause
	notDone                        // the member did nothing
	mayBeDone                      // the member failed to reply; it may have done what was asked
)

func resultOf(err error) attemptResult {
	switch {
	case err == nil, errors.Is(err, ErrUnreadEvents):
		return final
	case errors.Is(err, ErrNoHandler), errors.Is(err, ErrUnknownPeer), errors.Is(err, ErrPeerBusy):
		return notDone
	case errors.Is(err, ErrPeerGone), errors.Is(err, context.DeadlineExceeded):
		return mayBeDone
	}
	return final
}

// awaitMember waits until a member of a group is free, and reserves it for a request. freeMember ends that. It passes over some sessions.
func (n *Node) awaitMember(ctx context.Context, group string, except []*session) (*session, error) {
	c := &caller{turn: make(chan struct{}, 1), isChoosy: len(except) > 0}
	n.watchers.callers.add(group, c)
	defer n.watchers.callers.remove(group, c)
	for {
		select {
		case <-c.turn:
			if p := n.reserveMember(group, except); p != nil {
				return p, nil
			}
			if c.isChoosy {
				n.watchers.callers.pass(group, c)
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("no free member in group %q (%d are in it): %w", group, n.membersOf(group), context.Cause(ctx))
		case <-n.ending.sendsEnded:
			return nil, ErrClosed
		case <-n.done:
			return nil, ErrClosed
		}
	}
}

func (n *Node) membersOf(group string) int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if r := n.members[group]; r != nil {
		return len(r.list)
	}
	return 0
}

// reserveMember chooses an idle member that has no request of RequestAny. It returns nil if there is none.
func (n *Node) reserveMember(group string, except []*session) *session {
	members := n.lendMembers(group)
	n.chooser.mu.Lock()
	defer n.chooser.mu.Unlock()
	p := n.chooser.choose(members, []beacon.State{beacon.Idle}, func(p *session) bool { return p.work.reserved || slices.Contains(except, p) })
	if p != nil {
		p.work.reserved = true
	}
	return p
}

// freeMember ends the reservation of a member.
func (n *Node) freeMember(p *session) {
	n.chooser.mu.Lock()
	p.work.reserved = false
	n.chooser.mu.Unlock()
	n.watchers.callers.wake()
}

// callers are the calls of RequestAny that wait for a free member, by group, in the order in which they came. The first one of a group gets a turn
// whenever something has changed. If it finds a member, it leaves, and the next one gets a turn. This way a change does not wake all of them.
type callers struct {
	waiting atomic.Int32

	mu     sync.Mutex // a leaf
	groups map[string][]*caller
	// repeater runs while any waits. A member that has told nothing for answerTime may be chosen again, and nothing else tells that.
	repeater repeater
}

// A caller is one of these calls.
type caller struct {
	turn     chan struct{} // holds a token when it is this caller's turn to choose
	isChoosy bool          // it passes over some members, so callers behind it may find one where it finds none
}

func (c *caller) giveTurn() {
	select {
	case c.turn <- struct{}{}:
	default:
	}
}

// add puts a caller at the end of its group.
func (all *callers) add(group string, c *caller) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.groups == nil {
		all.groups = make(map[string][]*caller)
	}
	all.groups[group] = append(all.groups[group], c)
	if first := all.groups[group][0]; first == c || first.isChoosy {
		first.giveTurn()
	}
	all.waiting.Add(1)
	all.repeater.start(answerTime, all.lookAgain)
}

// remove removes a caller that has ended, and gives the next one its turn.
func (all *callers) remove(group string, c *caller) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.waiting.Add(-1)
	list := all.groups[group]
	i := slices.Index(list, c)
	if i < len(list)-1 {
		list[i+1].giveTurn()
	}
	switch {
	case len(list) == 1:
		delete(all.groups, group)
	case i == 0:
		list[0] = nil
		all.groups[group] = list[1:]
	default:
		all.groups[group] = slices.Delete(list, i, i+1)
	}
}

// pass gives the turn of a caller to the next one.
func (all *callers) pass(group string, c *caller) {
	all.mu.Lock()
	defer all.mu.Unlock()
	list := all.groups[group]
	if i := slices.Index(list, c); i < len(list)-1 {
		list[i+1].giveTurn()
	}
}

// wake gives the first caller of each group a turn. Call it after each change that may make a member free.
func (all *callers) wake() {
	if all.waiting.Load() == 0 {
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.giveTurns()
}

// lookAgain wakes the callers after answerTime.
func (all *callers) lookAgain() {
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.groups) == 0 {
		all.repeater.stop()
		return
	}
	all.giveTurns()
	all.repeater.again(answerTime)
}

// giveTurns gives the first caller of each group a turn. It needs mu.
func (all *callers) giveTurns() {
	for _, list := range all.groups {
		list[0].giveTurn()
	}
}
