package main

import (
	"fmt"
	"strings"

	"github.com/go-zre/go-zre/zre"
)

// settable are the states that a node can be set to; choices are their names.
var settable = [...]zre.State{zre.StateInit, zre.StateError, zre.StateIdle, zre.StateReceiving, zre.StateProcessing}

const stateChoices = "init, error, idle, receiving or processing"

// parseState returns the state with a name, in upper or lower case.
func parseState(name string) (zre.State, error) {
	for _, state := range settable {
		if strings.EqualFold(name, state.String()) {
			return state, nil
		}
	}
	return zre.StateUnknown, fmt.Errorf("state %q: choose %s", name, stateChoices)
}

// stateName returns the name of a peer's state, or "" if the peer has none.
func stateName(s zre.State) string {
	if s == zre.StateUnknown {
		return ""
	}
	return s.String()
}

func stateNames() (names []string) {
	for _, state := range settable {
		names = append(names, state.String())
	}
	return names
}
