package node

import "github.com/go-zre/go-zre/internal/eventqueue"

// The events that Take returns, and the snapshots of peers, use the queue's own types.
type (
	// Event is what the application learns about a peer.
	Event = eventqueue.Event

	// Kind is the kind of an Event.
	Kind = eventqueue.Kind

	// Reason is the reason why a peer exited.
	Reason = eventqueue.Reason

	// Peer is a snapshot of what is known about a peer.
	Peer = eventqueue.Peer

	// Problem is something that keeps the node from working as it should.
	Problem = eventqueue.Problem

	// ProblemKind is the kind of a Problem.
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
