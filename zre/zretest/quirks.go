package zretest

import "time"

// An Implementation names a foreign implementation of ZRE that a [Foreign] behaves like.
type Implementation string

// The implementations that [NewForeign] knows.
const (
	Zyre   Implementation = "zyre"    // the one in C, https://github.com/zeromq/zyre
	Pyre   Implementation = "pyre"    // the one in Python
	ZyreJS Implementation = "zyre.js" // the one in Node.js
)

// quirks lists the differences between implementations. Otherwise the three are one program, and all of them use libzmq, whose sockets are in
// internal/libzmq.
//
// The sources: zyre_node.c and zyre_peer.c of C zyre d8370f7, pyre_node.py and pyre_peer.py of pyre 0.3.4, zyre_node.js,
// zyre_peer.js and zyre_peers.js of zyre.js 1.3.0. Package internal/interop checks the models against the programs
// themselves, message by message.
type quirks struct {
	// evasive and expired are the timeouts. C zyre and pyre check once a second and PING each time while a peer is evasive. zyre.js has
	// timers and PINGs once.
	evasive, expired time.Duration
	pingsOnce        bool

	// beaconsKeepAlive: a beacon is a sign of life. For C zyre only messages are, so it PINGs an idle peer every 5 seconds.
	beaconsKeepAlive bool

	// filter says which of the beacons at its UDP port it accepts.
	filter beaconFilter

	// sequenceNumbers is how many sequence numbers there are: pyre and zyre.js go from 65534 to 0.
	sequenceNumbers uint32

	// needsHello: messages of a peer before its HELLO are ignored. A HELLO of a peer that has already sent HELLO removes the peer and starts
	// anew: EXIT, another DEALER, a HELLO of its own, ENTER. A HELLO other than the first message of a sequence ends in EXIT.
	//
	// zyre.js has no such rule. It accepts any message with the next sequence number, even from a peer that it knows only by a beacon. A
	// HELLO is a message like any other, so a second one, with sequence 1, is a gap: EXIT, the DEALER is closed, and there is no answer. The
	// peer's next beacon, or its next HELLO, makes it a new peer, which is greeted.
	needsHello bool

	// helloResetsCount: a HELLO must have number 1, whatever came before. pyre intends that too, but a slip makes it continue to count, so a
	// peer whose DEALER it gave up for its high-water mark enters only at the second HELLO.
	helloResetsCount bool

	// connectsBeforeClosing: when a peer starts anew, the new DEALER connects before the old one is closed. In pyre the old object lives as long as a
	// variable refers to it.
	connectsBeforeClosing bool

	// purge is what happens to a peer when another UUID turns up at its endpoint.
	purge purge

	// highWater is how many messages a DEALER holds before one more disconnects it for good (EAGAIN); 0 means no limit.
	highWater int

	// firstPort is where the search for a free port begins. czmq and zyre.js take the first from 49152 up, so a program that restarts gets
	// its old port. pyre takes a random port.
	firstPort uint16

	// bindsAll: the ROUTER listens on all addresses, not only on the address of its interface.
	bindsAll bool

	// firstFrameOnly: only the first frame of a message is passed up. ownGroupsOnly: a SHOUT to a group that it has not joined is not passed up.
	firstFrameOnly, ownGroupsOnly bool

	// statusNumbers is how many values the count of joins and leaves has.
	statusNumbers int

	// diesOfBadEndpoint: it dies of a HELLO with an endpoint that it cannot connect to, if no beacon announced the peer.
	diesOfBadEndpoint bool

	// diesOfBadStatus: the process dies of a JOIN or LEAVE with a wrong status. diesOfBeaconLength: it dies of a beacon that does not have 22
	// bytes. diesOfNoContent: it dies of a WHISPER or SHOUT without content, or mixes up its events.
	diesOfBadStatus, diesOfBeaconLength, diesOfNoContent bool

	// elects: it takes part in elections. Among the others, pyre and zyre.js drop a peer that sends ELECT or LEADER.
	elects bool

	// closesBeforeFarewell: when it stops, it closes the DEALERs before the farewell.
	closesBeforeFarewell bool
}

// beaconFilter says which beacons are accepted.
type beaconFilter uint8

const (
	allBeacons       beaconFilter = iota // its socket is bound to any address
	ownBroadcastOnly                     // its socket is bound to the broadcast address of its interface
	ownSubnetOnly                        // it drops those from an address of another subnet
)

// purge tells what happens to the peer that was at an endpoint before.
type purge uint8

const (
	purgeNothing     purge = iota // nothing
	purgeDisconnects              // its DEALER is closed, and the application learns nothing until the peer expires
	purgeRemoves                  // EXIT
)

var quirksOf = map[Implementation]quirks{
	Zyre: {
		evasive: 5 * time.Second, expired: 30 * time.Second,
		sequenceNumbers: 1 << 16, statusNumbers: 256,
		needsHello: true, helloResetsCount: true, purge: purgeDisconnects,
		highWater: 3_000_000, firstPort: 49152,
		diesOfBadStatus: true, diesOfNoContent: true, elects: true,
	},
	Pyre: {
		evasive: 10 * time.Second, expired: 30 * time.Second, beaconsKeepAlive: true, filter: ownBroadcastOnly,
		sequenceNumbers: 1<<16 - 1, statusNumbers: 256,
		needsHello: true, connectsBeforeClosing: true, purge: purgeRemoves,
		highWater: 3000, bindsAll: true, diesOfBadEndpoint: true,
		diesOfBadStatus: true, diesOfBeaconLength: true, diesOfNoContent: true,
	},
	ZyreJS: {
		evasive: 5 * time.Second, expired: 30 * time.Second, pingsOnce: true, beaconsKeepAlive: true, filter: ownSubnetOnly,
		sequenceNumbers: 1<<16 - 1, statusNumbers: 255,
		purge: purgeNothing, firstPort: 49152, diesOfBadEndpoint: true,
		firstFrameOnly: true, ownGroupsOnly: true, closesBeforeFarewell: true,
	},
}
