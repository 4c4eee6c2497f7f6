package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/beacon"
	"github.com/go-zre/go-zre/internal/outbox"
)

// A node ends in two steps. First the application sends no more, and gets no more messages. Everything else continues, beacons too, until queued
// messages are written or lost: peers must not think that the node is gone, and peers that are not connected yet still connect. Then the node
// sends GOODBYE and farewell, and ends. Messages that were not written by then are reported.

// ending is the state that callers of Shutdown share.
type ending struct {
	sendsEnded   chan struct{}           // closed when the application may send no more
	lingering    context.Context         // ends when the first caller stops waiting
	endLingering context.CancelCauseFunc // ends lingering
	unsent       []*session              // sessions that may have messages to send when the application may send no more
}

func newEnding() ending {
	e := ending{sendsEnded: make(chan struct{})}
	e.lingering, e.endLingering = context.WithCancelCause(context.Background())
	return e
}

// goodbyeTime bounds the time for GOODBYE. hurriedGoodbye does so in a hurry, for peers that got everything else.
const (
	goodbyeTime    = time.Second
	hurriedGoodbye = 100 * time.Millisecond
)

// Close is Shutdown with Config.Linger as the limit for sending queued messages.
func (n *Node) Close() error {
	linger := max(n.cfg.Linger, 0)
	ctx, cancel := context.WithTimeoutCause(context.Background(), linger, lingerError(linger))
	defer cancel()
	return n.Shutdown(ctx)
}

// lingerError says that Close has used up its time.
type lingerError time.Duration

func (e lingerError) Error() string {
	return fmt.Sprintf("the linger time of %v was over", time.Duration(e))
}
func (e lingerError) Unwrap() error { return context.DeadlineExceeded }

// Shutdown hands queued messages to the operating system until all are written or ctx ends. Then it says farewell to the network and ends the
// node with all its goroutines. Events that were not taken yet are dropped. A start in progress ends. It is safe to call twice and from
// anywhere: all calls return when the node has ended, with the same result. The context that ends first counts for all calls.
//
// The error joins a LostError for each peer to which something was not fully written.
func (n *Node) Shutdown(ctx context.Context) error {
	if ctx.Err() != nil {
		n.ending.endLingering(context.Cause(ctx))
	} else {
		defer context.AfterFunc(ctx, func() { n.ending.endLingering(context.Cause(ctx)) })()
	}
	was := n.lifecycle.end()
	switch was {
	case phaseStarted:
		n.err = n.shutDown()
	case phaseNew, phaseStarting:
		n.events.Close()
		close(n.done)
		n.endLife()
		if was == phaseStarting {
			n.lifecycle.abort(ErrClosed)
			<-n.lifecycle.ended
		}
	}
	if was < phaseClosing {
		n.lifecycle.set(phaseClosed)
		close(n.ended)
	}
	<-n.ended
	return n.err
}

// shutDown ends a node that was started.
func (n *Node) shutDown() error {
	n.do(n.refuseSends)
	n.sendQueued()
	n.unregisterFromProcess()
	n.do(n.stop)
	n.flushGoodbyes()
	err := errors.Join(n.stopGossip(), n.agent.Close())
	n.events.Close()
	close(n.done)
	n.endLife()
	err = errors.Join(err, n.router.Close())
	n.wg.Wait()
	n.figures.countLost()
	n.figures.countLost()
	n.log.Debug().Msg("closed")
	return errors.Join(append(n.losses(), err)...)
}

// refuseSends makes the node refuse more messages from the application.
func (n *Node) refuseSends() {
	n.finishing = true
	for _, s := range n.sessions {
		n.ending.unsent = append(n.ending.unsent, s)
		if s.previous != nil { // its Exit is not reported yet
			s.previous.endCause = errBroken
			n.ending.unsent = append(n.ending.unsent, s.previous)
		}
	}
	for _, s := range n.ending.unsent {
		s.out.Refuse(ErrClosed)
	}
	close(n.ending.sendsEnded)
	n.requests.close()
	if slices.ContainsFunc(n.ending.unsent, func(s *session) bool { return !s.out.IsSent() }) && n.ending.lingering.Err() == nil {
		n.events.Drop() // they may never be taken, and peers must not wait for that: they would drop us, and lose what is queued for them
	}
}

