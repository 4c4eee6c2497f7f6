package node

import (
	"slices"
	"sync/atomic"
)

// A roster lists the peers in one group. Node.mu guards it; lend needs it for reading, all else for writing.
//
// A SHOUT reads the list after it has let go of mu. So the list grows in place, where no reader looks, and is copied before a member is
// taken out of it only if a reader has had it since it was last copied. That costs no more than the SHOUT itself did.
type roster struct {
	group string // its name; the peers in the group share the string
	list  []*session
	lent  atomic.Bool // a reader may still read list
}

// lend returns the members, in no particular order, for a reader that lets go of mu: the slice does not change. A nil roster has none.
func (r *roster) lend() []*session {
	if r == nil {
		return nil
	}
	if !r.lent.Load() {
		r.lent.Store(true)
	}
	return slices.Clip(r.list)
}

// add adds a peer that is not a member, and returns its place.
func (r *roster) add(p *session) int {
	r.list = append(r.list, p)
	return len(r.list) - 1
}

// remove takes out the member at a place. It returns the one that is there now, nil if it was the last.
func (r *roster) remove(place int) (moved *session) {
	last := len(r.list) - 1
	if small := cap(r.list) > 16 && last < cap(r.list)/4; small || r.lent.Load() {
		r.list = append(make([]*session, 0, last+last/2+1), r.list...)
		r.lent.Store(false)
	}
	if place != last {
		moved = r.list[last]
		r.list[place] = moved
	}
	r.list[last] = nil
	r.list = r.list[:last]
	return moved
}
