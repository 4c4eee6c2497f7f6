package node

import (
	"fmt"

	"github.com/rs/zerolog"

	"github.com/go-zre/go-zre/beacon"
)

// Problems of our beacons. Package beacon tries on by itself, and logs each failure; here they become problems, one for each kind and
// interface.

// failing hears that what our beacons fail in has changed. The beacon's receiver calls it: it must not wait.
func (n *Node) failing() { signal(n.failures) }

// checkBeacons raises a problem for what our beacons fail in, and solves those that are over. It runs in the control loop.
func (n *Node) checkBeacons() {
	before := n.hindered
	n.hindered = make(map[problemKey]bool)
	failures := n.agent.Failures()
	for i := range failures {
		f := &failures[i]
		key, ok := problemOf(f)
		if !ok || n.hindered[key] {
			continue // the first one tells
		}
		n.hindered[key] = true
		n.problems.raiseAt(zerolog.DebugLevel, key.kind, key.about, nil, f)
	}
	for key := range before {
		if !n.hindered[key] {
			n.problems.solve(key.kind, key.about)
		}
	}
}

// problemOf tells which problem a failure is; none if the node works as it should all the same.
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
