//go:build linux

package faultmatrix

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// cell is one cell of the matrix: three nodes, of which the victim is behind a bad cable.
type cell struct {
	fault  fault
	load   load
	ending ending

	t       testing.TB
	random  *rand.Rand
	lan     *testbed.LAN
	wire    *testbed.Wire
	members []*member
	victim  *member   // the last of them
	began   time.Time // the zero point of the logs

	talking     sync.WaitGroup
	stopTalking context.CancelFunc // ends the talk
}

// convergeTimeout is how long nodes may take to agree on who is present, once the fault is healed and the ending is over. TCP may not try again for
// 13 seconds after a partition of 12.
const convergeTimeout = 60 * time.Second

func (c *cell) run(t *testing.T) {
	c.t = t
	t.Cleanup(func() {
		if t.Failed() {
			c.logReports()
		}
	})
	c.startNodes()
	fault := c.logStep("the fault begins")
	c.fault.begin(c)
	c.waitUntil(fault, c.endingAt())
	if c.fault.losesPeers {
		c.waitForLoss()
	}
	ending := c.logStep("the ending begins")
	c.ending.begin(c)
	if c.fault.heal != nil {
		c.waitUntil(fault, c.fault.duration)
		c.logStep("the fault heals")
		c.fault.heal(c)
	}
	if c.ending.finish != nil {
		c.ending.finish(c, ending)
	}
	healed := c.logStep("the ending is over")
	c.victim.current().peer.Resume()
	c.converge(healed.Add(convergeTimeout))
	c.check()
	results.add(c, time.Since(healed))
}

// startNodes lets the three meet, and starts the talk.
func (c *cell) startNodes() {
	hash := fnv.New64a()
	hash.Write([]byte(c.String()))
	c.random = rand.New(rand.NewPCG(*seedFlag, hash.Sum64()))
	c.lan = testbed.NewLAN(c.t, "")
	newMember(c, "a", c.lan.Host("a"))
	newMember(c, "b", c.lan.Host("b"))
	host, wire := c.lan.WiredHost("v", c.random.Uint64())
	c.victim, c.wire = newMember(c, "v", host), wire
	c.began = time.Now()
	for _, m := range c.members {
		m.start(m.options())
	}
	c.waitUntilNone("the three nodes do not meet", time.Now().Add(testbed.Patience), c.presenceErrors)
	if c.load.slow {
		c.victim.current().peer.Pause()
	}
	ctx, hush := context.WithCancel(context.Background())
	c.stopTalking = func() {
		hush()
		c.talking.Wait()
	}
	c.t.Cleanup(c.stopTalking)
	for _, m := range c.members {
		c.talking.Go(func() { m.talk(ctx, c.load) })
	}
}

// logStep logs what is done now.
func (c *cell) logStep(what string) time.Time {
	now := time.Now()
	c.t.Logf("%6.3fs %s", now.Sub(c.began).Seconds(), what)
	return now
}

// logReports logs what a person needs to know about a failed cell.
func (c *cell) logReports() {
	for _, m := range c.members {
		for i, l := range m.allProcesses() {
			c.t.Logf("what %s (process %d, %s) reported, without messages:\n%s", m.name, i, l.peer.UUID, &l.events)
		}
	}
	c.t.Logf("to repeat it:\n%s", c.command())
}

// waitUntil lets time pass, until d after a moment.
func (c *cell) waitUntil(since time.Time, d time.Duration) { <-time.After(time.Until(since.Add(d))) }

// waitUntilNone waits until nothing is wrong any more. The test fails if that takes too long.
func (c *cell) waitUntilNone(what string, deadline time.Time, wrong func() []string) {
	c.t.Helper()
	for list := wrong(); len(list) > 0; list = wrong() {
		if time.Now().After(deadline) {
			c.t.Fatalf("%s:\n%s", what, strings.Join(list, "\n"))
		}
		<-time.After(20 * time.Millisecond)
	}
}

// waitForLoss waits until the two others have lost the victim: on a busy machine that may take longer than its timers say.
func (c *cell) waitForLoss() {
	c.t.Helper()
	c.waitUntilNone("the others do not lose the victim", time.Now().Add(testbed.Patience), func() (wrong []string) {
		for _, m := range c.members[:2] {
			if len(m.current().events.about(c.victim.current().peer.UUID).exits) == 0 {
				wrong = append(wrong, m.name+" still sees "+c.victim.name)
			}
		}
		return wrong
	})
}

// live returns the members with a running process.
func (c *cell) live() (list []*member) {
	for _, m := range c.members {
		if m.isAlive() {
			list = append(list, m)
		}
	}
	return list
}

// presenceErrors reports live members that do not see another live member, or see any other node.
func (c *cell) presenceErrors() (wrong []string) {
	for _, m := range c.live() {
		present := m.current().events.present()
		for _, o := range c.live() {
			if o == m {
				continue
			}
			switch in, ok := present[o.current().peer.UUID]; {
			case !ok:
				wrong = append(wrong, fmt.Sprintf("%s does not see %s", m.name, o.name))
			case !in:
				wrong = append(wrong, fmt.Sprintf("%s does not see %s in the group", m.name, o.name))
			}
			delete(present, o.current().peer.UUID)
		}
		for uuid := range present {
			wrong = append(wrong, fmt.Sprintf("%s still sees %s", m.name, uuid))
		}
	}
	return wrong
}

// missingMessages reports live members that have not heard everything that another one sent, in the current session.
func (c *cell) missingMessages() (wrong []string) {
	for _, m := range c.live() {
		for _, o := range c.live() {
			if o == m {
				continue
			}
			whispers, shouts := o.sentTo(m)
			if !m.current().events.heard(o.current().peer.UUID, whispers, shouts) {
				a := m.current().events.about(o.current().peer.UUID)
				wrong = append(wrong, fmt.Sprintf("%s heard %s up to %v; it said %d and %d", m.name, o.name, a.next, whispers, shouts))
			}
		}
	}
	return wrong
}

// converge waits until the live members see and hear each other.
func (c *cell) converge(deadline time.Time) {
	c.t.Helper()
	c.waitUntilNone("the nodes do not agree on which of them are present", deadline, c.presenceErrors)
	c.stopTalking()
	for {
		for _, m := range c.live() {
			m.send(1, 1)
		}
		// Messages just before they met again may be lost, with the earlier sessions: then they speak once more.
		retryAt := time.Now().Add(5 * time.Second)
		if retryAt.After(deadline) {
			c.waitUntilNone("the nodes do not receive each other's messages", deadline, c.missingMessages)
			break
		}
		for len(c.missingMessages()) > 0 && time.Now().Before(retryAt) {
			<-time.After(20 * time.Millisecond)
		}
		if len(c.missingMessages()) == 0 {
			break
		}
	}
	c.waitUntilNone("the nodes lost each other again", deadline, c.presenceErrors)
}
