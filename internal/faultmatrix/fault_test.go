//go:build linux

package faultmatrix

import (
	"net/netip"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// fault is what happens to the victim's network.
type fault struct {
	name     string
	begin    func(c *cell)
	heal     func(c *cell) // nil: it lasts to the end of the cell
	duration time.Duration // until it heals
	// keepsPeers means that it is no reason to lose a peer.
	keepsPeers bool
	// losesPeers means that the others have lost the victim before its ending comes, because it was silent for too long.
	losesPeers bool
	// deliversFarewell means that a GOODBYE sent meanwhile is heard.
	deliversFarewell bool
}

// endingAt returns when the ending comes, after the beginning of the fault: at a random moment of it, or late if the fault severs.
func (c *cell) endingAt() time.Duration {
	switch {
	case c.fault.losesPeers:
		return expired
	case c.fault.heal == nil:
		return time.Duration(c.random.Int64N(int64(2 * time.Second)))
	}
	return time.Duration(c.random.Int64N(int64(c.fault.duration)))
}

var faults = []fault{
	cableFault("loss", testbed.Trouble{Loss: 0.1}),
	cableFault("delay", testbed.Trouble{Delay: 100 * time.Millisecond, Jitter: 50 * time.Millisecond}),
	cableFault("reorder", testbed.Trouble{Reorder: 0.2}),
	cableFault("duplicate", testbed.Trouble{Duplicate: 0.2}),
	{name: "one-way", begin: blockOneWay, heal: unblock, duration: 8 * time.Second},
	{name: "partition-3s", begin: partition, heal: unblock, duration: 3 * time.Second, keepsPeers: true},
	{name: "partition-12s", begin: partition, heal: unblock, duration: 12 * time.Second, losesPeers: true},
	{
		name:     "link-down",
		begin:    func(c *cell) { c.victim.host.Link(false) },
		heal:     func(c *cell) { c.victim.host.Link(true) },
		duration: 2 * time.Second, keepsPeers: true,
	},
	{
		name:             "address-change",
		begin:            func(c *cell) { c.victim.host.Readdress(c.lan.Address()) },
		deliversFarewell: true,
	},
	{
		name: "second-address",
		begin: func(c *cell) {
			c.victim.host.AddAddress(c.lan.Address())
			c.victim.host.AddAddress(netip.MustParsePrefix("192.168.99.7/24")) // of a subnet that the others are not in
		},
		keepsPeers: true, deliversFarewell: true,
	},
}

// cableFault is a lasting fault of the cable.
func cableFault(name string, trouble testbed.Trouble) fault {
	return fault{name: name, begin: func(c *cell) { c.wire.Set(trouble) }, keepsPeers: true, deliversFarewell: true}
}

func blockOneWay(c *cell) {
	out := c.random.IntN(2) == 0
	c.t.Logf("blocked from the victim: %v, to the victim: %v", out, !out)
	c.wire.Block(out, !out)
}

func partition(c *cell) { c.wire.Block(true, true) }
func unblock(c *cell)   { c.wire.Block(false, false) }
