package node

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/msg"
)

// soon is how soon a good peer must be served during an attack, in one of several tries.
const soon = 100 * time.Millisecond

// bystander is a good peer that entered before an attack.
type bystander struct {
	*fakePeer
	sequence        uint16
	exchange, visit time.Duration // the best times without an attack
}

func newBystander(t testing.TB, n *testNode) *bystander {
	t.Helper()
	b := &bystander{fakePeer: newFakePeer(t, n), sequence: 1}
	b.enter()
	b.exchange = best(3, 0, b.exchanged)
	b.visit = best(3, 0, b.visited)
	return b
}

// best returns the shortest of some tries; it stops at one that is short enough.
func best(tries int, enough time.Duration, try func() time.Duration) time.Duration {
	shortest := try()
	for range tries - 1 {
		if shortest <= enough {
			break
		}
		shortest = min(shortest, try())
	}
	return shortest
}

// served checks that the bystander exchanges messages with the node, and that another peer enters, as soon as can be expected of this
// machine: within 100 ms, or twenty times what it took before the attack.
func (b *bystander) served() {
	b.t.Helper()
	b.servedOld()
	bound := max(soon, 20*b.visit)
	if took := best(20, bound, b.visited); took > bound {
		b.t.Errorf("a new peer took %v to enter, %v before the attack", took, b.visit)
	}
}

// servedOld checks the same when no new peer can enter.
func (b *bystander) servedOld() {
	b.t.Helper()
	bound := max(soon, 20*b.exchange)
	if took := best(20, bound, b.exchanged); took > bound {
		b.t.Errorf("messages of a good peer took %v, %v before the attack", took, b.exchange)
	}
	if present, ok := b.node.Peer(b.uuid); !ok || b.node.count(Exit, b.uuid) > 0 {
		b.t.Errorf("the good peer exited: %v", present)
	}
}

// exchanged sends a message in each direction.
func (b *bystander) exchanged() time.Duration {
	b.t.Helper()
	began := time.Now()
	b.sequence++
	content := fmt.Sprint("message ", b.sequence)
	b.send(msg.AppendWhisper(nil, b.sequence), []byte(content))
	b.node.wait(content, func(e Event) bool {
		return e.Kind == Whisper && e.Peer.UUID == b.uuid && string(e.Frames[0]) == content
	})
	if err := b.node.Whisper(b.t.Context(), b.uuid, []byte("x")); err != nil {
		b.t.Error(err)
	}
	b.expect(msg.Whisper)
	return time.Since(began)
}

// visited lets another peer enter and leave.
func (b *bystander) visited() time.Duration {
	b.t.Helper()
	began := time.Now()
	v := newFakePeer(b.t, b.node)
	v.send(v.hello(1, nil))
	v.send(msg.AppendWhisper(nil, 2), []byte("x"))
	b.node.waitKind(Whisper, v.uuid)
	v.expect(msg.Hello)
	took := time.Since(began)
	v.router.Close()
	v.hangUp()
	b.node.waitKind(Exit, v.uuid)
	return took
}

// count counts a peer's events of one kind.
func (r *testNode) count(kind Kind, id uuid.UUID) (count int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind && e.Peer.UUID == id {
			count++
		}
	}
	return count
}
