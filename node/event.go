package node

import "github.com/go-zre/go-zre/internal/eventqueue"

// What Take returns, and the views of the peers, are of the queue's own types.
type (
	// Event is what the application hears of a peer.
	Event = eventqueue.Event

	// Kind says what an Event tells.
	Kind = eventqueue.Kind

	// Reason says why a peer exited.
	Reason = eventqueue.Reason

	// Peer is what is known of a peer at one moment.
	Peer = eventqueue.Peer

	// Problem is something that keeps the node from working as it should.
	Problem = eventqueue.Problem

	// ProblemKind says what a Problem is.
	ProblemKind = eventqueue.ProblemKind
)

// The kinds of problem.
const (
	ProblemUnreachable       = eventqueue.ProblemUnreachable
	ProblemFlapping          = eventqueue.ProblemFlapping
	ProblemConflict          = eventqueue.ProblemConflict
	ProblemAddressTaken      = eventqueue.ProblemAddressTaken
	ProblemTooManyPeers      = eventqueue.ProblemTooManyPeers
	ProblemContradiction     = eventqueue.ProblemContradiction
	ProblemInterfaceMissing  = eventqueue.ProblemInterfaceMissing
	ProblemInterfacesUnknown = eventqueue.ProblemInterfacesUnknown
	ProblemBeaconPort        = eventqueue.ProblemBeaconPort
	ProblemBeacons           = eventqueue.ProblemBeacons
	ProblemNotAccepting      = eventqueue.ProblemNotAccepting
	ProblemDNS               = eventqueue.ProblemDNS
	ProblemGossip            = eventqueue.ProblemGossip
	ProblemRefused           = eventqueue.ProblemRefused
	ProblemRefusedBy         = eventqueue.ProblemRefusedBy
	ProblemNoKey             = eventqueue.ProblemNoKey
	ProblemUnlisted          = eventqueue.ProblemUnlisted
)

// The kinds of event.
const (
	Enter            = eventqueue.Enter
	Exit             = eventqueue.Exit
	Join             = eventqueue.Join
	Leave            = eventqueue.Leave
	Whisper          = eventqueue.Whisper
	Shout            = eventqueue.Shout
	Evasive          = eventqueue.Evasive
	Silent           = eventqueue.Silent
	State            = eventqueue.State
	Leader           = eventqueue.Leader
	HeadersChanged   = eventqueue.HeadersChanged
	EndpointsChanged = eventqueue.EndpointsChanged
	ProblemChanged   = eventqueue.ProblemChanged
	Request          = eventqueue.Request
)

// The reasons of an Exit.
const (
	Left          = eventqueue.Left
	Crashed       = eventqueue.Crashed
	Expired       = eventqueue.Expired
	LostMessages  = eventqueue.LostMessages
	Replaced      = eventqueue.Replaced
	NotResponding = eventqueue.NotResponding
	Unreachable   = eventqueue.Unreachable
	Refused       = eventqueue.Refused
)
