package main

import (
	"flag"
	"fmt"
	"strings"

	"github.com/go-zre/go-zre/zre"
)

// settable are the states that a node can be set to, and choices their names.
var settable = [...]zre.State{zre.StateInit, zre.StateError, zre.StateIdle, zre.StateReceiving, zre.StateProcessing}

const choices = "init, error, idle, receiving or processing"

// parseState gives the state of a name in upper or lower case.
func parseState(name string) (zre.State, error) {
	for _, state := range settable {
		if strings.EqualFold(name, state.String()) {
			return state, nil
		}
	}
	return zre.StateUnknown, fmt.Errorf("state %q: choose %s", name, choices)
}

// stateOf gives the name of a peer's state, or "" for peers that have none.
func stateOf(s zre.State) string {
	if s == zre.StateUnknown {
		return ""
	}
	return s.String()
}

// stateFlags adds the options about states.
func (c *pipeConfig) stateFlags(flags *flag.FlagSet) {
	const usage = "the `state` from the start: " + choices + "; or auto, by the work that the node has (default idle)"
	flags.Func("state", usage, func(s string) error {
		if s == "auto" {
			c.node = append(c.node, zre.WithAutoState())
			return nil
		}
		state, err := parseState(s)
		if err != nil {
			return fmt.Errorf("choose %s, or auto", choices)
		}
		c.state = &state
		return nil
	})
	const broadcast = "beacons with a state by broadcast, in place of RFC 36's; IT KILLS PYRE: every pyre node that hears one dies"
	switchFlag(flags, "state-by-broadcast", broadcast, c.optionIf(zre.WithStateByBroadcast()))
}