// sendQueued waits until all messages queued for the peers are handed to the operating system.
func (n *Node) sendQueued() {
	if n.ending.lingering.Err() != nil {
		return
	}
	var all sync.WaitGroup
	for _, s := range n.ending.unsent {
		all.Go(func() { s.out.AwaitSent(n.ending.lingering) })
	}
	all.Wait()
}

// stop lets no more sessions begin and stops the beacons. It sends GOODBYE, behind queued messages, to peers that understand it. They end
// their sessions at once, and must not find us again by a beacon.
func (n *Node) stop() {
	n.stopping = true
	n.seeker.Stop()
	n.state.Store(uint32(beacon.Exit))
	n.agent.Silence()
	for _, p := range n.sessions {
		if p.mailbox != nil {
			p.sendGoodbye()
			continue
		}
		if p.endCause == nil && !p.connectedAt.IsZero() {
			p.endCause = errBroken
		}
		n.end(p)
	}
}

// flushGoodbyes waits until GOODBYE is handed to the operating system.
func (n *Node) flushGoodbyes() {
	limit := goodbyeTime
	if n.ending.lingering.Err() != nil {
		limit = hurriedGoodbye
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var all sync.WaitGroup
	n.mu.RLock()
	for _, p := range n.sessions {
		if p.out.IsSent() {
			all.Go(func() { p.out.Queue().Flush(ctx) })
		}
	}
	n.mu.RUnlock()
	all.Wait()
}

// LostError reports messages to a peer that Whisper or Shout accepted, but that were not fully written when the node ended. The peer may have
// got none of them, or part of the first one, which its node drops.
type LostError struct {
	UUID     uuid.UUID
	Name     string // empty if unknown
	Messages int    // at least 1
	Bytes    int64  // the bytes of these messages that were not written, including frame headers
	Err      error  // the cause: the context's error, or how the session with the peer ended
}

func (e *LostError) Error() string {
	of := e.UUID.String()
	if e.Name != "" {
		of = fmt.Sprintf("%s (%s)", printable(e.Name), e.UUID)
	}
	messages := "messages were"
	if e.Messages == 1 {
		messages = "message was"
	}
	return fmt.Sprintf("peer %s: %d %s not sent (%d bytes): %v", of, e.Messages, messages, e.Bytes, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// Reasons why a session ended with unsent messages.
var (
	errBroken = errors.New("the connection broke")
	errLeft   = errors.New("the peer left")
)

// noteEndCause records how a session ended, for a LostError. It runs in the control loop.
func (n *Node) noteEndCause(s *session, reason Reason) {
	switch {
	case !n.finishing || n.stopping || s.endCause != nil:
	case reason == Left:
		s.endCause = errLeft
	case reason == Crashed:
		s.endCause = errBroken
	default:
		s.endCause = fmt.Errorf("the peer is gone (%v)", reason)
	}
}

// losses returns the LostErrors, sorted by name and UUID, after everything has ended.
func (n *Node) losses() (list []error) {
	why := cmp.Or(context.Cause(n.ending.lingering), error(errBroken))
	counted := make(map[*outbox.Outbox]bool)
	byPeer := make(map[uuid.UUID]*LostError)
	for _, s := range n.ending.unsent {
		for out := s.out; out != nil && !counted[out]; out = out.Successor() {
			counted[out] = true
			messages, bytes := out.Lost()
			if messages == 0 {
				continue
			}
			e := byPeer[s.uuid]
			if e == nil {
				e = &LostError{UUID: s.uuid, Err: s.whyUnsent(why)}
				byPeer[s.uuid] = e
			}
			if known := s.snapshot.Load(); known != nil {
				e.Name = known.Name
			}
			e.Messages += messages
			e.Bytes += bytes
		}
	}
	lost := make([]*LostError, 0, len(byPeer))
	for _, e := range byPeer {
		lost = append(lost, e)
	}
	slices.SortFunc(lost, func(a, b *LostError) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.UUID[:], b.UUID[:]))
	})
	for _, e := range lost {
		list = append(list, fmt.Errorf("close: %w", n.cfg.Public.lostError(e)))
	}
	return list
}

// whyUnsent returns the reason why a session's messages were not sent. why is the reason if the session did not end by itself.
func (s *session) whyUnsent(why error) error {
	switch {
	case s.endCause != nil:
		return s.endCause
	case s.connectedAt.IsZero() && s.dialErr != nil:
		return fmt.Errorf("%w, and there was no connection: %w", why, s.dialErr)
	case s.connectedAt.IsZero():
		return fmt.Errorf("%w, and there was no connection", why)
	}
	return why
}
