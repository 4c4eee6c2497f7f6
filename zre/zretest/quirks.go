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

// quirks is how an implementation differs from the others. The three are one program otherwise, and all of them stand on
// libzmq, whose sockets are in internal/libzmq.
//
// The sources: zyre_node.c and zyre_peer.c of C zyre d8370f7, pyre_node.py and pyre_peer.py of pyre 0.3.4, zyre_node.js,
// zyre_peer.js and zyre_peers.js of zyre.js 1.3.0. Package internal/interop checks the models against the programs
// themselves, message by message.
type quirks struct {
	// evasive and expired are the timeouts. C zyre and pyre look once a second, and PING each time while a peer is evasive.
	// zyre.js has timers, and PINGs once.
	evasive, expired time.Duration
	pingsOnce        bool

	// beaconsCount: a beacon is a sign of life. To C zyre only messages are, so it PINGs an idle peer every 5 seconds.
	beaconsCount bool

	// hears is which beacons it takes, of those that come to its UDP port.
	hears hears

	// wrap is how many sequence numbers there are: pyre and zyre.js go from 65534 to 0.
	wrap uint32

	// greetsFirst: what comes of a peer before its HELLO is ignored, and a HELLO of a peer that has said HELLO already removes it
	// and begins anew: EXIT, another DEALER, a HELLO of its own, ENTER. A HELLO other than the first message of a sequence
	// ends in EXIT.
	//
	// zyre.js has no such rule: it takes any message whose sequence number is the next one, from a peer that it knows by a
	// beacon alone too. A HELLO is a message like any other, so that a second one, with sequence 1, is a gap: EXIT, the
	// DEALER is closed, and there is no answer. The peer's next beacon, or its next HELLO, makes it a new peer, which is greeted.
	greetsFirst bool

	// countsFromHello: a HELLO must have number 1, whatever came before. pyre means that too, but a slip has it count on, so that a
	// peer whose DEALER it gave up for its high-water mark enters only at the second HELLO.
	countsFromHello bool

	// opensFirst: where the peer begins anew, the new DEALER connects before the old one is closed. In pyre the old object
	// lives as long as a variable refers to it.
	opensFirst bool

	// purge is what happens to a peer when another UUID turns up at its endpoint.
	purge purge

	// highWater is how many messages a DEALER holds before one more disconnects it for good (EAGAIN); 0 for no bound.
	highWater int

	// firstPort is where the search for a free port begins: czmq and zyre.js take the first from 49152 up, so that a program
	// that starts again has the port that it had. pyre takes one at random.
	firstPort uint16

	// bindsAll: the ROUTER listens on all addresses, not only on that of its interface.
	bindsAll bool

	// oneFrame: only the first frame of a message is passed up; ownGroups: a SHOUT to a group that it is not in is not.
	oneFrame, ownGroups bool

	// wrapStatus is how many values the count of joins and leaves has.
	wrapStatus int

	// goodEndpoints: it dies of a HELLO whose endpoint it cannot connect to, from a peer that no beacon told of.
	goodEndpoints bool

	// strictStatus: the process dies of a JOIN or LEAVE with a wrong status; strictBeacons: it dies of a beacon that does not
	// have 22 octets; needsContent: it dies of a WHISPER or SHOUT without content, or mixes up its events.
	strictStatus, strictBeacons, needsContent bool

	// elects: it takes part in elections. Of the others pyre and zyre.js drop a peer that sends ELECT or LEADER.
	elects bool

	// closesFirst: when it stops, the DEALERs are closed before the farewell.
	closesFirst bool
}

// hears says which beacons are taken.
type hears uint8

const (
	everything   hears = iota // its socket is bound to no address
	ownBroadcast              // its socket is bound to the broadcast address of its interface
	ownSubnet                 // those from an address of another subnet are dropped
)

// purge is what happens to the peer that was at an endpoint before.
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
