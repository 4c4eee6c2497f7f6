package node

import (
	"slices"
	"sync/atomic"
)

// A roster lists the peers in one group. Node.mu guards it: lend needs it for reading, everything else for writing.
//
// A SHOUT reads the list after it has released mu. So the list grows in place, where no reader looks. Before a member is removed, the list is
// copied, but only if a reader has had it since the last copy. That costs no more than the SHOUT itself did.
type roster struct {
	group  string // its name; the peers in the group share the string
	list   []*session
	isLent atomic.Bool // a reader may still read list
}

// lend returns the members, in no particular order, for a reader that releases mu: the slice does not change. A nil roster has no members.
func (r *roster) lend() []*session {
	if r == nil {
		return nil
	}
	if !r.isLent.Load() {
		r.isLent.Store(true)
	}
	return slices.Clip(r.list)
}

// add adds a peer that is not a member, and returns its index.
func (r *roster) add(p *session) int {
	r.list = append(r.list, p)
	return len(r.list) - 1
}

// remove removes the member at an index. It returns the member that has moved to that index; nil if the removed one was the last.
func (r *roster) remove(index int) (moved *session) {
	last := len(r.list) - 1
	if small := cap(r.list) > 16 && last < cap(r.list)/4; small || r.isLent.Load() {
		r.list = append(make([]*session, 0, last+last/2+1), r.list...)
		r.isLent.Store(false)
	}
	if index != last {
		moved = r.list[last]
		r.list[index] = moved
	}
	r.list[last] = nil
	r.list = r.list[:last]
	return moved
}
