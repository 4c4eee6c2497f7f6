package node

import (
	"fmt"

	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/beacon"
)

// Problems of our beacons. Package beacon retries by itself and logs each failure. Here failures become problems, one for each kind and
// interface.

// signalFailures signals that the failures of our beacons have changed. The beacon's receiver calls it, so it must not block.
func (n *Node) signalFailures() { signal(n.failures) }

// checkBeacons raises a problem for each failure of our beacons, and solves those that are over. It runs in the control loop.
func (n *Node) checkBeacons() {
	before := n.beaconProblems
	n.beaconProblems = make(map[problemKey]bool)
	failures := n.agent.Failures()
	for i := range failures {
		f := &failures[i]
		key, ok := problemOf(f)
		if !ok || n.beaconProblems[key] {
			continue // the first failure is reported
		}
		n.beaconProblems[key] = true
		n.problems.raiseAt(zerolog.DebugLevel, key.kind, key.about, nil, f)
	}
	for key := range before {
		if !n.beaconProblems[key] {
			n.problems.solve(key.kind, key.about)
		}
	}
}

// problemOf returns the problem that a failure causes; none if the node still works as it should.
func problemOf(f *beacon.Failure) (key problemKey, ok bool) {
	switch f.Op {
	case beacon.OpWatch:
		return problemKey{}, false
	case beacon.OpChoose:
		return problemKey{ProblemInterfaceMissing, f.Interface}, true
	case beacon.OpList:
		return problemKey{kind: ProblemInterfacesUnknown}, true
	case beacon.OpListen:
		if !f.Dst.IsValid() {
			return problemKey{kind: ProblemBeaconPort}, true
		}
		return problemKey{ProblemBeaconPort, fmt.Sprint("UDP port ", f.Dst.Port())}, true
	}
	return problemKey{ProblemBeacons, f.Interface}, true
}
