//go:build linux

package faultmatrix

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

const (
	group   = "ALL"
	expired = 6 * time.Second // twice as long as the short partition, half as long as the long one
)

// padding makes messages of a usual size.
var padding = strings.Repeat("x", 60)

// member is one of the three, through all its processes. Its messages are numbered continuously: its whispers to each other member, and its
// shouts.
type member struct {
	cell *cell
	name string
	host *testbed.Host

	mu        sync.Mutex
	processes []*process
	alive     bool // the last of them
	whispers  map[*member]int
	shouts    int
}

// process is a process of a member.
type process struct {
	peer   *testbed.Peer
	events eventLog
	ended  chan struct{} // closed when the process is over and the story complete
}

func newMember(c *cell, name string, host *testbed.Host) *member {
	m := &member{cell: c, name: name, host: host, whispers: make(map[*member]int)}
	c.members = append(c.members, m)
	return m
}

func (m *member) options() testbed.Options {
	return testbed.Options{
		Name: m.name, Groups: []string{group},
		Interval: 250 * time.Millisecond, Evasive: expired / 4, Expired: expired,
		Expected: m.mayFail,
	}
}

// mayFail allows errors of messages to an absent peer, if peers may be lost, and of messages that were not sent before the end.
func (m *member) mayFail(e testbed.Event) bool {
	for _, o := range m.cell.members {
		for _, l := range o.allProcesses() {
			if strings.Contains(e.Error, l.peer.UUID) {
				lost := e.Messages > 0 && !(m.cell.fault.keepsPeers && m.cell.fault.deliversFarewell) // what it could not send before its end
				return (m == m.cell.victim || o == m.cell.victim) && (lost || strings.Contains(e.Error, "no such peer"))
			}
		}
	}
	return false
}

// start begins a life.
func (m *member) start(options testbed.Options) {
	m.cell.t.Helper()
	l := &process{peer: testbed.Start(m.cell.t, m.host, testbed.Zre, options), ended: make(chan struct{})}
	l.events.began = m.cell.began
	go func() {
		defer close(l.ended)
		l.peer.Try(testbed.Event{}, time.Hour, func(e testbed.Event) bool { l.events.add(e); return false })
	}()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.processes, m.alive = append(m.processes, l), true
}

// markEnding notes that the process is to end; what it is sent from here on may be lost.
func (m *member) markEnding() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.alive = false
	return m.processes[len(m.processes)-1]
}

func (m *member) kill() {
	l := m.markEnding()
	l.peer.Kill()
	<-l.ended
}

func (m *member) quit() {
	l := m.markEnding()
	l.peer.Resume()
	l.peer.Quit(m.cell.t)
	<-l.ended
}

// current returns the process, or the last one.
func (m *member) current() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.processes[len(m.processes)-1]
}

func (m *member) isAlive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alive
}

// allProcesses returns all its processes.
func (m *member) allProcesses() []*process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.processes)
}

// send whispers to each other member, and shouts. It waits while the process is too busy to take that.
func (m *member) send(whispers, shouts int) {
	listeners := make(map[*member]string)
	for _, o := range m.cell.members {
		if o != m {
			listeners[o] = o.current().peer.UUID
		}
	}
	m.mu.Lock()
	if !m.alive {
		m.mu.Unlock()
		return
	}
	peer := m.processes[len(m.processes)-1].peer
	var commands []testbed.Command
	text := func(n int) []string { return []string{strconv.Itoa(n), padding} }
	for o, uuid := range listeners {
		for range whispers {
			commands = append(commands, testbed.Command{Cmd: "whisper", Peer: uuid, Text: text(m.whispers[o])})
			m.whispers[o]++
		}
	}
	for range shouts {
		commands = append(commands, testbed.Command{Cmd: "shout", Group: group, Text: text(m.shouts)})
		m.shouts++
	}
	m.mu.Unlock()
	if err := peer.Send(commands...); err != nil && m.isAlive() && m.current().peer == peer {
		m.cell.t.Error(err)
	}
}

// sentTo returns how much was sent to another member.
func (m *member) sentTo(to *member) (whispers, shouts int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.whispers[to], m.shouts
}
