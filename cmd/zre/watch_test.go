package main

import (
	"testing"

	"github.com/go-zre/go-zre/zre"
)

// Changes of a peer have a line for people, too.
func TestWatchChanges(t *testing.T) {
	c := &cli{}
	peer := &zre.Peer{Name: "robot", Headers: map[string]string{"b": "2\x1b", "a": "1"}}
	for want, event := range map[string]zre.Event{
		"headers  robot  a=1, b=2\\x1b":  zre.HeaderChange{Peer: peer},
		"state    robot  processing":     zre.StateChange{Peer: peer, State: zre.StateProcessing},
		"join     robot  \"late shift\"": zre.Join{Peer: peer, Group: "late shift"},
	} {
		if got := c.eventText(nil, event); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
