package eventqueue

import (
	"fmt"
	"time"
)

// ProblemKind says what a Problem is.
type ProblemKind uint8

// The kinds of problem. zre documents them.
const (
	ProblemUnreachable ProblemKind = iota + 1
	ProblemFlapping
	ProblemConflict
	ProblemAddressTaken
	ProblemTooManyPeers
	ProblemContradiction
	ProblemInterfaceMissing
	ProblemInterfacesUnknown
	ProblemBeaconPort
	ProblemBeacons
	ProblemNotAccepting
	ProblemDNS
	ProblemGossip
	ProblemRefused
	ProblemRefusedBy
	ProblemNoKey
	ProblemUnlisted
)

var problemNames = [...]string{
	ProblemUnreachable:       "unreachable",
	ProblemFlapping:          "flapping",
	ProblemConflict:          "conflict",
	ProblemAddressTaken:      "address taken",
	ProblemTooManyPeers:      "too many peers",
	ProblemContradiction:     "contradiction",
	ProblemInterfaceMissing:  "interface missing",
	ProblemInterfacesUnknown: "interfaces unknown",
	ProblemBeaconPort:        "beacon port",
	ProblemBeacons:           "beacons",
	ProblemNotAccepting:      "not accepting",
	ProblemDNS:               "DNS",
	ProblemGossip:            "gossip",
	ProblemRefused:           "refused",
	ProblemRefusedBy:         "refused by",
	ProblemNoKey:             "no key",
	ProblemUnlisted:          "unlisted",
}

// String returns the kind in words, such as "too many peers".
func (k ProblemKind) String() string {
	if int(k) < len(problemNames) && problemNames[k] != "" {
		return problemNames[k]
	}
	return fmt.Sprintf("problem %d", uint8(k))
}

// Problem is something that keeps the node from working as it should. zre.Problem documents the fields.
type Problem struct {
	Kind   ProblemKind
	About  string
	Peer   *Peer // nil if it is about none
	Err    error // nil if the kind says all
	Since  time.Time
	Solved bool
}
