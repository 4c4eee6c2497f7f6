//go:build linux

package faultmatrix

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// record collects what was seen, for docs/reliability.md.
type record struct {
	mu   sync.Mutex
	seen map[[2]string]map[string]bool // by fault and ending: what the others were told about the victim
	slow time.Duration
	last string
}

var results = record{seen: make(map[[2]string]map[string]bool)}

// add adds a finished cell, and the time that it took to converge.
func (r *record) add(c *cell, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := [2]string{c.fault.name, c.ending.name}
	if r.seen[key] == nil {
		r.seen[key] = make(map[string]bool)
	}
	for _, m := range c.members[:2] {
		exits := m.current().events.about(c.victim.allProcesses()[0].peer.UUID).exits
		seen := cmp.Or(strings.Join(exits, "+"), "no EXIT")
		r.seen[key][seen] = true
		c.t.Logf("%s saw of %s: %s", m.name, c.victim.name, seen)
	}
	if took > r.slow {
		r.slow, r.last = took, c.String()
	}
	c.t.Logf("well after %v", took.Round(time.Millisecond))
}

// table returns what was seen, in Markdown.
func (r *record) table() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s strings.Builder
	fmt.Fprintf(&s, "slowest: %s, %v\n| fault |", r.last, r.slow.Round(time.Millisecond))
	for _, e := range endings {
		fmt.Fprintf(&s, " %s |", e.name)
	}
	fmt.Fprintf(&s, "\n|---|%s\n", strings.Repeat("---|", len(endings)))
	for _, f := range faults {
		fmt.Fprintf(&s, "| %s |", f.name)
		for _, e := range endings {
			fmt.Fprintf(&s, " %s |", strings.Join(slices.Sorted(maps.Keys(r.seen[[2]string{f.name, e.name}])), ", "))
		}
		s.WriteString("\n")
	}
	return s.String()
}
