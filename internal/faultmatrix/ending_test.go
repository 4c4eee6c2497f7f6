//go:build linux

package faultmatrix

import (
	"strings"
	"time"
)

// ending is what becomes of the victim's process while its network has a fault.
type ending struct {
	name   string
	begin  func(c *cell)
	finish func(c *cell, began time.Time) // after the fault healed; may be nil
	// exits tells whether the two others may see the victim's first process exit for these reasons, with a gentle fault.
	exits func(c *cell, reasons []string) bool
}

var endings = []ending{
	{name: "stop", begin: func(c *cell) { c.victim.quit() }, exits: func(c *cell, reasons []string) bool {
		return len(reasons) == 1 && (reasons[0] == "left" || !c.fault.deliversFarewell)
	}},
	{name: "kill", begin: func(c *cell) { c.victim.kill() }, exits: killed},
	{name: "freeze", begin: freeze, finish: thaw, exits: func(c *cell, reasons []string) bool {
		return len(reasons) > 0 && reasons[0] == "expired" || len(reasons) == 0 && !c.mustLoseVictim()
	}},
	{name: "same-port", begin: restartOnSamePort, exits: killed},
	{name: "same-uuid", begin: restartWithSameUUID, exits: func(_ *cell, reasons []string) bool { return len(reasons) > 0 }},
}

func killed(_ *cell, reasons []string) bool {
	return len(reasons) == 1 && (reasons[0] == "crashed" || reasons[0] == "expired")
}

// freezeTime is longer than peers wait for a sign of life.
const freezeTime = 8 * time.Second

func freeze(c *cell) { c.victim.current().peer.Stop() }

func thaw(c *cell, began time.Time) {
	c.waitUntil(began, freezeTime)
	if c.mustLoseVictim() {
		c.waitForLoss()
	}
	c.victim.current().peer.Continue()
}

// mustLoseVictim tells whether the others are sure to lose a frozen victim: what it had sent before, and TCP still delivers, may keep it alive.
func (c *cell) mustLoseVictim() bool {
	return c.fault.deliversFarewell && (c.fault.name != "loss" || c.load.flood == 0) || c.load.name == "idle"
}

// The successor is another node, but is found where its predecessor was.
func restartOnSamePort(c *cell) {
	endpoint := c.victim.current().peer.Endpoint
	c.victim.kill()
	options := c.victim.options()
	options.Args = []string{"--listen", "tcp://*" + endpoint[strings.LastIndexByte(endpoint, ':'):]}
	c.victim.start(options)
}

// The successor is the same node, but is found elsewhere.
func restartWithSameUUID(c *cell) {
	options := c.victim.options()
	options.UUID = c.victim.current().peer.UUID
	c.victim.kill()
	c.victim.start(options)
}
