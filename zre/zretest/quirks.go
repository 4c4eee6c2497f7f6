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

	// beaconsCount: a beacon is a sign of life. For C zyre only messages are, so it PINGs an idle peer every 5 seconds.
	beaconsCount bool

	// hears tells which of the beacons at its UDP port it accepts.
	hears hears

	// wrap is how many sequence numbers there are: pyre and zyre.js go from 65534 to 0.
	wrap uint32

	// greetsFirst: messages of a peer before its HELLO are ignored. A HELLO of a peer that has already sent HELLO removes the peer and starts
	// anew: EXIT, another DEALER, a HELLO of its own, ENTER. A HELLO other than the first message of a sequence ends in EXIT.
	//
	// zyre.js has no such rule. It accepts any message with the next sequence number, even from a peer that it knows only by a beacon. A
	// HELLO is a message like any other, so a second one, with sequence 1, is a gap: EXIT, the DEALER is closed, and there is no answer. The
	// peer's next beacon, or its next HELLO, makes it a new peer, which is greeted.
	greetsFirst bool

	// countsFromHello: a HELLO must have number 1, whatever came before. pyre intends that too, but a slip makes it continue to count, so a
	// peer whose DEALER it gave up for its high-water mark enters only at the second HELLO.
	countsFromHello bool

	// opensFirst: when a peer starts anew, the new DEALER connects before the old one is closed. In pyre the old object lives as long as a
	// variable refers to it.
	opensFirst bool

	// purge is what happens to a peer when another UUID turns up at its endpoint.
	purge purge

	// highWater is how many messages a DEALER holds before one more disconnects it for good (EAGAIN); 0 means no limit.
	highWater int

	// firstPort is where the search for a free port begins. czmq and zyre.js take the first from 49152 up, so a program that restarts gets
	// its old port. pyre takes a random port.
	firstPort uint16

	// bindsAll: the ROUTER listens on all addresses, not only on the address of its interface.
	bindsAll bool

	// oneFrame: only the first frame of a message is passed up. ownGroups: a SHOUT to a group that it has not joined is not passed up.
	oneFrame, ownGroups bool

	// wrapStatus is how many values the count of joins and leaves has.
	wrapStatus int

	// goodEndpoints: it dies of a HELLO with an endpoint that it cannot connect to, if no beacon announced the peer.
	goodEndpoints bool

	// strictStatus: the process dies of a JOIN or LEAVE with a wrong status. strictBeacons: it dies of a beacon that does not have 22
	// octets. needsContent: it dies of a WHISPER or SHOUT without content, or mixes up its events.
	strictStatus, strictBeacons, needsContent bool

	// elects: it takes part in elections. Among the others, pyre and zyre.js drop a peer that sends ELECT or LEADER.
	elects bool

	// closesFirst: when it stops, it closes the DEALERs before the farewell.
	closesFirst bool
}

// hears tells which beacons are accepted.
type hears uint8

const (
	everything   hears = iota // its socket is bound to any address
	ownBroadcast              // its socket is bound to the broadcast address of its interface
	ownSubnet                 // it drops those from an address of another subnet
)

// purge tells what happens to the peer that was at an endpoint before.
type purge uint8

const (
	keeps       purge = iota // nothing
	disconnects              // its DEALER is closed, and the application hears nothing until the peer expires
	removes                  // EXIT
)

var quirksOf = map[Implementation]quirks{
	Zyre: {
		evasive: 5 * time.Second, expired: 30 * time.Second,
		wrap: 1 << 16, wrapStatus: 256,
		greetsFirst: true, countsFromHello: true, purge: disconnects,
		highWater: 3_000_000, firstPort: 49152,
		strictStatus: true, needsContent: true, elects: true,
	},
	Pyre: {
		evasive: 10 * time.Second, expired: 30 * time.Second, beaconsCount: true, hears: ownBroadcast,
		wrap: 1<<16 - 1, wrapStatus: 256,
		greetsFirst: true, opensFirst: true, purge: removes,
		highWater: 3000, bindsAll: true, goodEndpoints: true,
		strictStatus: true, strictBeacons: true, needsContent: true,
	},
	ZyreJS: {
		evasive: 5 * time.Second, expired: 30 * time.Second, pingsOnce: true, beaconsCount: true, hears: ownSubnet,
		wrap: 1<<16 - 1, wrapStatus: 255,
		purge: keeps, firstPort: 49152, goodEndpoints: true,
		oneFrame: true, ownGroups: true, closesFirst: true,
	},
}
