//go:build linux

package faultmatrix

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zre/go-zre/internal/testbed"
)

// eventLog is what one process reports about its peers, checked against what package zre promises. Events are ENTER, then others, then one
// EXIT. Of the messages that a speaker numbers, each kind separately, none is missing, late or repeated between the two, and none ever
// comes twice.
type eventLog struct {
	began time.Time

	mu      sync.Mutex
	byPeer  map[string]*peerLog // by UUID
	errors  []string
	summary []string // the story without the messages, for people
}

// peerLog is the part of a story that concerns one peer.
type peerLog struct {
	present bool
	enters  int
	exits   []string // their reasons
	groups  map[string]bool
	first   map[string]int // number of the first message ever, by kind ("whisper" or "shout")
	next    map[string]int // number after that of the last message
	started map[string]bool
}

// add adds an event.
func (s *eventLog) add(e testbed.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Event != "whisper" && e.Event != "shout" && e.Event != "error" {
		s.summary = append(s.summary, fmt.Sprintf("%6.3fs %v", time.Since(s.began).Seconds(), e))
	}
	if e.Peer == "" || e.Event == "problem" || e.Event == "error" || e.Event == "endpoint" { // of no session: a problem may be about a peer that never entered
		return
	}
	a := s.byPeer[e.Peer]
	if a == nil {
		a = &peerLog{first: make(map[string]int), next: make(map[string]int)}
		if s.byPeer == nil {
			s.byPeer = make(map[string]*peerLog)
		}
		s.byPeer[e.Peer] = a
	}
	if err := a.add(e); err != nil && len(s.errors) < 10 {
		s.errors = append(s.errors, fmt.Sprintf("%v: %v", err, e))
	}
}

func (a *peerLog) add(e testbed.Event) error {
	if e.Event == "enter" {
		if a.present {
			return fmt.Errorf("ENTER without an EXIT before")
		}
		a.present, a.groups, a.started = true, make(map[string]bool), make(map[string]bool)
		a.enters++
		return nil
	}
	if !a.present {
		return fmt.Errorf("event outside of ENTER and EXIT")
	}
	switch e.Event {
	case "exit":
		a.present = false
		a.exits = append(a.exits, e.Reason)
	case "join":
		if a.groups[e.Group] {
			return fmt.Errorf("JOIN twice")
		}
		a.groups[e.Group] = true
	case "leave":
		return fmt.Errorf("LEAVE that no node sent")
	case "whisper", "shout":
		return a.checkNumber(e)
	case "evasive", "silent", "state":
	default:
		return fmt.Errorf("unknown event")
	}
	return nil
}

// checkNumber checks the number of a message.
func (a *peerLog) checkNumber(e testbed.Event) error {
	if e.Event == "shout" && e.Group != group {
		return fmt.Errorf("SHOUT to another group")
	}
	if len(e.Text) != 2 || e.Text[1] != padding {
		return fmt.Errorf("message that no node sent")
	}
	n, err := strconv.Atoi(e.Text[0])
	if err != nil {
		return err
	}
	next, known := a.next[e.Event]
	if !known {
		a.first[e.Event] = n
	}
	a.next[e.Event] = max(n+1, next)
	isStarted := a.started[e.Event]
	a.started[e.Event] = true
	if n < next || isStarted && n != next {
		return fmt.Errorf("message %d where %d was due", n, next)
	}
	return nil
}

// about returns a copy of what is reported about a peer; the zero account if nothing is.
func (s *eventLog) about(uuid string) peerLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.byPeer[uuid]; a != nil {
		return peerLog{
			present: a.present, enters: a.enters, exits: slices.Clone(a.exits),
			groups: maps.Clone(a.groups), first: maps.Clone(a.first), next: maps.Clone(a.next), started: maps.Clone(a.started),
		}
	}
	return peerLog{}
}

// heard tells whether the messages up to these numbers have come from a peer that is present.
func (s *eventLog) heard(uuid string, whispers, shouts int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.byPeer[uuid]
	return a != nil && a.present && a.next["whisper"] == whispers && a.next["shout"] == shouts
}

// present returns the UUIDs of peers that are present and in the group.
func (s *eventLog) present() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]bool)
	for uuid, a := range s.byPeer {
		if a.present {
			all[uuid] = a.groups[group]
		}
	}
	return all
}

// String is the story without the messages.
func (s *eventLog) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.summary[max(0, len(s.summary)-50):], "\n")
}

// violations returns what was wrong so far.
func (s *eventLog) violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.errors)
}

// The checks can fail: each fault of a story is found.
func TestStory(t *testing.T) {
	say := func(event, number string) testbed.Event {
		return testbed.Event{Event: event, Peer: "p", Group: group, Text: []string{number, padding}}
	}
	enter, exit, join := say("enter", ""), say("exit", ""), say("join", "")
	foreign := say("shout", "0")
	foreign.Group = "another"
	for _, test := range []struct {
		name  string
		given []testbed.Event
		wrong string // "" for nothing
	}{
		{"all is well", []testbed.Event{enter, join, say("whisper", "0"), say("shout", "0"), say("whisper", "1"), exit, enter, join, say("whisper", "7")}, ""},
		{"of no peer", []testbed.Event{{Event: "ready"}, {Event: "peers"}}, ""},
		{"before ENTER", []testbed.Event{join}, "outside"},
		{"after EXIT", []testbed.Event{enter, exit, say("evasive", "")}, "outside"},
		{"ENTER twice", []testbed.Event{enter, enter}, "without an EXIT"},
		{"EXIT twice", []testbed.Event{enter, exit, exit}, "outside"},
		{"JOIN twice", []testbed.Event{enter, join, join}, "JOIN twice"},
		{"JOIN again in another session", []testbed.Event{enter, join, exit, enter, join}, ""},
		{"a gap", []testbed.Event{enter, say("whisper", "0"), say("whisper", "2")}, "message 2 where 1 was due"},
		{"a gap between sessions", []testbed.Event{enter, say("whisper", "0"), exit, enter, say("whisper", "2")}, ""},
		{"one twice", []testbed.Event{enter, say("shout", "0"), say("shout", "0")}, "message 0 where 1 was due"},
		{"one twice, in two sessions", []testbed.Event{enter, say("shout", "0"), exit, enter, say("shout", "0")}, "message 0 where 1 was due"},
		{"in disorder", []testbed.Event{enter, say("whisper", "1"), say("whisper", "0")}, "message 0 where 2 was due"},
		{"LEAVE", []testbed.Event{enter, join, say("leave", "")}, "no node sent"},
		{"another group", []testbed.Event{enter, foreign}, "another group"},
		{"damaged", []testbed.Event{enter, {Event: "whisper", Peer: "p", Text: []string{"0", padding[1:]}}}, "no node sent"},
		{"an unknown event", []testbed.Event{enter, say("dance", "")}, "unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s eventLog
			for _, e := range test.given {
				s.add(e)
			}
			got := strings.Join(s.violations(), "\n")
			if test.wrong == "" && got != "" || !strings.Contains(got, test.wrong) {
				t.Errorf("complaints: %q, want %q", got, test.wrong)
			}
		})
	}
}
