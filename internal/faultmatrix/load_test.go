//go:build linux

package faultmatrix

import (
	"context"
	"time"
)

// load is what the nodes do meanwhile.
type load struct {
	name string
	// flood is how many messages each node whispers to each other, as fast as possible; it shouts half as many.
	flood int
	// chat means that each node whispers to each other now and then, all the time, and shouts.
	chat bool
	// slow means that the victim's application reads no events until its ending is over.
	slow bool
}

var loads = []load{
	{name: "idle"},
	{name: "chat", chat: true},
	{name: "flood", chat: true, flood: 2_000},
	{name: "slow-reader", chat: true, flood: 3_000, slow: true},
}

const (
	pace  = 100 * time.Millisecond // between two messages of a member
	burst = 200                    // whispers of a flood at a time, to each
)

// talk sends what the load asks for until the context ends.
func (m *member) talk(ctx context.Context, l load) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for flooded := 0; ; flooded += burst {
		switch {
		case flooded < l.flood:
			m.send(burst, burst/2)
		case l.chat:
			m.send(1, 1)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
