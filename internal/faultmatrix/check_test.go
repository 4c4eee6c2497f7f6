//go:build linux

package faultmatrix

import (
	"slices"
	"strings"
)

// maxExits is how often a node may lose the victim, or the victim a node, in a cell.
const maxExits = 4

// check judges the reports of all processes.
func (c *cell) check() {
	c.t.Helper()
	for _, m := range c.members {
		for i, l := range m.allProcesses() {
			for _, complaint := range l.events.violations() {
				c.t.Errorf("%s (process %d) reported: %s", m.name, i, complaint)
			}
			for _, o := range c.members {
				for j, p := range o.allProcesses() {
					if o != m {
						c.checkReports(m, o, l, p, i+j == 0)
					}
				}
			}
		}
		if m.isAlive() {
			c.checkPeers(m)
		}
	}
}

// checkReports checks what a process l of member m reported about a process p of member o.
func (c *cell) checkReports(m, o *member, l, p *process, bothFirst bool) {
	c.t.Helper()
	a := l.events.about(p.peer.UUID)
	report := func(what string) {
		c.t.Helper()
		c.t.Errorf("%s %s %s: %d ENTER, EXIT %q", m.name, what, o.name, a.enters, a.exits)
	}
	for _, reason := range a.exits {
		if !slices.Contains(c.reasons(m, o), reason) {
			report("has an unexpected reason for the EXIT of")
			break
		}
	}
	if len(a.exits) > maxExits {
		report("loses again and again")
	}
	if m != c.victim && o != c.victim && (a.enters != 1 || len(a.exits) > 0) {
		report("lost, though nothing happened to either,")
	}
	if a.enters == 1 && p.events.about(l.peer.UUID).enters == 1 && bothFirst {
		for kind, first := range a.first {
			if first != 0 {
				c.t.Errorf("%s heard %s from %s from number %d on, all in one session", m.name, kind, o.name, first)
			}
		}
	}
	if o == c.victim && p == o.allProcesses()[0] && !c.allowsExits(a.exits) {
		report("got other events than expected of")
	}
	if m == c.victim && c.fault.keepsPeers && c.ending.name != "freeze" && bothFirst && len(a.exits) > 0 {
		report("lost, before it ended itself,")
	}
}

// allowsExits tells whether the two others may see the victim's first process exit for these reasons, in this order.
func (c *cell) allowsExits(reasons []string) bool {
	switch {
	case c.fault.losesPeers:
		return len(reasons) > 0 && reasons[0] == "expired"
	case c.fault.keepsPeers:
		return c.ending.exits(c, reasons)
	case c.fault.deliversFarewell && c.ending.name == "stop":
		return len(reasons) > 0 && (reasons[len(reasons)-1] == "left" || reasons[len(reasons)-1] == "lost messages")
	}
	return len(reasons) > 0 || c.ending.name == "freeze"
}

// reasons returns those that member m may report for the EXIT of member o.
func (c *cell) reasons(m, o *member) []string {
	switch {
	case m != c.victim && o != c.victim:
		return nil
	case o == c.victim && c.ending.name == "stop":
		return []string{"left", "lost messages", "crashed", "expired", "replaced"}
	}
	reasons := []string{"crashed", "expired", "replaced"}
	if c.fault.name == "one-way" { // what it sends is not acknowledged, and the other one is heard
		reasons = append(reasons, "unreachable")
	}
	return reasons
}

// checkPeers compares the answer to the command peers with the live members.
func (c *cell) checkPeers(m *member) {
	c.t.Helper()
	var got, want []string
	for _, known := range m.current().peer.Peers(c.t) {
		got = append(got, known.Peer+" "+strings.Join(known.Groups, " "))
	}
	for _, o := range c.live() {
		if o != m {
			want = append(want, o.current().peer.UUID+" "+group)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.t.Errorf("%s knows %q, want %q", m.name, got, want)
	}
}
