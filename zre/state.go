package zre

import "github.com/go-zre/go-zre/beacon"

// State says what a node is doing (Node.SetState). Nodes of other implementations have none, and show as StateUnknown.
type State uint8

// The states.
const (
	StateInit       State = State(beacon.Init)       // not started yet
	StateError      State = State(beacon.Error)      // in trouble
	StateExit       State = State(beacon.Exit)       // leaving; Close sends it, SetState cannot
	StateIdle       State = State(beacon.Idle)       // ready for work, with nothing to do
	StateReceiving  State = State(beacon.Receiving)  // taking in work
	StateProcessing State = State(beacon.Processing) // busy
	StateUnknown    State = State(beacon.Unknown)    // of a peer that tells none; never sent
)

// String returns the state in lower case, such as "idle".
func (s State) String() string { return beacon.State(s).String() }
