package beacon

import (
	"fmt"
	"strings"
)

// A State says what a node is doing, in the last octet of a state beacon.
type State uint8

// The states of a node. Unknown is never sent: it is the state of a peer whose beacons have no state octet.
const (
	Init       State = 0 // starting
	Error      State = 1 // in trouble
	Exit       State = 2 // leaving: peers drop the node at once
	Idle       State = 3 // ready, with nothing to do
	Receiving  State = 4 // taking in work
	Processing State = 5 // busy
	Unknown    State = 255
)

var stateNames = [...]string{"init", "error", "exit", "idle", "receiving", "processing"}

// valid tells whether s can be sent.
func (s State) valid() bool { return int(s) < len(stateNames) }

// String returns the state's name in lower case, as in "idle".
func (s State) String() string {
	switch {
	case s.valid():
		return stateNames[s]
	case s == Unknown:
		return "unknown"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// ParseState returns the state of that name, in upper or lower case. Only states that can be sent have a name here: "unknown" is an error.
func ParseState(name string) (State, error) {
	for s, n := range stateNames {
		if strings.EqualFold(n, name) {
			return State(s), nil
		}
	}
	return Unknown, fmt.Errorf("beacon: state %q is none of %s", name, strings.Join(stateNames[:], ", "))
}
